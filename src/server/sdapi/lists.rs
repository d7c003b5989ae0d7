//! What there is: samplers, checkpoints, LoRAs, as webui lists them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::app::Style;
use crate::app::api::{
    ARGUMENTS, SCRIPT, UPSCALERS, embedding_list, latent_upscalers, sampler_list, schedule_list, short,
};
use crate::diagnostic::Language;
use crate::server::answer::{self, Failure};
use crate::server::state::Server;

/// `GET /sdapi/v1/samplers`
pub async fn samplers() -> Response {
    answer::json(sampler_list())
}

/// `GET /sdapi/v1/schedulers`
pub async fn schedulers() -> Response {
    answer::json(schedule_list())
}

/// `GET /sdapi/v1/sd-models`
pub async fn models(State(server): State<Arc<Server>>) -> Response {
    let files = server.files();
    let models = files.models.checkpoints.iter().map(|model| {
        let hash = files.models.known_hash(&model.path);
        json!({
            "title": model.title(hash.as_deref()),
            "model_name": model.model_name(),
            "hash": hash.as_deref().map(short),
            "sha256": hash,
            "filename": model.file,
            "config": null,
        })
    });
    answer::json(models.collect())
}

/// `GET /sdapi/v1/loras`
pub async fn loras(State(server): State<Arc<Server>>) -> Response {
    let files = server.files();
    let loras = files.session.lora_list().iter().map(|lora| {
        let entry = &lora.entry;
        let alias = lora.metadata.get("ss_output_name").unwrap_or(&entry.name);
        // Some values are JSON in text, and shown as what they are.
        let read = |value: &String| match value.starts_with('{') {
            true => serde_json::from_str(value).unwrap_or_else(|_| json!(value)),
            false => json!(value),
        };
        let metadata: Map<String, Value> =
            lora.metadata.iter().map(|(name, value)| (name.clone(), read(value))).collect();
        json!({ "name": entry.name, "alias": alias, "path": entry.sub_path, "metadata": metadata })
    });
    answer::json(loras.collect())
}

/// `GET /sdapi/v1/sd-vae`
pub async fn vaes(State(server): State<Arc<Server>>) -> Response {
    let files = server.files();
    let vaes = files.models.vaes.iter().map(|(_, file)| {
        let name = file.rsplit('/').next().unwrap_or(file);
        json!({ "model_name": name, "filename": file })
    });
    answer::json(vaes.collect())
}

/// `GET /sdapi/v1/upscalers`: the first one is `None`, behind which clients put the latent ones.
pub async fn upscalers() -> Response {
    let item =
        |name: &str| json!({ "name": name, "model_name": null, "model_path": null, "model_url": null, "scale": 4 });
    answer::json(UPSCALERS.iter().map(|name| item(name)).collect())
}

/// `GET /sdapi/v1/latent-upscale-modes`
pub async fn latent_modes() -> Response {
    answer::json(latent_upscalers().map(|name| json!({ "name": name })).collect())
}

/// `GET /sdapi/v1/embeddings`
pub async fn embeddings(State(server): State<Arc<Server>>) -> Response {
    let loaded = embedding_list(&server.files().session);
    answer::json(json!({ "loaded": loaded, "skipped": {} }))
}

/// `GET /sdapi/v1/prompt-styles`
pub async fn styles(State(server): State<Arc<Server>>) -> Result<Response, Failure> {
    let styles = server.files().session.all_styles().map_err(|error| Failure::app(&error, Language::En))?;
    let item =
        |style: &Style| json!({ "name": style.name, "prompt": style.prompt, "negative_prompt": style.negative_prompt });
    Ok(answer::json(styles.iter().map(item).collect()))
}

/// `GET /sdapi/v1/scripts`
pub async fn scripts() -> Response {
    let name = SCRIPT.to_lowercase();
    answer::json(json!({ "txt2img": [name], "img2img": [name] }))
}

/// `GET /sdapi/v1/script-info`
pub async fn script_info() -> Response {
    let args: Vec<Value> = ARGUMENTS
        .iter()
        .map(|(label, value)| {
            let value: Value = serde_json::from_str(value).unwrap_or_default();
            json!({ "label": label, "value": value, "minimum": null, "maximum": null, "step": null, "choices": null })
        })
        .collect();
    let item = |is_img2img: bool| json!({ "name": SCRIPT.to_lowercase(), "is_alwayson": true, "is_img2img": is_img2img, "args": args });
    answer::json(json!([item(false), item(true)]))
}

/// Lists of what lbw does not have.
pub async fn nothing() -> Response {
    answer::json(json!([]))
}
