//! What is wrong or surprising about a request, and what would be drawn, without drawing it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde_json::{Value, json};

use crate::app::api::{Refusal, Route, module_counts, request_of_infotext};
use crate::app::json as plan_text;
use crate::diagnostic::{Diagnostic, Language, Severity};
use crate::server::answer::{self, Failure};
use crate::server::ask::{apart, fields, over};
use crate::server::body::Json;
use crate::server::state::Server;

/// The language that a client wants to read.
pub fn language(headers: &HeaderMap) -> Language {
    let asked = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Language::of_locale(asked.split([',', ';']).next().unwrap_or_default().trim())
}

/// `POST /lbw/v1/check`
pub async fn check(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Failure> {
    let language = language(&headers);
    let Checked { found, plan, modules } = read(&server, body).await?;
    let is_ok = found.iter().all(|found| found.severity < Severity::Error);
    let found: Vec<Value> = found.iter().map(|found| finding(found, language)).collect();
    Ok(answer::json(json!({ "ok": is_ok, "diagnostics": found, "plan": plan, "modules": modules })))
}

/// `POST /lbw/v1/read`
pub async fn read_infotext(headers: HeaderMap, Json(body): Json) -> Result<Response, Failure> {
    let language = language(&headers);
    let Some(text) = body["infotext"].as_str().map(str::to_owned) else {
        return Err(Failure::wrong("`infotext` is not a text"));
    };
    let (request, found) = apart(move || Ok(request_of_infotext(&text))).await?;
    match request {
        Some(request) => {
            let found: Vec<Value> = found.iter().map(|found| finding(found, language)).collect();
            Ok(answer::json(json!({ "request": request, "diagnostics": found })))
        }
        None => Err(Failure::refused(&Refusal::Wrong { detail: None, found }, language)),
    }
}

/// `POST /lbw/v1/plan`
pub async fn plan(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Failure> {
    let Checked { found, plan, .. } = read(&server, body).await?;
    match plan {
        Value::Null => Err(Failure::refused(&Refusal::Wrong { detail: None, found }, language(&headers))),
        plan => Ok(answer::json(plan)),
    }
}

/// All that is found, the plan of the first picture if there is one, and the modules of its LoRAs.
struct Checked {
    found: Vec<Diagnostic>,
    plan: Value,
    modules: Value,
}

async fn read(server: &Arc<Server>, body: Value) -> Result<Checked, Failure> {
    let server = server.clone();
    apart(move || {
        let route = if body["init_images"].is_array() { Route::Img2img } else { Route::Txt2img };
        let mut fields = fields(&server, route, &body)?;
        let over = (route == Route::Img2img).then(|| over(&mut fields)).transpose()?;
        match server.read(fields, over) {
            Ok(mut drawing) => {
                let first = drawing.plans.first();
                let model = &drawing.asked.model;
                drawing.found.extend(first.into_iter().flat_map(|plan| server.files().memory.check(plan, model)));
                let plan = first.map(plan_text).and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
                let modules = first.map(|plan| module_counts(&server.files().session, plan)).unwrap_or_default();
                Ok(Checked { found: drawing.found, plan, modules })
            }
            Err(Refusal::Fields(wrong)) => Err(Failure::fields(&wrong)),
            Err(refusal) => Ok(Checked { found: refusal.findings().to_vec(), plan: Value::Null, modules: Value::Null }),
        }
    })
    .await
}

/// A finding with its place in the field it speaks of, counted in UTF-16 units as JavaScript counts.
pub fn finding(found: &Diagnostic, language: Language) -> Value {
    let words = |texts: &[crate::diagnostic::Text]| {
        texts.iter().map(|text| text.in_language(language)).collect::<Vec<_>>().join("\n")
    };
    let from = found.source.as_ref().map(|source| match &*source.name {
        "hires prompt" => "hr_prompt".to_owned(),
        "hires negative prompt" => "hr_negative_prompt".to_owned(),
        name => name.replace(' ', "_"),
    });
    let span = found.source.as_ref().zip(found.labels.first()).map(|(source, label)| {
        let units = |end: usize| {
            let end = source.text.floor_char_boundary(end);
            source.text[..end].encode_utf16().count()
        };
        (units(label.span.start), units(label.span.end))
    });
    json!({
        "severity": found.severity,
        "code": found.code,
        "message": found.message.in_language(language),
        "help": words(&found.help),
        "notes": words(&found.notes),
        "from": from,
        "start": span.map(|span| span.0),
        "end": span.map(|span| span.1),
    })
}
