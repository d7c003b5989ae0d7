//! Analyses and batches as jobs.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

use super::check::{finding, language};
use super::jobs::accepted;
use crate::app::api::{Drawing, Route, Task};
use crate::app::{Error, Existing, analyze, atlas, batch, fingerprint, tune, write_file};
use crate::diagnostic::{Diagnostic, Language, code};
use crate::say;
use crate::server::answer::{self, Failure};
use crate::server::ask::{apart, no_room, read};
use crate::server::body::Json;
use crate::server::jobs::{Batch, Work};
use crate::server::state::Server;

/// The largest prompt file, and the most pictures it may ask for.
const MAX_FILE: usize = 4 << 20;
const MAX_PICTURES: u64 = 20_000;

/// `POST /lbw/v1/analyze`: `{"request": {…}, "lora", "range", "blocks", "threshold", "seeds", "quick", "toward"}`
pub async fn analyze(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    Json(mut body): Json,
) -> Result<Response, Failure> {
    let language = language(&headers);
    let wish = wish(&body, server.settings.rules.max_cells, language)?;
    let request = request(&mut body);
    let mut drawing = read(&server, Route::Txt2img, request, language).await?;
    drawing.task = Task::Analysis(Box::new(wish.clone()));
    let kept = Value::Object(drawing.fields.given.clone());
    let work = Work::Analyze(Box::new(drawing), Box::new(wish));
    let job = server.jobs.submit("analyze", None, kept, work).map_err(no_room)?;
    Ok(accepted(&server, &job))
}

fn wish(body: &Value, most: usize, language: Language) -> Result<analyze::Wish, Failure> {
    let default = analyze::Wish::default();
    let text = |name: &str, default: &str| match &body[name] {
        Value::String(text) if !text.trim().is_empty() => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => default.to_owned(),
    };
    let toward = match body["toward"].as_str().filter(|goal| !goal.is_empty()) {
        None => None,
        Some(goal) => Some(goal.parse().map_err(|error| Failure::wrong(format!("toward: {error}")))?),
    };
    let wish = analyze::Wish {
        lora: body["lora"].as_str().map(str::to_owned),
        range: text("range", &default.range),
        blocks: Some(text("blocks", "")).filter(|blocks| !blocks.is_empty()),
        threshold: text("threshold", &default.threshold),
        seeds: body["seeds"].as_u64().map_or(1, |seeds| seeds as usize),
        quick: body["quick"] == true,
        language,
        toward,
        ..default
    };
    let cells = analyze::cells(wish.blocks.as_deref()).saturating_mul(wish.seeds);
    if cells > most {
        let error = analyze::too_many(cells, most);
        return Err(Failure::app(&error, language));
    }
    Ok(wish)
}

/// `POST /lbw/v1/tune`: `{"request": {…}, "toward", "keep", …}`, as [`tune::Fields`] has them
pub async fn tune(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    Json(mut body): Json,
) -> Result<Response, Failure> {
    let language = language(&headers);
    let request = request(&mut body);
    let fields: tune::Fields = named(body)?;
    let failed = |error: Error| Failure::app(&error, language);
    let wish = fields.wish(PathBuf::new(), language).map_err(failed)?;
    if let Some(picture) = wish.goals.pictures().next() {
        let picture = picture.display();
        let message = say!(
            "{picture}: a search over the network cannot name pictures; `lbw tune` can",
            "{picture}: ネットワーク越しの探索では画像を指定できません。`lbw tune` では指定できます"
        );
        return Err(failed(Error::words(code::GOAL, message)));
    }
    let pictures = (wish.budget as usize).max(fields.prompts.len()).max(fields.verify_prompts.len());
    let work = |drawings| Work::Tune(drawings, Box::new(wish));
    submit(&server, "tune", (request, &fields.prompts, language), pictures, work).await
}

/// `POST /lbw/v1/atlas`: `{"request": {…}, "seeds", …}`, as [`atlas::Fields`] has them
pub async fn atlas(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    Json(mut body): Json,
) -> Result<Response, Failure> {
    let language = language(&headers);
    let request = request(&mut body);
    let fields: atlas::Fields = named(body)?;
    let wish = fields.wish(PathBuf::new(), language);
    let pictures = atlas::most_pictures(wish.seeds.saturating_mul(fields.prompts.len() + 1));
    let work = |drawings| Work::Atlas(drawings, Box::new(wish));
    submit(&server, "atlas", (request, &fields.prompts, language), pictures, work).await
}

/// Takes the request of a study out of its body.
fn request(body: &mut Value) -> Value {
    let mut request = body.as_object_mut().and_then(|fields| fields.remove("request")).unwrap_or_default();
    if let Some(fields) = request.as_object_mut() {
        // The grids of the script are something else.
        fields.remove("script_name");
    }
    request
}

/// The fields of a study; an unknown one is told.
fn named<T: serde::de::DeserializeOwned>(body: Value) -> Result<T, Failure> {
    serde_json::from_value(body).map_err(|error| Failure::wrong(error.to_string()))
}

