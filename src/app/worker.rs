//! Plans and requests in, events out, one line of JSON each, while the model stays loaded.
//!
//! What is wrong with one job is that job's `failed` event; the next line goes on.

use std::io::{BufRead, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::catalogue::ModelFiles;
use super::draw::{Event, Flow, Job, Kept, Look, Store, draw};
use super::error::{Error, ErrorKind, Result};
use super::renderer::{Renderer, Studios};
use super::session::Session;
use super::source::words;
use super::studio::{EngineSettings, Picture};
use crate::batch::{Entry, Place};
use crate::diagnostic::{Diagnostic, Language, Source, Text, code};
use crate::engine;
use crate::image_io::{Existing, write_file};
use crate::plan::{FORMAT, Patch, Plan};
use crate::say;

/// The longest line of input; plans of the longest prompts are shorter.
const LINE_LIMIT: usize = 16 << 20;

/// How a worker works.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The folder for the pictures.
    pub folder: PathBuf,
    /// The pictures that img2img plans draw over.
    pub init: Vec<PathBuf>,
    /// The masks of these pictures.
    pub mask: Vec<PathBuf>,
    /// The language of what is said in events.
    pub language: Language,
}

/// Whoever hears the events; says whether more are wanted.
pub type Listener<'a> = &'a mut dyn FnMut(Value) -> bool;

