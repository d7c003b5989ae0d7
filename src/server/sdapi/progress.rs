//! How far the running job is, and how it is stopped.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::app::Stop;
use crate::server::answer;
use crate::server::body::Bytes;
use crate::server::jobs::Status;
use crate::server::state::Server;

/// Parameters behind the `?`; others are ignored.
type Parameters = Query<std::collections::HashMap<String, String>>;

/// `GET /sdapi/v1/progress`
pub async fn progress(State(server): State<Arc<Server>>, Query(parameters): Parameters) -> Response {
    let skips = parameters.get("skip_current_image").is_some_and(|value| is_true(value));
    let waiting = server.jobs.waiting_count();
    let textinfo = if waiting > 0 { json!(format!("In queue: {waiting}")) } else { Value::Null };
    let Some(job) = server.jobs.running() else {
        let state = json!({
            "skipped": false, "interrupted": false, "stopping_generation": false, "job": "", "job_count": 0,
            "job_timestamp": "0", "job_no": 0, "sampling_step": 0, "sampling_steps": 0,
        });
        return answer::json(json!({
            "progress": 0, "eta_relative": 0, "state": state, "current_image": null, "textinfo": textinfo,
        }));
    };
    let wanted = job.wanted();
    answer::json(job.state(|state| {
        let image = state.preview.as_ref().filter(|_| !skips).map(|(_, png)| STANDARD.encode(&**png));
        let name = match state.images {
            0 | 1 => format!("scripts_{}", job.kind),
            images => format!("Batch {} out of {images}", state.image + 1),
        };
        json!({
            "progress": state.progress(),
            "eta_relative": state.eta(),
            "state": {
                "skipped": state.is_skipped, "interrupted": wanted != Stop::No, "stopping_generation": wanted != Stop::No,
                "job": name, "job_count": state.passes.max(1), "job_timestamp": state.timestamp, "job_no": state.pass,
                "sampling_step": state.step, "sampling_steps": state.steps,
            },
            "current_image": image,
            "textinfo": textinfo,
        })
    }))
}

pub fn is_true(value: &str) -> bool {
    ["true", "1", "on", "yes"].iter().any(|word| word.eq_ignore_ascii_case(value))
}

/// `POST /sdapi/v1/interrupt`
pub async fn interrupt(State(server): State<Arc<Server>>) -> Response {
    if let Some(job) = server.jobs.running() {
        job.interrupt();
    }
    answer::json(json!({}))
}

/// `POST /sdapi/v1/skip`
pub async fn skip(State(server): State<Arc<Server>>) -> Response {
    if let Some(job) = server.jobs.running() {
        job.skip();
    }
    answer::json(Value::Null)
}

/// `POST /internal/progress`: what webui's own page asks.
pub async fn of_task(State(server): State<Arc<Server>>, Bytes(body): Bytes) -> Response {
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let job = asked["id_task"].as_str().and_then(|task| server.jobs.of_task(task));
    let Some(job) = job else {
        return answer::json(json!({
            "active": false, "queued": false, "completed": false, "progress": null, "eta": null, "live_preview": null,
            "id_live_preview": -1, "textinfo": null,
        }));
    };
    let position = server.jobs.position(&job);
    let waiting = server.jobs.waiting_count();
    let seen = asked["id_live_preview"].as_i64().unwrap_or(-1);
    let shows = asked["live_preview"] != Value::Bool(false);
    answer::json(job.state(|state| {
        let shows = shows && !state.status.is_over();
        let preview = state.preview.as_ref().filter(|(number, _)| shows && i64::try_from(*number) != Ok(seen));
        let image = preview.map(|(_, png)| format!("data:image/png;base64,{}", STANDARD.encode(&**png)));
        let textinfo = match (state.status, position) {
            (Status::Queued, Some(at)) => json!(format!("In queue: {at}/{waiting}")),
            _ => Value::Null,
        };
        json!({
            "active": state.status == Status::Running,
            "queued": state.status == Status::Queued,
            "completed": state.status.is_over(),
            "progress": state.progress(),
            "eta": state.eta(),
            "live_preview": image,
            "id_live_preview": preview.map_or(seen, |(number, _)| i64::try_from(*number).unwrap_or(seen)),
            "textinfo": textinfo,
        })
    }))
}

/// `GET /internal/pending-tasks`
pub async fn pending(State(server): State<Arc<Server>>) -> Response {
    let tasks: Vec<String> = server.jobs.waiting().iter().map(|job| job.task.clone()).collect();
    answer::json(json!({ "size": tasks.len(), "tasks": tasks }))
}
