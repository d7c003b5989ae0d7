//! OpenAI's routes for images, with webui's fields beside OpenAI's own.

use std::sync::Arc;

use axum::Router;
use axum::extract::multipart::MultipartRejection;
use axum::extract::{DefaultBodyLimit, Multipart, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::answer::{self, Failure};
use super::ask::{Waiting, begin, read};
use super::body::{Json, PATIENCE};
use super::clock;
use super::jobs::Status;
use super::state::Server;
use crate::app::api::Route;
use crate::diagnostic::Language;

/// The routes.
pub fn routes(server: &Server) -> Router<Arc<Server>> {
    let most = server.settings.max_body;
    Router::new()
        .route("/v1/images/generations", post(generations))
        .route("/v1/images/edits", post(edits).layer(DefaultBodyLimit::max(most)))
        .route("/v1/models", get(models))
}

/// What OpenAI's clients are told.
pub struct Refused(Failure, Option<&'static str>);

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Refused(failure, None)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Refused(failure, parameter) = self;
        // What webui calls unprocessable is a bad request here.
        let status = match failure.status {
            StatusCode::UNPROCESSABLE_ENTITY | StatusCode::NOT_FOUND => StatusCode::BAD_REQUEST,
            status => status,
        };
        let mut response = answer::with_status(status, body(&failure.message(), status, parameter));
        if let Some(seconds) = failure.retry {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// An error as OpenAI writes it.
pub fn body(message: &str, status: StatusCode, parameter: Option<&str>) -> Value {
    let kind = if status.is_server_error() { "server_error" } else { "invalid_request_error" };
    json!({ "error": { "message": message, "type": kind, "param": parameter, "code": null } })
}

/// `POST /v1/images/generations`
async fn generations(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Refused> {
    let Value::Object(fields) = body else { return Err(Failure::wrong("the body is not an object").into()) };
    draw(&server, Route::Txt2img, fields, &headers).await
}

/// `POST /v1/images/edits`
async fn edits(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Response, Refused> {
    let form = form.map_err(|error| Failure::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    let late = |_| Failure::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time");
    let fields = tokio::time::timeout(PATIENCE, parts(form)).await.map_err(late)??;
    if fields.contains_key("mask") {
        return Err(Refused(Failure::wrong("masks are taken by /sdapi/v1/img2img, not here"), Some("mask")));
    }
    draw(&server, Route::Img2img, fields, &headers).await
}

/// The parts of a form; pictures become those of webui's requests.
async fn parts(mut form: Multipart) -> Result<Map<String, Value>, Failure> {
    let broken = |error: axum::extract::multipart::MultipartError| Failure::new(error.status(), error.body_text());
    let (mut fields, mut images) = (Map::new(), Vec::new());
    while let Some(part) = form.next_field().await.map_err(broken)? {
        let name = part.name().unwrap_or_default().trim_end_matches("[]").to_owned();
        if name == "image" || name == "mask" {
            let picture = Value::from(STANDARD.encode(part.bytes().await.map_err(broken)?));
            match name.as_str() {
                "image" => images.push(picture),
                _ => drop(fields.insert(name, picture)),
            }
        } else {
            fields.insert(name, part.text().await.map_err(broken)?.into());
        }
    }
    fields.insert("init_images".to_owned(), images.into());
    Ok(fields)
}

async fn draw(
    server: &Arc<Server>,
    route: Route,
    mut fields: Map<String, Value>,
    headers: &HeaderMap,
) -> Result<Response, Refused> {
    let mut warnings = Vec::new();
    let is_url = fields.remove("response_format").is_some_and(|format| format == "url");
    translate(server, &mut fields, &mut warnings)?;
    let drawing = read(server, route, Value::Object(fields), Language::En).await?;
    warnings.extend(drawing.found.iter().map(|found| found.message.to_string()));
    let prompts: Vec<String> = drawing.plans.iter().map(|plan| plan.first.prompt.clone()).collect();
    let waiting = Waiting::new(server, begin(server, drawing)?, is_url);
    let job = waiting.job.clone();
    job.over().await;
    let (status, sent, error) = job.state(|state| (state.status, state.sent.clone(), state.error.clone()));
    if let Some(error) = error {
        return Err(Failure::app(&error, Language::En).into());
    }
    if status != Status::Done {
        return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "the request was cancelled").into());
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let data = sent.iter().zip(prompts).enumerate().map(|(number, (sent, prompt))| {
        let mut item = json!({ "revised_prompt": prompt, "seed": sent.seed });
        match is_url {
            true => item["url"] = format!("http://{host}/lbw/v1/jobs/{}/images/{number}.png", job.id).into(),
            false => item["b64_json"] = STANDARD.encode(&sent.bytes).into(),
        }
        item
    });
    let data: Vec<Value> = data.collect();
    Ok(answer::json(json!({ "created": clock::seconds(), "data": data, "lbw": { "warnings": warnings } })))
}

/// OpenAI's fields as webui's.
fn translate(server: &Server, fields: &mut Map<String, Value>, warnings: &mut Vec<String>) -> Result<(), Refused> {
    if let Some(count) = fields.remove("n").filter(|count| !count.is_null()) {
        fields.insert("n_iter".to_owned(), count);
    }
    match fields.remove("size").filter(|size| !size.is_null() && *size != "auto") {
        None => {}
        Some(size) => {
            let sides = size.as_str().and_then(|size| size.split_once('x'));
            let sides = sides.and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
            let wrong = || Refused(Failure::wrong(format!("size is {size}; it has the form 1024x1024")), Some("size"));
            let (width, height): (u32, u32) = sides.ok_or_else(wrong)?;
            fields.insert("width".to_owned(), width.into());
            fields.insert("height".to_owned(), height.into());
        }
    }
    let mut overrides = fields.get("override_settings").and_then(Value::as_object).cloned().unwrap_or_default();
    if let Some(format) = fields.remove("output_format").filter(|format| !format.is_null()) {
        let name = match format.as_str() {
            Some("png") => "png",
            Some("jpeg") => "jpg",
            Some("webp") => "webp",
            _ => return Err(Refused(Failure::wrong("there are png, jpeg and webp"), Some("output_format"))),
        };
        overrides.insert("samples_format".to_owned(), name.into());
    }
    if let Some(name) = fields.remove("model").as_ref().and_then(Value::as_str) {
        // Clients send `dall-e-3` and the like without being asked.
        match server.files().models.find(name) {
            Ok(_) => drop(overrides.insert("sd_model_checkpoint".to_owned(), name.into())),
            Err(error) => warnings.push(error.message().to_string()),
        }
    }
    if !overrides.is_empty() {
        fields.insert("override_settings".to_owned(), overrides.into());
    }
    // Its values are not those of webui's field of this name; and who asks says nothing of the picture.
    fields.remove("style");
    fields.remove("user");
    Ok(())
}

/// `GET /v1/models`
async fn models(State(server): State<Arc<Server>>) -> Response {
    let files = server.files();
    let models =
        files.models.checkpoints.iter().map(
            |model| json!({ "id": model.stem(), "object": "model", "created": server.started, "owned_by": "lbw" }),
        );
    let models: Vec<Value> = models.collect();
    answer::json(json!({ "object": "list", "data": models }))
}