/// Takes jobs from `input` until it ends or nobody listens. An error of the kind [`ErrorKind::SomeFailed`] where a job failed.
pub fn serve(
    session: Arc<Session>,
    settings: EngineSettings,
    wish: Wish,
    input: &mut impl BufRead,
    listener: Listener<'_>,
) -> Result<()> {
    let mut worker = Worker::open(session, settings, wish)?;
    let mut go_on = listener(worker.ready());
    let mut failed = 0;
    while go_on {
        let Some(line) = next_line(input)? else { break };
        let mut tag = Value::Null;
        let mut heard = true;
        let mut say = |event: Value| {
            heard = heard && listener(event);
            heard
        };
        let done = line.and_then(|line| Wanted::parse(&line, &mut tag)).and_then(|job| worker.work(job, &mut say));
        go_on = heard;
        if let (Err(error), true) = (done, go_on) {
            failed += 1;
            go_on = listener(worker.failed(&tag, &error));
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(Error { kind: ErrorKind::SomeFailed, findings: Vec::new() }),
    }
}

/// One line of the input.
#[derive(Debug)]
struct Wanted {
    what: What,
    file: Option<PathBuf>,
    tag: Value,
}

#[derive(Debug)]
enum What {
    Plan(Box<Plan>),
    Request(Map<String, Value>),
}

impl Wanted {
    /// Reads a line; `tag` is known even where the rest is wrong.
    fn parse(line: &str, tag: &mut Value) -> Result<Self> {
        let value =
            serde_json::from_str(line).map_err(|e| bad_job(say!("not JSON: {e}", "JSON として読めません: {e}")))?;
        let Value::Object(mut fields) = value else {
            return Err(bad_job(say!(
                "a job is a JSON object: a plan, or one with `plan` or `request`, `file` and `tag`",
                "ジョブは JSON オブジェクトです。計画か、`plan` または `request` と `file`、`tag` を持つもの"
            )));
        };
        *tag = fields.remove("tag").unwrap_or_default();
        let plan = |plan: Value| {
            let read = serde_json::from_value::<Plan>(plan);
            read.map(|plan| What::Plan(Box::new(plan)))
                .map_err(|e| bad_job(say!("not a plan: {e}", "計画として読めません: {e}")))
        };
        if !fields.contains_key("plan") && !fields.contains_key("request") {
            return Ok(Wanted { what: plan(Value::Object(fields))?, file: None, tag: tag.clone() });
        }
        let file = fields.remove("file").filter(|f| !f.is_null()).map(|f| file_name(&f)).transpose()?;
        let what = match (fields.remove("plan"), fields.remove("request")) {
            (Some(value), _) => plan(value)?,
            (None, Some(Value::Object(request))) => What::Request(request),
            _ => return Err(bad_job(say!("`request` is no object", "`request` がオブジェクトではありません"))),
        };
        Ok(Wanted { what, file, tag: tag.clone() })
    }
}

fn bad_job(message: Text) -> Error {
    Error::words(code::BAD_PLAN, message)
}

/// A path that stays inside the output folder.
fn file_name(value: &Value) -> Result<PathBuf> {
    let wrong = || {
        bad_job(say!(
            "file {value}: it must be the name of a .png inside the output folder",
            "file {value}: 出力フォルダー内の .png の名前にしてください"
        ))
    };
    let path = Path::new(value.as_str().ok_or_else(wrong)?);
    let inside = path.components().all(|c| matches!(c, Component::Normal(_)));
    let is_png = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png"));
    if inside && is_png { Ok(path.to_owned()) } else { Err(wrong()) }
}

struct Worker {
    session: Arc<Session>,
    studios: Studios,
    folder: PathBuf,
    language: Language,
}

impl Worker {
    fn open(session: Arc<Session>, settings: EngineSettings, wish: Wish) -> Result<Self> {
        let Wish { folder, init, mask, language } = wish;
        std::fs::create_dir_all(&folder).map_err(|e| Error::writing(&folder, &e))?;
        let mut studios = Studios::new(session.clone(), settings);
        session.read_pictures(&init, &mask)?;
        studios.get(&session.model()?)?;
        Ok(Worker { session, studios, folder, language })
    }

    fn ready(&mut self) -> Value {
        let found = [self.session.found.clone(), self.studios.take_found()].concat();
        let found: Vec<Value> = found.iter().map(|found| found.to_json(self.language)).collect();
        json!({ "event": "ready", "plan_format": FORMAT, "findings": found })
    }

    fn failed(&self, tag: &Value, error: &Error) -> Value {
        let findings: Vec<Value> = error.findings.iter().map(|found| found.to_json(self.language)).collect();
        json!({
            "event": "failed", "tag": tag, "exit": error.kind.number(),
            "message": error.message().in_language(self.language), "findings": findings,
        })
    }

    fn work(&mut self, wanted: Wanted, say: Listener<'_>) -> Result<()> {
        let Wanted { what, file, tag } = wanted;
        let (language, mut found) = (self.language, Vec::new());
        let (plan, model) = match what {
            What::Plan(plan) => {
                found.extend(self.session.check(&plan));
                if self.session.refuses(&found) {
                    return Err(Error::refused(found));
                }
                let model = self.session.model_of(&plan)?;
                (*plan, model)
            }
            What::Request(fields) => self.plan(fields, &mut found)?,
        };
        say(json!({ "event": "started", "tag": tag }));
        found.extend(self.studios.check(&plan, &model)?);
        let said = |found: &Diagnostic| json!({ "event": "found", "tag": tag, "finding": found.to_json(language) });
        for found in &found {
            say(said(found));
        }
        let id = self.studios.id(&plan, &model)?;
        let name = file.unwrap_or_else(|| format!("{id}.png").into());
        let name = name.to_string_lossy().into_owned();
        let job = Job { plan, model, name: name.clone(), place: None, pasted: None, id, file: Some(name) };
        let mut sink = |event: Event<'_>| {
            let event = match event {
                Event::Found(found) => said(found),
                Event::Engine(engine::Event::Step { index, steps, .. }) => {
                    json!({ "event": "step", "tag": tag, "step": index + 1, "steps": steps })
                }
                Event::Done { job, kept, picture, .. } => json!({
                    "event": "done", "tag": tag, "id": job.id, "file": kept.file, "crc32": kept.crc32,
                    "seed": job.plan.settings().seed, "parameters": picture.parameters,
                }),
                _ => return Flow::Go,
            };
            if say(event) { Flow::Go } else { Flow::Stop }
        };
        draw(&vec![job], &[0], &mut self.studios, &mut Folder(self.folder.clone()), &mut sink)?;
        Ok(())
    }

    /// The plan of a request.
    fn plan(&self, fields: Map<String, Value>, found: &mut Vec<Diagnostic>) -> Result<(Plan, ModelFiles)> {
        let line = Source::new("request", Value::Object(fields.clone()).to_string());
        let mut patch = Patch::default();
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            if let Err(error) = patch.take(name, value) {
                found.push(crate::batch::wrong_option(&error, name, &line));
            }
        }
        // The prompt may be a pasted infotext; what stands beside it wins.
        let text = patch.text("prompt").unwrap_or_default().to_owned();
        let mut entry: Entry = words(&text, found)?;
        patch.remove("prompt");
        entry.patch = entry.patch.with(&patch);
        entry.place = Place { file: "request".into(), line: 0 };
        let asked = self.session.ask(entry, found).map_err(|error| error.after(found.clone()))?;
        let (pictures, said) = self.session.pictures(&asked, &self.session.presets);
        found.extend(said);
        match pictures.filter(|_| !self.session.refuses(found)) {
            Some(pictures) => Ok((pictures.first().clone(), asked.model)),
            None => Err(Error::refused(std::mem::take(found))),
        }
    }
}

