//! webui's options.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::app::api::{FieldError, Refusal};
use crate::diagnostic::Language;
use crate::server::answer::{self, Failure};
use crate::server::body::Json;
use crate::server::state::Server;

/// `GET /sdapi/v1/options`
pub async fn get(State(server): State<Arc<Server>>) -> Response {
    answer::object(all(&server))
}

/// All options with their values.
pub fn all(server: &Server) -> Map<String, Value> {
    let (files, options) = (server.files(), server.options());
    let config = &files.session.catalogue.config;
    let mut all = options.all(config);
    let chosen = options.file("sd_model_checkpoint").and_then(|name| files.models.find(name).ok());
    let model = chosen.unwrap_or(&files.model);
    let hash = files.models.known_hash(&model.path);
    all.insert("sd_model_checkpoint".to_owned(), model.title(hash.as_deref()).into());
    all.insert("sd_checkpoint_hash".to_owned(), hash.unwrap_or_default().into());
    all.insert("sd_vae".to_owned(), options.value(config, "sd_vae"));
    all
}

/// `POST /sdapi/v1/options`
pub async fn set(State(server): State<Arc<Server>>, Json(body): Json) -> Result<Response, Failure> {
    let Value::Object(values) = body else {
        let message = "value is not a valid dict".to_owned();
        return Err(Failure::fields(&[FieldError { field: None, message, kind: "type_error.dict" }]));
    };
    let files = server.files();
    let config = &files.session.catalogue.config;
    let set = server.set_options(|options| {
        let options = options.with(config, &values)?;
        // The files that are named must be there; their weights are read by the next job.
        server.with_reader(|reader| reader.model(&options))?;
        Ok::<_, Refusal>(options)
    });
    match set {
        Ok(()) => Ok(answer::json(Value::Null)),
        Err(refusal) => {
            let failure = Failure::refused(&refusal, Language::En);
            let names_model = values.contains_key("sd_model_checkpoint");
            Err(Failure { error: if names_model { "RuntimeError" } else { failure.error }, ..failure })
        }
    }
}

/// `GET /sdapi/v1/cmd-flags`: webui's flags, without what is nobody's business.
pub async fn flags(State(server): State<Arc<Server>>) -> Response {
    let settings = &server.settings;
    answer::json(json!({
        "api": true, "nowebui": !settings.page, "listen": !settings.host.is_loopback(), "port": settings.port,
        "share": false, "api_auth": null, "gradio_auth": null, "api_log": true, "api_server_stop": false,
        "cors_allow_origins": null, "cors_allow_origins_regex": null, "tls_keyfile": null, "tls_certfile": null,
        "subpath": settings.subpath, "ckpt": null, "vae_path": null, "lowvram": false, "medvram": false, "no_half": true,
        "use_cpu": ["all"], "skip_torch_cuda_test": true, "disable_nan_check": false, "lora_dir": null,
        "embeddings_dir": null, "styles_file": [],
    }))
}
