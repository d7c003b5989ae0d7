//! What clients are answered: JSON as webui writes it, and errors in the forms that clients know.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::app::api::{FieldError, Refusal, plain_number};
use crate::app::{Error, ErrorKind};
use crate::diagnostic::{Diagnostic, Language, Severity, Style, code};

/// JSON. Numbers without a fraction are written without one, for clients whose fields are whole numbers.
pub fn json(value: Value) -> Response {
    with_status(StatusCode::OK, value)
}

pub fn with_status(status: StatusCode, value: Value) -> Response {
    let body = Body::from(text(value));
    let mut response = (status, body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The text of [`json`].
pub fn text(mut value: Value) -> String {
    plain(&mut value);
    value.to_string()
}

fn plain(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            if let Some(whole) = number.as_f64().and_then(plain_number) {
                *value = whole;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        Value::Object(fields) => fields.values_mut().for_each(plain),
        _ => {}
    }
}

/// Why a request is not answered as it wished.
#[derive(Debug, Clone)]
pub struct Failure {
    pub status: StatusCode,
    /// webui's `detail`.
    pub detail: Value,
    /// Everything there is to say.
    pub errors: String,
    /// webui's `error`, where `detail` is text.
    pub error: &'static str,
    /// Seconds after which it may be tried again.
    pub retry: Option<u32>,
}

impl Failure {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let (detail, errors) = (Value::from(detail.into()), String::new());
        Failure { status, detail, errors, error: "HTTPException", retry: None }
    }

    pub fn wrong(detail: impl Into<String>) -> Self {
        Failure::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    pub fn fields(wrong: &[FieldError]) -> Self {
        let items = wrong.iter().map(|error| {
            let place: Vec<&str> = std::iter::once("body").chain(error.field.as_deref()).collect();
            json!({ "loc": place, "msg": error.message, "type": error.kind })
        });
        Failure { detail: items.collect(), ..Failure::wrong("") }
    }

    /// One sentence for people, whatever the form.
    pub fn message(&self) -> String {
        let of_field = |item: &Value| {
            let place = item["loc"].as_array().and_then(|place| place.last()).cloned().unwrap_or_default();
            format!("{}: {}", place.as_str().unwrap_or("body"), item["msg"].as_str().unwrap_or_default())
        };
        match &self.detail {
            Value::Array(items) => items.iter().map(of_field).collect::<Vec<_>>().join("; "),
            detail => detail.as_str().unwrap_or_default().to_owned(),
        }
    }

    /// The body, in webui's form.
    pub fn body(&self) -> Value {
        match &self.detail {
            // FastAPI's own errors have nothing beside them.
            Value::Array(_) => json!({ "detail": self.detail }),
            _ => json!({ "error": self.error, "detail": self.detail, "body": "", "errors": self.errors }),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = with_status(self.status, self.body());
        if let Some(seconds) = self.retry {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// All findings as a terminal shows them, the worst first.
fn told(found: &[Diagnostic], language: Language) -> String {
    let mut found: Vec<&Diagnostic> = found.iter().collect();
    found.sort_by_key(|found| std::cmp::Reverse(found.severity));
    found.into_iter().map(|found| found.render(Style::Plain, language)).collect::<Vec<_>>().join("\n")
}

/// The first of the worst.
fn first(found: &[Diagnostic], language: Language) -> String {
    let worst = found.iter().map(|found| found.severity).max().unwrap_or(Severity::Note);
    let first = found.iter().find(|found| found.severity == worst);
    first.map(|found| found.message.in_language(language).to_owned()).unwrap_or_default()
}

impl Failure {
    pub fn refused(refusal: &Refusal, language: Language) -> Self {
        match refusal {
            Refusal::Fields(wrong) => Failure::fields(wrong),
            Refusal::Absent { detail, found } => {
                Failure { errors: told(found, language), ..Failure::new(StatusCode::NOT_FOUND, *detail) }
            }
            Refusal::Wrong { detail, found } => {
                let detail = detail.clone().unwrap_or_else(|| first(found, language));
                Failure { errors: told(found, language), ..Failure::wrong(detail) }
            }
        }
    }

    pub fn app(error: &Error, language: Language) -> Self {
        let status = match error.kind {
            ErrorKind::Words => StatusCode::UNPROCESSABLE_ENTITY,
            // A smaller picture can be had.
            _ if error.findings.iter().any(|found| found.code == code::NO_MEMORY) => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::Interrupted => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let detail = first(&error.findings, language);
        Failure { errors: told(&error.findings, language), ..Failure::new(status, detail) }
    }
}

/// An object of these fields.
pub fn object(fields: Map<String, Value>) -> Response {
    json(Value::Object(fields))
}
