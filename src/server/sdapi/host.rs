//! What clients ask to find out whom they speak to: webui's page, its queue, its memory.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use crate::app::api::latent_upscalers;
use crate::server::answer;
use crate::server::state::Server;

/// `GET /sdapi/v1/memory`
pub async fn memory() -> Response {
    answer::json(json!({ "ram": ram(), "cuda": { "error": "unavailable" } }))
}

/// Bytes of memory, as far as the system tells them in a file.
pub fn ram() -> Value {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
    };
    match (bytes("MemTotal:"), bytes("MemAvailable:")) {
        (Some(total), Some(free)) => json!({ "free": free, "used": total.saturating_sub(free), "total": total }),
        _ => json!({ "error": "unavailable" }),
    }
}

/// `GET /queue/status`: Cyanic SD takes it for the sign that webui lives.
pub async fn queue(State(server): State<Arc<Server>>) -> Response {
    let waiting = server.jobs.waiting_count();
    answer::json(json!({
        "msg": "estimation", "rank": null, "queue_size": waiting, "avg_event_process_time": null,
        "avg_event_concurrent_process_time": null, "rank_eta": null, "queue_eta": 0,
    }))
}

/// `GET /config`: where clients look for the upscalers of hires. fix.
pub async fn config() -> Response {
    let modes: Vec<&str> = latent_upscalers().collect();
    answer::json(json!({
        "version": "3.41.2",
        "mode": "blocks",
        "components": [{
            "id": 1,
            "type": "dropdown",
            "props": { "elem_id": "txt2img_hr_upscaler", "choices": modes, "value": "Latent" },
        }],
    }))
}

/// `GET /app_id`: changes with every start.
pub async fn app_id(State(server): State<Arc<Server>>) -> Response {
    answer::json(json!({ "app_id": server.id }))
}

/// `POST /login`: whoever comes here has been let in.
pub async fn login() -> Response {
    answer::json(json!({ "success": true }))
}
