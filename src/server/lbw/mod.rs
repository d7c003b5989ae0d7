//! lbw's own API.

mod check;
mod events;
mod jobs;
mod study;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::json;

use super::answer;
use super::sdapi::ram;
use super::state::Server;
use crate::app::api::preset_list;

/// The routes.
pub fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/lbw/v1/health", get(health))
        .route("/healthz", get(health))
        .route("/internal/ping", get(health))
        .route("/lbw/v1/status", get(status))
        .route("/lbw/v1/check", post(check::check))
        .route("/lbw/v1/plan", post(check::plan))
        .route("/lbw/v1/read", post(check::read_infotext))
        .route("/lbw/v1/presets", get(presets))
        .route("/lbw/v1/analyze", post(study::analyze))
        .route("/lbw/v1/tune", post(study::tune))
        .route("/lbw/v1/atlas", post(study::atlas))
        .route("/lbw/v1/batch", post(study::batch))
        .route("/lbw/v1/jobs", get(jobs::list).post(jobs::submit))
        .route("/lbw/v1/jobs/{id}", get(jobs::get).delete(jobs::cancel))
        .route("/lbw/v1/jobs/{id}/images/{file}", get(jobs::image))
        .route("/lbw/v1/jobs/{id}/preview", get(jobs::preview))
        .route("/lbw/v1/events", get(events::events))
}

async fn health() -> Response {
    answer::json(json!({}))
}

/// `GET /lbw/v1/presets`
async fn presets(State(server): State<Arc<Server>>) -> Response {
    answer::json(preset_list(&server.files().session))
}

async fn status(State(server): State<Arc<Server>>) -> Response {
    let files = server.files();
    let hash = files.models.known_hash(&files.model.path);
    answer::json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "model": files.model.title(hash.as_deref()),
        "queue": server.jobs.waiting_count(),
        "uptime": server.began.elapsed().as_secs(),
        "side": server.side(),
        "memory": ram(),
        "embedded": files.session.is_embedded(),
    }))
}
