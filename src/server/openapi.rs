//! What the server can be asked, for programs (`/openapi.json`) and for people (`/docs`).

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn, PathItemBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, Components, ComponentsBuilder, ObjectBuilder, Schema, Type as Kind};
use utoipa::openapi::{
    ContentBuilder, HttpMethod, InfoBuilder, OpenApiBuilder, PathItem, Paths, PathsBuilder, Ref, RefOr, Required,
    ResponseBuilder,
};

use super::answer;
use crate::app::api::{FIELDS, Route, Type};

/// What a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    /// A schema of this name.
    Body(&'static str),
    Form,
}

use HttpMethod::{Delete, Get, Post};
use Takes::{Body as Named, Form, Nothing};

/// Every route, in the order of its groups.
const ROUTES: &[(HttpMethod, &str, Takes, &str)] = &[
    (Post, "/sdapi/v1/txt2img", Named("Txt2img"), "Draws from noise"),
    (Post, "/sdapi/v1/img2img", Named("Img2img"), "Draws over a picture"),
    (Post, "/sdapi/v1/png-info", Named("Any"), "Reads the infotext of a picture"),
    (Post, "/sdapi/v1/extra-single-image", Named("Any"), "Enlarges a picture"),
    (Post, "/sdapi/v1/extra-batch-images", Named("Any"), "Enlarges pictures"),
    (Get, "/sdapi/v1/progress", Nothing, "How far the running job is"),
    (Post, "/sdapi/v1/interrupt", Nothing, "Ends the running job with what there is"),
    (Post, "/sdapi/v1/skip", Nothing, "Ends the picture that is drawn now"),
    (Get, "/sdapi/v1/options", Nothing, "webui's options"),
    (Post, "/sdapi/v1/options", Named("Any"), "Sets options"),
    (Get, "/sdapi/v1/cmd-flags", Nothing, "webui's flags"),
    (Get, "/sdapi/v1/samplers", Nothing, "Samplers"),
    (Get, "/sdapi/v1/schedulers", Nothing, "Schedules"),
    (Get, "/sdapi/v1/upscalers", Nothing, "Upscalers"),
    (Get, "/sdapi/v1/latent-upscale-modes", Nothing, "Upscalers of latents"),
    (Get, "/sdapi/v1/sd-models", Nothing, "Checkpoints"),
    (Get, "/sdapi/v1/sd-vae", Nothing, "VAEs"),
    (Get, "/sdapi/v1/loras", Nothing, "LoRAs"),
    (Get, "/sdapi/v1/embeddings", Nothing, "Textual-inversion embeddings"),
    (Get, "/sdapi/v1/prompt-styles", Nothing, "Styles"),
    (Get, "/sdapi/v1/scripts", Nothing, "Scripts"),
    (Get, "/sdapi/v1/script-info", Nothing, "Arguments of scripts"),
    (Get, "/sdapi/v1/hypernetworks", Nothing, "Always empty"),
    (Get, "/sdapi/v1/face-restorers", Nothing, "Always empty"),
    (Get, "/sdapi/v1/realesrgan-models", Nothing, "Always empty"),
    (Get, "/sdapi/v1/extensions", Nothing, "Always empty"),
    (Get, "/sdapi/v1/memory", Nothing, "Memory of this machine"),
    (Post, "/sdapi/v1/refresh-checkpoints", Nothing, "Looks at the folders again"),
    (Post, "/sdapi/v1/refresh-vae", Nothing, "Looks at the folders again"),
    (Post, "/sdapi/v1/refresh-loras", Nothing, "Looks at the folders again"),
    (Post, "/sdapi/v1/refresh-embeddings", Nothing, "Looks at the folders again"),
    (Post, "/sdapi/v1/unload-checkpoint", Nothing, "Gives the weights back"),
    (Post, "/sdapi/v1/reload-checkpoint", Nothing, "Reads the weights"),
    (Post, "/internal/progress", Named("Any"), "How far one task is"),
    (Get, "/internal/pending-tasks", Nothing, "Tasks that wait"),
    (Get, "/internal/ping", Nothing, "Whether the server lives"),
    (Get, "/queue/status", Nothing, "How many wait"),
    (Get, "/config", Nothing, "webui's page, as far as clients read it"),
    (Get, "/app_id", Nothing, "Changes with every start"),
    (Post, "/login", Nothing, "For clients that log in"),
    (
        Post,
        "/v1/images/generations",
        Named("Any"),
        "OpenAI: draws from noise; webui's fields may stand beside OpenAI's",
    ),
    (Post, "/v1/images/edits", Form, "OpenAI: draws over a picture"),
    (Get, "/v1/models", Nothing, "OpenAI: checkpoints"),
    (Post, "/lbw/v1/check", Named("Txt2img"), "What is wrong or surprising about a request; places count UTF-16 units"),
    (Post, "/lbw/v1/plan", Named("Txt2img"), "The plan of a request's first picture"),
    (Post, "/lbw/v1/read", Named("Any"), "An infotext as a request: {\"infotext\": …}"),
    (Get, "/lbw/v1/presets", Nothing, "Presets of block weights and of elements"),
    (Post, "/lbw/v1/jobs", Named("Any"), "Takes a job: {\"kind\": \"txt2img\" or \"img2img\", \"request\": {…}}"),
    (Get, "/lbw/v1/jobs", Nothing, "All jobs"),
    (Get, "/lbw/v1/jobs/{id}", Nothing, "One job"),
    (Delete, "/lbw/v1/jobs/{id}", Nothing, "Cancels a job"),
    (Get, "/lbw/v1/jobs/{id}/images/{file}", Nothing, "A picture of a job, by its number"),
    (Get, "/lbw/v1/jobs/{id}/preview", Nothing, "The latest preview of a job, and its last picture when it is over"),
    (Get, "/lbw/v1/events", Nothing, "Server-sent events, of all jobs or of ?job=ID"),
    (
        Post,
        "/lbw/v1/analyze",
        Named("Any"),
        "Takes an analysis: {\"request\": {…}, \"lora\", \"range\", \"blocks\", \"threshold\", \"seeds\", \"quick\", \"toward\", \"verify_prompts\"}",
    ),
    (
        Post,
        "/lbw/v1/tune",
        Named("Any"),
        "Takes a search for weights: {\"request\": {…}, \"lora\", \"toward\", \"keep\", \"fix\", \"seeds\", \"prompts\", \"verify_prompts\", \"budget\"}",
    ),
    (
        Post,
        "/lbw/v1/atlas",
        Named("Any"),
        "Takes an atlas of a LoRA's blocks: {\"request\": {…}, \"lora\", \"seeds\", \"prompts\", \"whole\"}",
    ),
    (
        Post,
        "/lbw/v1/batch",
        Named("Any"),
        "Checks a prompt file, and draws it with \"start\": {\"name\", \"text\", \"start\"}",
    ),
    (Get, "/lbw/v1/status", Nothing, "The server in a few words"),
    (Get, "/lbw/v1/health", Nothing, "Whether the server lives"),
    (Get, "/healthz", Nothing, "Whether the server lives"),
];

