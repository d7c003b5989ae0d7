//! webui's API.

mod draw;
mod host;
mod lists;
mod options;
mod pictures;
mod progress;
mod weights;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

pub use host::ram;

use super::state::Server;

/// The routes.
pub fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/sdapi/v1/txt2img", post(draw::txt2img))
        .route("/sdapi/v1/img2img", post(draw::img2img))
        .route("/sdapi/v1/png-info", post(pictures::info))
        .route("/sdapi/v1/extra-single-image", post(pictures::extra))
        .route("/sdapi/v1/extra-batch-images", post(pictures::extras))
        .route("/sdapi/v1/options", get(options::get).post(options::set))
        .route("/sdapi/v1/progress", get(progress::progress))
        .route("/sdapi/v1/interrupt", post(progress::interrupt))
        .route("/sdapi/v1/skip", post(progress::skip))
        .route("/sdapi/v1/samplers", get(lists::samplers))
        .route("/sdapi/v1/schedulers", get(lists::schedulers))
        .route("/sdapi/v1/sd-models", get(lists::models))
        .route("/sdapi/v1/loras", get(lists::loras))
        .route("/sdapi/v1/sd-vae", get(lists::vaes))
        .route("/sdapi/v1/upscalers", get(lists::upscalers))
        .route("/sdapi/v1/latent-upscale-modes", get(lists::latent_modes))
        .route("/sdapi/v1/embeddings", get(lists::embeddings))
        .route("/sdapi/v1/prompt-styles", get(lists::styles))
        .route("/sdapi/v1/scripts", get(lists::scripts))
        .route("/sdapi/v1/script-info", get(lists::script_info))
        .route("/sdapi/v1/hypernetworks", get(lists::nothing))
        .route("/sdapi/v1/face-restorers", get(lists::nothing))
        .route("/sdapi/v1/realesrgan-models", get(lists::nothing))
        .route("/sdapi/v1/extensions", get(lists::nothing))
        .route("/sdapi/v1/memory", get(host::memory))
        .route("/queue/status", get(host::queue))
        .route("/config", get(host::config))
        .route("/app_id", get(host::app_id))
        .route("/login", post(host::login))
        .route("/sdapi/v1/cmd-flags", get(options::flags))
        .route("/internal/progress", post(progress::of_task))
        .route("/internal/pending-tasks", get(progress::pending))
        .route("/sdapi/v1/refresh-checkpoints", post(weights::refresh))
        .route("/sdapi/v1/refresh-vae", post(weights::refresh))
        .route("/sdapi/v1/refresh-loras", post(weights::refresh))
        .route("/sdapi/v1/refresh-embeddings", post(weights::refresh))
        .route("/sdapi/v1/unload-checkpoint", post(weights::unload))
        .route("/sdapi/v1/reload-checkpoint", post(weights::load))
}
