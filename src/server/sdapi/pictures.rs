//! What is done with pictures besides drawing over them: their texts are read, they are enlarged.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::app::api::{Enlarging, Refusal, encode_picture, png_info};
use crate::diagnostic::Language;
use crate::server::answer::{self, Failure};
use crate::server::ask::apart;
use crate::server::body::Json;
use crate::server::pictures::{bytes, unreadable};
use crate::server::state::Server;

/// `POST /sdapi/v1/png-info`
pub async fn info(Json(body): Json) -> Result<Response, Failure> {
    apart(move || {
        let picture = bytes(&body["image"])?;
        png_info(&picture).map(answer::json).map_err(|error| unreadable(&error))
    })
    .await
}

/// `POST /sdapi/v1/extra-single-image`
pub async fn extra(State(server): State<Arc<Server>>, Json(body): Json) -> Result<Response, Failure> {
    apart(move || {
        let fields = object(body)?;
        let enlarging = Enlarging::of(&fields).map_err(refused)?;
        let image = enlarge(&server, &enlarging, fields.get("image").unwrap_or(&Value::Null))?;
        Ok(answer::json(json!({ "html_info": "", "image": image, "lbw": { "warnings": warnings(&enlarging) } })))
    })
    .await
}

/// `POST /sdapi/v1/extra-batch-images`
pub async fn extras(State(server): State<Arc<Server>>, Json(body): Json) -> Result<Response, Failure> {
    apart(move || {
        let fields = object(body)?;
        let enlarging = Enlarging::of(&fields).map_err(refused)?;
        let list = match fields.get("imageList") {
            Some(Value::Array(list)) => list.as_slice(),
            _ => return Err(Failure::wrong("`imageList` is not a list of pictures")),
        };
        let most = server.settings.rules.max_images;
        if list.len() as u64 > most {
            return Err(Failure::wrong(format!("{} pictures; this server takes at most {most}", list.len())));
        }
        let images =
            list.iter().map(|item| enlarge(&server, &enlarging, &item["data"])).collect::<Result<Vec<_>, _>>()?;
        Ok(answer::json(json!({ "html_info": "", "images": images, "lbw": { "warnings": warnings(&enlarging) } })))
    })
    .await
}

fn object(body: Value) -> Result<Map<String, Value>, Failure> {
    match body {
        Value::Object(fields) => Ok(fields),
        _ => Err(Failure::wrong("the body is not an object")),
    }
}

fn refused(refusal: Refusal) -> Failure {
    Failure::refused(&refusal, Language::En)
}

fn warnings(enlarging: &Enlarging) -> Vec<String> {
    enlarging.found.iter().map(|found| found.message.to_string()).collect()
}

fn enlarge(server: &Server, enlarging: &Enlarging, image: &Value) -> Result<String, Failure> {
    let picture = bytes(image)?;
    let enlarged = enlarging.enlarge(&picture, server.settings.rules.max_pixels).map_err(refused)?;
    encode_picture(&enlarged).map(|png| STANDARD.encode(png)).map_err(|error| Failure::app(&error, Language::En))
}
