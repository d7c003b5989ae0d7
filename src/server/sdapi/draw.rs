//! `txt2img` and `img2img`: a request waits for its turn and is answered with its pictures.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Version};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::app::api::Route;
use crate::diagnostic::Language;
use crate::server::answer::{self, Failure};
use crate::server::ask::{Waiting, begin, read};
use crate::server::body::Json;
use crate::server::jobs::{Job, Status};
use crate::server::state::Server;
use crate::server::stream::stream;

/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(15);

/// `POST /sdapi/v1/txt2img`
pub async fn txt2img(
    State(server): State<Arc<Server>>,
    version: Version,
    Json(body): Json,
) -> Result<Response, Failure> {
    draw(server, Route::Txt2img, version, body).await
}

/// `POST /sdapi/v1/img2img`
pub async fn img2img(
    State(server): State<Arc<Server>>,
    version: Version,
    Json(body): Json,
) -> Result<Response, Failure> {
    draw(server, Route::Img2img, version, body).await
}

async fn draw(server: Arc<Server>, route: Route, version: Version, body: Value) -> Result<Response, Failure> {
    let drawing = read(&server, route, body, Language::En).await?;
    let parameters = drawing.fields.values.clone();
    let stays = drawing.fields.is_on("save_images");
    let waiting = Waiting::new(&server, begin(&server, drawing)?, stays);
    let job = waiting.job.clone();
    // Programs of HTTP/1.0 do not know bodies that come piece by piece.
    match server.settings.heartbeat.filter(|_| version >= Version::HTTP_11) {
        None => job.over().await,
        Some(patience) => {
            if tokio::time::timeout(patience, job.over()).await.is_err() {
                return Ok(beating(server, waiting, parameters));
            }
        }
    }
    answer_of(&server, &job, parameters).map(answer::json)
}

/// An answer that begins now and ends when the job does, with a space now and then; JSON may begin with spaces.
fn beating(server: Arc<Server>, waiting: Waiting, parameters: Map<String, Value>) -> Response {
    let job = waiting.job.clone();
    let (send, response) = stream("application/json", waiting);
    tokio::spawn(async move {
        while send.send(Bytes::from_static(b" ")).await.is_ok() {
            tokio::select! {
                () = job.over() => {
                    let body = answer_of(&server, &job, parameters).unwrap_or_else(|failure| {
                        let mut body = failure.body();
                        for (name, value) in [("images", json!([])), ("parameters", json!({})), ("info", json!("{}"))] {
                            body[name] = value;
                        }
                        body
                    });
                    let _ = send.send(Bytes::from(answer::text(body))).await;
                    return;
                }
                () = tokio::time::sleep(BEAT) => {}
                () = send.closed() => return,
            }
        }
    });
    response
}

/// webui's answer to a job that is over.
pub fn answer_of(server: &Server, job: &Job, parameters: Map<String, Value>) -> Result<Value, Failure> {
    let (status, sent, info, error) =
        job.state(|state| (state.status, state.sent.clone(), state.info.clone(), state.error.clone()));
    if let Some(error) = error {
        return Err(Failure::app(&error, Language::En));
    }
    if status != Status::Done {
        let ending = server.jobs.is_ending();
        let why = if ending { "the server is shutting down" } else { "the request was cancelled" };
        return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, why));
    }
    let sends = parameters.get("send_images") != Some(&Value::Bool(false));
    let images: Vec<String> = sent.iter().filter(|_| sends).map(|sent| STANDARD.encode(&sent.bytes)).collect();
    let info = answer::text(info.map_or_else(|| json!({}), |info| (*info).clone()));
    Ok(json!({ "images": images, "parameters": parameters, "info": info }))
}
