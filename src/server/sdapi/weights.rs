//! What is read from files: looked for again, given back, read again.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use crate::diagnostic::Language;
use crate::server::answer::{self, Failure};
use crate::server::jobs::Order;
use crate::server::state::Server;

/// `POST /sdapi/v1/refresh-…`
pub async fn refresh(State(server): State<Arc<Server>>) -> Result<Response, Failure> {
    let looked = tokio::task::spawn_blocking({
        let server = server.clone();
        move || server.refresh()
    });
    if let Ok(Err(error)) = looked.await {
        return Err(Failure::app(&error, Language::En));
    }
    // The engine hears of it before the next job; nobody waits for that.
    drop(server.jobs.order(Order::Refresh));
    Ok(answer::json(Value::Null))
}

/// `POST /sdapi/v1/unload-checkpoint`
pub async fn unload(State(server): State<Arc<Server>>) -> Response {
    let _ = server.jobs.order(Order::Unload).await;
    answer::json(json!({}))
}

/// `POST /sdapi/v1/reload-checkpoint`
pub async fn load(State(server): State<Arc<Server>>) -> Result<Response, Failure> {
    match server.jobs.order(Order::Load).await {
        Ok(Err(error)) => Err(Failure::app(&error, Language::En)),
        // Where the server ends nothing is read.
        Ok(Ok(())) | Err(_) => Ok(answer::json(json!({}))),
    }
}
