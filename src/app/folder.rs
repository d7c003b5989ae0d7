//! The folder of a study: what was asked, the pictures, the report. A study that was stopped goes on in it.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::draw::{Event, Sink};
use super::error::{Error, ErrorKind, Result};
use super::subject::Subject;
use crate::diagnostic::{Diagnostic, code};
use crate::files;
use crate::files::limits::TEXT;
use crate::image_io::{Existing, write_file};
use crate::say;

pub struct Folder {
    path: PathBuf,
    /// Whether nobody has begun a study in it before.
    is_new: bool,
}

/// What the reports of studies are called.
const REPORTS: [&str; 6] = ["analysis.json", "analysis.html", "tune.json", "tune.html", "atlas.json", "atlas.html"];

impl Folder {
    /// Opens the folder, new or with a study of the same `request`, whose drawn seed is then taken again.
    pub fn open(path: &Path, request: &Value, subject: &mut Subject, sink: &mut dyn Sink) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(|e| Error::writing(path, &e))?;
        let file = path.join("request.json");
        let folder = Folder { path: path.to_owned(), is_new: !file.exists() };
        if let Some(name) = REPORTS.iter().find(|name| folder.is_new && path.join(name).exists()) {
            let path = path.display();
            let message = say!(
                "{path}: there is a {name} that belongs to no study here",
                "{path}: 分析のものではない {name} があります"
            );
            return Err(Error::words(code::OTHER_FOLDER, message)
                .help(say!("choose another one with -o", "-o で別のフォルダーを指定してください")));
        }
        if !folder.is_new {
            let was = folder.request(&file)?;
            let is_same = request.as_object().is_none_or(|asked| asked.iter().all(|(key, value)| was[key] == *value));
            if !is_same {
                let has_all = request.as_object().is_none_or(|asked| asked.keys().all(|key| !was[key].is_null()));
                let path = path.display();
                let message = match has_all {
                    true => say!(
                        "{path}: the folder holds a study of another prompt",
                        "{path}: 別のプロンプトの分析が入っています"
                    ),
                    false => {
                        say!("{path}: the folder holds a study of another kind", "{path}: 別の種類の分析が入っています")
                    }
                };
                return Err(Error::words(code::OTHER_FOLDER, message)
                    .help(say!("choose another one with -o", "-o で別のフォルダーを指定してください")));
            }
            if let Some(earlier) = was["seed"].as_u64().filter(|_| subject.open_seed) {
                subject.request.settings.seed = earlier;
                say_seed(say!("going on with seed {earlier}", "シード {earlier} で続けます"), sink);
                return Ok(folder);
            }
        }
        let seed = subject.request.settings.seed;
        let mut request = request.clone();
        request["seed"] = json!(seed);
        folder.replace("request.json", request.to_string().as_bytes())?;
        say_seed(say!("seed {seed}", "シード {seed}"), sink);
        Ok(folder)
    }

    fn request(&self, file: &Path) -> Result<Value> {
        let text = files::read(file, TEXT).map_err(|e| Error::reading(file, &e))?;
        serde_json::from_slice(&text).map_err(|e| {
            let file = file.display();
            let message = say!(
                "{file}: this is not what a study writes there: {e}",
                "{file}: 分析が書いたものではありません: {e}"
            );
            Error::file(code::UNUSABLE_FILE, message).help(say!(
                "delete it to begin anew, or choose another folder with -o",
                "消してやり直すか、-o で別のフォルダーを指定してください"
            ))
        })
    }

    /// The result of the study; where it was stopped, with how it goes on. Where it failed before anything was drawn, the folder goes
    /// away again.
    pub fn outcome<T>(&self, result: Result<T>) -> Result<T> {
        if result.as_ref().is_err_and(|error| error.kind == ErrorKind::Interrupted) {
            let path = self.path.display();
            let advice = say!(
                "the same command goes on in {path}, with the pictures that are there",
                "同じコマンドで、{path} にある画像を使って続きから始められます"
            );
            return result.map_err(|error| error.help(advice));
        }
        if result.is_err() && self.is_new && !self.cells().exists() {
            // What cannot be removed stays: the error is what matters.
            let _ = std::fs::remove_file(self.path("request.json"));
            let _ = std::fs::remove_dir(&self.path);
        }
        result
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub fn cells(&self) -> PathBuf {
        self.path("cells")
    }

    /// A file's name as seen from the folder.
    pub fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.path).unwrap_or(path).to_string_lossy().replace('\\', "/")
    }

    /// Writes a report as data and as a page, both called `name`.
    pub fn write(&self, name: &str, report: &impl Serialize, page: &str) -> Result<()> {
        let json = serde_json::to_string_pretty(report).map_err(|e| unwritable(&e))?;
        self.replace(&format!("{name}.json"), json.as_bytes())?;
        self.replace(&format!("{name}.html"), page.as_bytes())
    }

    /// Writes a file whole, over one that is there.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        Ok(write_file(&self.path(name), bytes, Existing::Replace)?)
    }
}

/// The error of a report that cannot be put into its form.
pub fn unwritable(error: &dyn std::fmt::Display) -> Error {
    Error::file(code::NOT_WRITTEN, say!("{error}", "{error}"))
}

fn say_seed(message: crate::diagnostic::Text, sink: &mut dyn Sink) {
    sink.event(Event::Found(&Diagnostic::new(code::SEED, message)));
}