/// `GET /openapi.json`
pub async fn json() -> Response {
    answer::json(document())
}

/// The document itself.
fn document() -> Value {
    let info = InfoBuilder::new().title("lbw").version(env!("CARGO_PKG_VERSION"));
    let document = OpenApiBuilder::new().info(info.build()).paths(paths()).components(Some(components())).build();
    // It is plain data: it can always be written.
    serde_json::to_value(document).unwrap_or_default()
}

fn paths() -> Paths {
    let mut paths = PathsBuilder::new();
    for (method, path, takes, summary) in ROUTES {
        let mut operation = OperationBuilder::new()
            .summary(Some(*summary))
            .operation_id(Some(operation_id(method, path)))
            .tag(path.split('/').nth(1).unwrap_or_default())
            .response("200", ResponseBuilder::new().description("done"));
        for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
            let parameter = ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(Some(ObjectBuilder::new().schema_type(Kind::String)));
            operation = operation.parameter(parameter);
        }
        let (media, schema) = match *takes {
            Nothing => ("", "Any"),
            Named(schema) => ("application/json", schema),
            Form => ("multipart/form-data", "Any"),
        };
        if !media.is_empty() {
            let schema: RefOr<Schema> = Ref::from_schema_name(schema).into();
            let content = ContentBuilder::new().schema(Some(schema)).build();
            operation = operation.request_body(Some(RequestBodyBuilder::new().content(media, content).build()));
        }
        let item: PathItem = PathItemBuilder::new().operation(method.clone(), operation).build();
        paths = paths.path(*path, item);
    }
    paths.build()
}

fn operation_id(method: &HttpMethod, path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    format!("{}_{}", method_name(method).to_lowercase(), words.collect::<Vec<_>>().join("_"))
}

fn method_name(method: &HttpMethod) -> &'static str {
    match method {
        Get => "GET",
        Delete => "DELETE",
        _ => "POST",
    }
}

fn components() -> Components {
    ComponentsBuilder::new()
        .schema("Any", ObjectBuilder::new().schema_type(Kind::Object))
        .schema("Txt2img", request(Route::Txt2img))
        .schema("Img2img", request(Route::Img2img))
        .build()
}

fn request(route: Route) -> ObjectBuilder {
    let fields = FIELDS.iter().filter(|field| field.is_of(route));
    fields.fold(ObjectBuilder::new().schema_type(Kind::Object), |object, field| {
        let plain = |kind: Kind| ObjectBuilder::new().schema_type(kind).default(field.default_value()).build();
        let schema: Schema = match field.kind {
            Type::Text => plain(Kind::String).into(),
            Type::Whole => plain(Kind::Integer).into(),
            Type::Number => plain(Kind::Number).into(),
            Type::Switch => plain(Kind::Boolean).into(),
            Type::Object => plain(Kind::Object).into(),
            Type::Texts => ArrayBuilder::new().items(ObjectBuilder::new().schema_type(Kind::String)).build().into(),
            Type::List => ArrayBuilder::new().items(ObjectBuilder::new()).build().into(),
        };
        object.property(field.name, schema)
    })
}

/// `GET /docs`
pub async fn docs() -> Response {
    let row = |(method, path, _, summary): &(HttpMethod, &str, Takes, &str)| {
        format!("<tr><td>{}<td><code>{path}</code><td>{}\n", method_name(method), summary.replace('<', "&lt;"))
    };
    let rows: String = ROUTES.iter().map(row).collect();
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>lbw: API</title>\n<h1>lbw {}</h1>\n\
         <p>As a document for programs: <a href=\"openapi.json\">openapi.json</a>\n<table>\n{rows}</table>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    );
    let mut response = Body::from(page).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_route_is_described() {
        let document = document();
        assert!(document["openapi"].as_str().unwrap().starts_with("3."), "{document}");
        for (method, path, ..) in ROUTES {
            let operation = &document["paths"][path][method_name(method).to_lowercase()];
            assert!(operation["summary"].is_string(), "{path}: {operation}");
        }
        let fields = &document["components"]["schemas"]["Txt2img"]["properties"];
        assert_eq!(fields["steps"], json!({ "type": "integer", "default": 50 }));
        assert!(fields["mask"].is_null() && fields["hr_scale"].is_object());
    }
}
