//! Bodies of requests: never larger than allowed, never waited for without end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::answer::Failure;
use super::state::Server;

/// How long a body may take to come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long nothing of a body may come. Connections are counted, and others wait for them.
const SILENCE: Duration = Duration::from_secs(10);

/// A body, whole.
pub struct Bytes(pub Vec<u8>);

impl FromRequest<Arc<Server>> for Bytes {
    type Rejection = Failure;

    async fn from_request(request: Request, server: &Arc<Server>) -> Result<Self, Failure> {
        let most = server.settings.max_body;
        let length =
            request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: u64| length > most as u64) {
            return Err(too_large(most));
        }
        let read = tokio::time::timeout(PATIENCE, whole(request.into_body(), most, &server.bodies)).await;
        read.unwrap_or_else(|_| Err(late())).map(Bytes)
    }
}

/// Bodies of the largest size that are read at one time. Requests with a picture have some MiB, and come one by one.
const AT_ONCE: usize = 4;

/// What of a body is in memory while the rest of it comes, as a part of what all of them have.
struct Coming<'a> {
    all: &'a AtomicUsize,
    own: usize,
}

impl Coming<'_> {
    /// Counts more, or refuses it.
    fn take(&mut self, more: usize, most: usize) -> Result<(), Failure> {
        self.own += more;
        match self.all.fetch_add(more, Ordering::Relaxed) + more > most {
            true => Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "too many large bodies come at once; ask again")),
            false => Ok(()),
        }
    }
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.own, Ordering::Relaxed);
    }
}

async fn whole(mut body: Body, most: usize, all: &AtomicUsize) -> Result<Vec<u8>, Failure> {
    let (mut bytes, mut coming) = (Vec::new(), Coming { all, own: 0 });
    while let Some(frame) = tokio::time::timeout(SILENCE, body.frame()).await.map_err(|_| late())? {
        let broken = |_| Failure::new(StatusCode::BAD_REQUEST, "the body is broken");
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        if bytes.len() + data.len() > most {
            return Err(too_large(most));
        }
        coming.take(data.len(), AT_ONCE * most)?;
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn late() -> Failure {
    Failure::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")
}

fn too_large(most: usize) -> Failure {
    let mib = most >> 20;
    Failure::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {mib} MiB (--max-body)"))
}

/// A body read as JSON, whatever its `Content-Type`.
pub struct Json(pub Value);

impl FromRequest<Arc<Server>> for Json {
    type Rejection = Failure;

    async fn from_request(request: Request, server: &Arc<Server>) -> Result<Self, Failure> {
        let Bytes(bytes) = Bytes::from_request(request, server).await?;
        parse(&bytes).map(Json)
    }
}

/// Reads JSON; what is wrong with it is told as FastAPI tells it.
pub fn parse(bytes: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(bytes).map_err(|error| {
        let place = json!(["body", error.column()]);
        let item = json!({ "loc": place, "msg": error.to_string(), "type": "value_error.jsondecode" });
        Failure { detail: json!([item]), ..Failure::wrong("") }
    })
}
