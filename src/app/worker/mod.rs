//! Plans and requests in, events out, one line of JSON each, while the model stays loaded.
//!
//! What is wrong with one job is that job's `failed` event; the next line goes on.

mod jobs;
mod study;
mod wanted;

use std::io::BufRead;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::draw::{Job, Kept, Look, Store};
use super::error::{Error, ErrorKind, Result};
use super::renderer::Studios;
use super::session::Session;
use super::studio::{EngineSettings, Picture};
use crate::diagnostic::Language;
use crate::image_io::{Existing, write_file};
use crate::plan::FORMAT;
use wanted::{Wanted, What, next_line};

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
    let language = wish.language;
    let mut worker = match Worker::open(session, settings, wish) {
        Ok(worker) => worker,
        Err(error) => {
            listener(failed(&Value::Null, &error, language));
            return Err(error);
        }
    };
    let mut go_on = listener(worker.ready());
    let mut failures = 0;
    while go_on {
        let Some(line) = next_line(input)? else { break };
        let mut tag = Value::Null;
        let mut heard = true;
        let mut say = |event: Value| {
            heard = heard && listener(event);
            heard
        };
        let done = line
            .and_then(|line| Wanted::parse(&line, &worker.folder, worker.language, &mut tag))
            .and_then(|job| worker.work(job, &mut say));
        go_on = heard;
        if let (Err(error), true) = (done, go_on) {
            failures += 1;
            go_on = listener(failed(&tag, &error, language));
        }
    }
    match failures {
        0 => Ok(()),
        _ => Err(Error { kind: ErrorKind::SomeFailed, findings: Vec::new() }),
    }
}

/// The event of a job that failed; without a tag, of a worker that cannot begin.
pub fn failed(tag: &Value, error: &Error, language: Language) -> Value {
    let findings: Vec<Value> = error.findings.iter().map(|found| found.to_json(language)).collect();
    json!({
        "event": "failed", "tag": tag, "exit": error.kind.number(),
        "message": error.message().in_language(language), "findings": findings,
    })
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
        let version = env!("CARGO_PKG_VERSION");
        json!({ "event": "ready", "version": version, "plan_format": FORMAT, "findings": found })
    }

    fn work(&mut self, wanted: Wanted, say: Listener<'_>) -> Result<()> {
        let tag = wanted.tag;
        match wanted.what {
            What::Picture(ask, file) => self.draw(ask, file, &tag, say),
            What::Plans(ask) => self.plans(ask, &tag, say),
            What::Lines(lines) => self.lines(&lines, &tag, say),
            What::Study { study, request, is_dry } => self.study(&study, request, is_dry, &tag, say),
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
