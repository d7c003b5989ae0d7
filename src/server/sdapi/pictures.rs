//! What is done with pictures besides drawing over them: their texts are read, they are enlarged.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::app::api::{Enlarging, encode_picture, png_info};
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
        let image = enlarge(&server, &fields, fields.get("image").unwrap_or(&Value::Null))?;
        Ok(answer::json(json!({ "html_info": "", "image": image })))
    })
    .await
}

/// `POST /sdapi/v1/extra-batch-images`
pub async fn extras(State(server): State<Arc<Server>>, Json(body): Json) -> Result<Response, Failure> {
    apart(move || {
        let fields = object(body)?;
        let list = fields.get("imageList").and_then(Value::as_array).cloned().unwrap_or_default();
        let most = server.settings.rules.max_images;
        if list.len() as u64 > most {
            return Err(Failure::wrong(format!("{} pictures; this server takes at most {most}", list.len())));
        }
        let images = list.iter().map(|item| enlarge(&server, &fields, &item["data"])).collect::<Result<Vec<_>, _>>()?;
        Ok(answer::json(json!({ "html_info": "", "images": images })))
    })
    .await
}

fn object(body: Value) -> Result<Map<String, Value>, Failure> {
    match body {
        Value::Object(fields) => Ok(fields),
        _ => Err(Failure::wrong("the body is not an object")),
    }
}

fn enlarge(server: &Server, fields: &Map<String, Value>, image: &Value) -> Result<String, Failure> {
    let refused = |refusal| Failure::refused(&refusal, Language::En);
    let enlarging = Enlarging::of(fields).map_err(refused)?;
    let picture = bytes(image)?;
    let enlarged = enlarging.enlarge(&picture, server.settings.rules.max_pixels).map_err(refused)?;
    encode_picture(&enlarged).map(|png| STANDARD.encode(png)).map_err(|error| Failure::app(&error, Language::En))
}