/// The output folder, in which files of a name are replaced.
struct Folder(PathBuf);

impl Store for Folder {
    fn look(&mut self, job: &Job) -> Result<Look> {
        Ok(Look::Draw(job.file.as_ref().map(|file| self.0.join(file))))
    }

    fn keep(&mut self, job: &Job, picture: &Picture) -> Result<Kept> {
        let file = self.0.join(job.file.as_deref().unwrap_or_default());
        let bytes = picture.png()?;
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Error::writing(folder, &e))?;
        }
        write_file(&file, &bytes, Existing::Replace)?;
        Ok(Kept { crc32: Some(crc32fast::hash(&bytes)), file })
    }
}

/// The next line that is not empty; one that is too long is skipped and told. `None` at the end of the input.
fn next_line(input: &mut impl BufRead) -> Result<Option<Result<String>>> {
    let broken = |e: std::io::Error| Error::file(code::NO_FILE, say!("standard input: {e}", "標準入力: {e}"));
    loop {
        let mut line = Vec::new();
        if input.by_ref().take(LINE_LIMIT as u64 + 1).read_until(b'\n', &mut line).map_err(broken)? == 0 {
            return Ok(None);
        }
        if line.len() > LINE_LIMIT {
            input.skip_until(b'\n').map_err(broken)?;
            let mib = LINE_LIMIT >> 20;
            return Ok(Some(Err(bad_job(say!("the line is longer than {mib} MiB", "行が {mib} MiB を超えています")))));
        }
        if !line.trim_ascii().is_empty() {
            let wrong = |_| bad_job(say!("the line is not UTF-8 text", "行が UTF-8 の文ではありません"));
            return Ok(Some(String::from_utf8(line).map_err(wrong)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_its_tag() {
        for line in [
            r#"{"tag":5}"#,
            r#"{"tag":5,"plan":{}}"#,
            r#"{"tag":5,"request":1}"#,
            r#"{"tag":5,"plan":{},"file":"../a"}"#,
        ] {
            let mut tag = Value::Null;
            assert!(Wanted::parse(line, &mut tag).is_err() && tag == 5, "{line}: {tag}");
        }
    }

    #[test]
    fn files_stay_in_the_folder() {
        let name = |text: &str| file_name(&Value::from(text));
        assert_eq!(name("a/b.png").unwrap(), Path::new("a/b.png"));
        for outside in ["../a.png", "/a.png", "a/../../b.png", "a", "a.txt", "", "."] {
            assert!(name(outside).is_err(), "{outside}");
        }
        assert!(file_name(&Value::from(3)).is_err());
    }

    #[test]
    fn long_lines_are_skipped_and_the_next_is_read() {
        let text = [b"\n \r\n".to_vec(), vec![b'x'; LINE_LIMIT + 5], b"\n{}\n\xff\n".to_vec()].concat();
        let mut input = text.as_slice();
        assert!(next_line(&mut input).unwrap().unwrap().is_err());
        assert_eq!(next_line(&mut input).unwrap().unwrap().unwrap(), "{}\n");
        assert!(next_line(&mut input).unwrap().unwrap().is_err());
        assert!(next_line(&mut input).unwrap().is_none());
    }
}
