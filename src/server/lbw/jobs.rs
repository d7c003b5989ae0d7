//! Jobs: submitted, watched, cancelled, and their pictures fetched.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::check::language;
use crate::app::api::Route;
use crate::server::answer::{self, Failure};
use crate::server::ask::{begin, read};
use crate::server::body::Json;
use crate::server::jobs::Job;
use crate::server::state::Server;

/// `POST /lbw/v1/jobs`
pub async fn submit(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    Json(mut body): Json,
) -> Result<Response, Failure> {
    let Value::Object(fields) = &body else { return Err(Failure::wrong("the body is not an object")) };
    if let Some(name) = fields.keys().find(|name| !["kind", "request"].contains(&name.as_str())) {
        return Err(Failure::wrong(format!("there is no field `{}`", name.escape_debug())));
    }
    let route = match &body["kind"] {
        Value::Null => Route::Txt2img,
        kind if kind == "txt2img" => Route::Txt2img,
        kind if kind == "img2img" => Route::Img2img,
        kind => return Err(Failure::wrong(format!("there is no kind `{kind}` of jobs"))),
    };
    let request = body.get_mut("request").map(Value::take).unwrap_or_default();
    let drawing = read(&server, route, request, language(&headers)).await?;
    let job = begin(&server, drawing)?;
    Ok(accepted(&server, &job))
}

/// A job that was taken.
pub fn accepted(server: &Server, job: &Job) -> Response {
    taken(job, shown(server, job))
}

/// The answer of a job that was taken, with what is to be told of it.
pub fn taken(job: &Job, told: Value) -> Response {
    let mut response = answer::with_status(StatusCode::ACCEPTED, told);
    if let Ok(place) = HeaderValue::from_str(&format!("/lbw/v1/jobs/{}", job.id)) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

/// A job as clients see it.
pub fn shown(server: &Server, job: &Job) -> Value {
    let position = server.jobs.position(job).unwrap_or(0);
    job.state(|state| {
        let images = (0..state.sent.len()).map(|n| format!("/lbw/v1/jobs/{}/images/{n}.png", job.id));
        let texts: Vec<&str> = state.sent.iter().map(|sent| sent.infotext.as_str()).collect();
        let seeds: Vec<u64> = state.sent.iter().map(|sent| sent.seed).collect();
        json!({
            "id": job.id,
            "task_id": job.task,
            "kind": job.kind,
            "status": state.status.name(),
            "queue_position": position,
            "progress": state.progress(),
            "step": state.step,
            "steps": state.steps,
            "eta": state.eta(),
            "images": images.collect::<Vec<_>>(),
            "infotexts": texts,
            "seeds": seeds,
            "preview": state.preview.as_ref().filter(|_| !state.status.is_over()).map(|(n, _)| format!("/lbw/v1/jobs/{}/preview?n={n}", job.id)),
            "request": job.request,
            "info": state.info.as_deref(),
            "result": state.result.as_deref(),
            "error": state.error.as_ref().map(|error| error.message().to_string()),
        })
    })
}

/// `GET /lbw/v1/jobs`
pub async fn list(State(server): State<Arc<Server>>) -> Response {
    let jobs: Vec<Value> = server.jobs.all().iter().map(|job| shown(&server, job)).collect();
    answer::json(json!({ "jobs": jobs }))
}

fn find(server: &Server, id: &str) -> Result<Arc<Job>, Failure> {
    server.jobs.get(id).ok_or_else(|| Failure::new(StatusCode::NOT_FOUND, "Not Found"))
}

/// `GET /lbw/v1/jobs/ID`
pub async fn get(State(server): State<Arc<Server>>, Path(id): Path<String>) -> Result<Response, Failure> {
    Ok(answer::json(shown(&server, &*find(&server, &id)?)))
}

/// `DELETE /lbw/v1/jobs/ID`
pub async fn cancel(State(server): State<Arc<Server>>, Path(id): Path<String>) -> Result<Response, Failure> {
    let job = find(&server, &id)?;
    server.jobs.cancel(&job);
    Ok(answer::json(shown(&server, &job)))
}

/// `GET /lbw/v1/jobs/ID/images/N.png`
pub async fn image(
    State(server): State<Arc<Server>>,
    Path((id, file)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let absent = || Failure::new(StatusCode::NOT_FOUND, "Not Found");
    let number: usize = file.split('.').next().and_then(|number| number.parse().ok()).ok_or_else(absent)?;
    let sent = find(&server, &id)?.state(|state| state.sent.get(number).cloned()).ok_or_else(absent)?;
    Ok(picture(sent.bytes.clone(), sent.media))
}

/// `GET /lbw/v1/jobs/ID/preview`: of a job that is over, its last picture.
pub async fn preview(State(server): State<Arc<Server>>, Path(id): Path<String>) -> Result<Response, Failure> {
    let (preview, last) = find(&server, &id)?.state(|state| (state.preview.clone(), state.sent.last().cloned()));
    match (preview, last) {
        (Some((_, png)), _) => Ok(picture((*png).clone(), "image/png")),
        (None, Some(sent)) => Ok(picture(sent.bytes.clone(), sent.media)),
        (None, None) => Err(Failure::new(StatusCode::NOT_FOUND, "Not Found")),
    }
}

fn picture(bytes: Vec<u8>, media: &'static str) -> Response {
    let mut response = Body::from(bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    // What a job has drawn never changes.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable"));
    response
}
