//! Analyses and batches as jobs.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

use super::check::{finding, language};
use super::jobs::{accepted, shown, taken};
use crate::app::api::{Drawing, Route, Task};
use crate::app::{Asked, Error, Existing, Session, analyze, atlas, batch, fingerprint, tune, wished, write_file};
use crate::diagnostic::{Diagnostic, Language, code};
use crate::say;
use crate::server::answer::{self, Failure};
use crate::server::ask::{apart, fields, no_room};
use crate::server::body::Json;
use crate::server::jobs::{Batch, Work};
use crate::server::state::Server;
use crate::server::study::said;

/// The largest prompt file, and the most pictures it may ask for.
const MAX_FILE: usize = 4 << 20;
const MAX_PICTURES: u64 = 20_000;

/// `POST /lbw/v1/analyze`: `{"request": {…}, "lora", "range", "blocks", …}`, as [`analyze::Fields`] has them
pub async fn analyze(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Failure> {
    let language = language(&headers);
    let (request, fields) = wanted::<analyze::Fields>(body, language)?;
    refuse_folder(fields.folder.as_deref())?;
    let wish = fields.wish(PathBuf::new(), language).map_err(|error| Failure::app(&error, language))?;
    let cells = analyze::cells(wish.blocks.as_deref()).saturating_mul(wish.seeds);
    let study = Study { server: &server, kind: "analyze", language, pictures: cells };
    let checked = wish.clone();
    let check = move |session, mut asked: Vec<Asked>| analyze::check(session, asked.remove(0), &checked);
    let work = |mut drawings: Vec<Drawing>| {
        let mut drawing = drawings.remove(0);
        drawing.task = Task::Analysis(Box::new(wish.clone()));
        Work::Analyze(Box::new(drawing), Box::new(wish))
    };
    study.submit(request, &[], check, work).await
}

/// `POST /lbw/v1/tune`: `{"request": {…}, "toward", "keep", …}`, as [`tune::Fields`] has them
pub async fn tune(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Failure> {
    let language = language(&headers);
    let (request, fields) = wanted::<tune::Fields>(body, language)?;
    refuse_folder(fields.folder.as_deref())?;
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
    let study = Study { server: &server, kind: "tune", language, pictures };
    let checked = wish.clone();
    let check = move |session, asked| tune::check(session, asked, &checked);
    study.submit(request, &fields.prompts, check, |drawings| Work::Tune(drawings, Box::new(wish))).await
}

/// `POST /lbw/v1/atlas`: `{"request": {…}, "seeds", …}`, as [`atlas::Fields`] has them
pub async fn atlas(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Failure> {
    let language = language(&headers);
    let (request, fields) = wanted::<atlas::Fields>(body, language)?;
    refuse_folder(fields.folder.as_deref())?;
    let wish = fields.wish(PathBuf::new(), language);
    let pictures = atlas::most_pictures(wish.seeds.saturating_mul(fields.prompts.len() + 1));
    let study = Study { server: &server, kind: "atlas", language, pictures };
    let checked = wish.clone();
    let check = move |session, asked| atlas::check(session, asked, &checked);
    study.submit(request, &fields.prompts, check, |drawings| Work::Atlas(drawings, Box::new(wish))).await
}

/// The request of a study, and its own fields; an unknown one is told.
fn wanted<T: serde::de::DeserializeOwned>(mut body: Value, language: Language) -> Result<(Value, T), Failure> {
    let request = body.as_object_mut().and_then(|fields| fields.remove("request"));
    let Some(mut request) = request else {
        return Err(Failure::wrong("`request` is missing: the prompt and its settings, as txt2img has them"));
    };
    if let Some(fields) = request.as_object_mut() {
        // The grids of the script are something else.
        fields.remove("script_name");
    }
    let fields = wished::read(body).map_err(|why| Failure::wrong(why.in_language(language)))?;
    Ok((request, fields))
}

/// A study over the network has a folder of the server's.
fn refuse_folder(folder: Option<&str>) -> Result<(), Failure> {
    folder.map_or(Ok(()), |_| Err(Failure::wrong("there is no field `folder` here: the server has its own")))
}

/// A study that is asked for.
struct Study<'a> {
    server: &'a Arc<Server>,
    kind: &'static str,
    language: Language,
    /// How many pictures it may ask for.
    pictures: usize,
}

impl Study<'_> {
    /// Takes it of a request, and of the same with other prompts, as a job. What `check` refuses is refused at once.
    async fn submit(
        &self,
        request: Value,
        prompts: &[String],
        check: impl FnOnce(Arc<Session>, Vec<Asked>) -> Result<Vec<Diagnostic>, Error> + Send + 'static,
        work: impl FnOnce(Vec<Drawing>) -> Work,
    ) -> Result<Response, Failure> {
        let Study { server, kind, language, pictures } = *self;
        let most = server.settings.rules.max_cells;
        if pictures > most {
            return Err(Failure::app(&analyze::too_many(pictures, most), language));
        }
        let other = |prompt: &String| {
            let mut other = request.clone();
            if let Some(fields) = other.as_object_mut() {
                fields.insert("prompt".to_owned(), json!(prompt));
            }
            other
        };
        let requests: Vec<Value> = std::iter::once(request.clone()).chain(prompts.iter().map(other)).collect();
        let (drawings, found) = apart({
            let server = server.clone();
            move || {
                let read = |request: &Value| {
                    let fields = fields(&server, Route::Txt2img, request)?;
                    server.read_study(fields).map_err(|refusal| Failure::refused(&refusal, language))
                };
                let drawings = requests.iter().map(read).collect::<Result<Vec<Drawing>, Failure>>()?;
                let presets = drawings.first().map(|drawing| drawing.presets.clone()).unwrap_or_default();
                let session = Arc::new(server.files().session.with_presets(presets));
                let asked = drawings.iter().map(|drawing| drawing.asked.clone()).collect();
                let found = check(session, asked).map_err(|error| Failure::app(&error, language))?;
                Ok((drawings, found))
            }
        })
        .await?;
        let found = said(&drawings, &found, language);
        let kept = Value::Object(drawings[0].fields.given.clone());
        let job = server.jobs.submit(kind, None, kept, work(drawings)).map_err(no_room)?;
        let mut told = shown(server, &job);
        told["diagnostics"] = found.into();
        Ok(taken(&job, told))
    }
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