/// Takes a study of a request, and of the same with other prompts, as a job; `pictures` is how much it may ask for.
async fn submit(
    server: &Arc<Server>,
    kind: &'static str,
    (request, prompts, language): (Value, &[String], Language),
    pictures: usize,
    work: impl FnOnce(Vec<Drawing>) -> Work,
) -> Result<Response, Failure> {
    let most = server.settings.rules.max_cells;
    if pictures > most {
        return Err(Failure::app(&analyze::too_many(pictures, most), language));
    }
    let mut drawings = vec![read(server, Route::Txt2img, request.clone(), language).await?];
    for prompt in prompts {
        let mut other = request.clone();
        if let Some(fields) = other.as_object_mut() {
            fields.insert("prompt".to_owned(), json!(prompt));
        }
        drawings.push(read(server, Route::Txt2img, other, language).await?);
    }
    let kept = Value::Object(drawings[0].fields.given.clone());
    let job = server.jobs.submit(kind, None, kept, work(drawings)).map_err(no_room)?;
    Ok(accepted(server, &job))
}

/// `POST /lbw/v1/batch`: `{"name": "prompts.txt", "text": "…", "start": true}`. Without `start` the file is only checked.
pub async fn batch(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Failure> {
    let language = language(&headers);
    let (shared, starts) = (server.clone(), body["start"] == true);
    let (batch, answer) = apart(move || prepare(&shared, &body, language)).await?;
    if !starts || answer["ok"] != true {
        return Ok(answer::json(answer));
    }
    let request = json!({ "name": answer["name"], "folder": answer["folder"] });
    let job = server.jobs.submit("batch", None, request, Work::Batch(Box::new(batch))).map_err(no_room)?;
    Ok(accepted(&server, &job))
}

/// The prompt file of a request whose fields are what they should be.
fn text_of(body: &Value) -> Result<&str, Failure> {
    let Value::Object(fields) = body else { return Err(Failure::wrong("the body is not an object")) };
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let (fits, kind) = match name.as_str() {
            "name" | "text" => (value.is_string(), "a text"),
            "start" | "keep_going" => (value.is_boolean(), "true or false"),
            _ => return Err(Failure::wrong(format!("there is no field `{}`", name.escape_debug()))),
        };
        if !fits {
            return Err(Failure::wrong(format!("`{name}` is not {kind}")));
        }
    }
    let text = body["text"].as_str().unwrap_or_default();
    if text.contains('\0') {
        return Err(Failure::wrong("the text holds a NUL, which no text has"));
    }
    Ok(text)
}

/// Reads a prompt file: what is to be said of its lines, and how many pictures it asks for.
fn prepare(server: &Server, body: &Value, language: Language) -> Result<(Batch, Value), Failure> {
    let failed = |error: Error| Failure::app(&error, language);
    let text = text_of(body)?;
    if text.len() > MAX_FILE {
        return Err(Failure::wrong(format!("the file is larger than {} MiB", MAX_FILE >> 20)));
    }
    let extension = form(body["name"].as_str().unwrap_or_default());
    // The same text is the same batch, which goes on where it was.
    let id = fingerprint(text.as_bytes());
    let folder = server.settings.save_folder.join(format!("batch-{id}"));
    let scratch = server.scratch().map_err(failed)?;
    let here = scratch.path().join(format!("prompts.{extension}"));
    write_file(&here, text.as_bytes(), Existing::Replace).map_err(|error| failed(error.into()))?;
    let files = server.files();
    let keep_going = body["keep_going"] == true;
    let check = batch::Wish { inputs: vec![here], most: Some(MAX_PICTURES), ..batch::Wish::default() };
    let prepared = batch::Batch::prepare(&files.session, &check).map_err(failed)?;
    let found: Vec<Value> =
        prepared.found().iter().map(|found| of_line(&found.diagnostic, found.place.line, language)).collect();
    let pictures = prepared.pictures();
    let most = server.settings.rules.max_pixels;
    let is_large = prepared.drawn.iter().any(|line| {
        let (width, height) = line.size();
        u64::from(width) * u64::from(height) > most
    });
    let wrong = prepared.wrong_lines();
    let is_ok = pictures > 0 && !is_large && (wrong == 0 || keep_going);
    let answer = json!({
        "ok": is_ok,
        "name": body["name"],
        "folder": format!("batch-{id}"),
        "lines": prepared.lines,
        "wrong": wrong,
        "pictures": pictures,
        "diagnostics": found,
    });
    let input = folder.join(format!("prompts.{extension}"));
    if is_ok && body["start"] == true {
        std::fs::create_dir_all(&folder).map_err(|error| failed(Error::writing(&folder, &error)))?;
        write_file(&input, text.as_bytes(), Existing::Replace).map_err(|error| failed(error.into()))?;
    }
    let wish = batch::Wish { inputs: vec![input], keep_going, most: Some(MAX_PICTURES), ..batch::Wish::default() };
    Ok((Batch { wish, folder }, answer))
}

/// How a file of this name is written; it never becomes a path.
fn form(name: &str) -> &'static str {
    let name = name.to_lowercase();
    ["csv", "tsv", "jsonl", "json", "toml", "yaml", "yml", "txt"]
        .into_iter()
        .find(|extension| name.ends_with(&format!(".{extension}")))
        .unwrap_or("txt")
}

fn of_line(found: &Diagnostic, line: usize, language: Language) -> Value {
    let mut value = finding(found, language);
    value["line"] = line.into();
    value["from"] = Value::Null;
    value
}
