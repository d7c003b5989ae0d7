//! What people have: words, prompt files in every form, folders, pictures and plans, each read in one way for all commands.

use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::files::read_text;
use crate::batch::{Entry, Finding, Form, Options, Place};
use crate::diagnostic::{Diagnostic, Source, code};
use crate::image_io;
use crate::infotext;
use crate::plan::Plan;
use crate::say;

/// How files are read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    /// How prompt files are written; told by name and content where it is not said.
    pub form: Option<Form>,
    /// Lines that are wrong are read as webui does: silently, as a prompt.
    pub webui_quirks: bool,
}

/// What files ask for.
#[derive(Debug, Default)]
pub struct Sources {
    /// The files, as they were called.
    pub names: Vec<String>,
    /// What they ask for, in their order.
    pub entries: Vec<Entry>,
    /// What is to be said about them.
    pub found: Vec<Finding>,
}

/// A prompt or a pasted infotext; what is odd about it is added to `found`.
pub fn words(text: &str, found: &mut Vec<Diagnostic>) -> Result<Entry> {
    let (pasted, said) = infotext::paste(&Source::new("prompt", text));
    let Some(mut pasted) = pasted else { return Err(Error::refused(said)) };
    found.extend(said);
    let patch = std::mem::take(&mut pasted.patch);
    let is_infotext = infotext::looks_like_infotext(text);
    let pasted = is_infotext.then(|| Box::new(pasted));
    Ok(Entry { place: Place { file: "prompt".into(), line: 0 }, patch, pasted })
}

/// Prompt files and folders of pictures.
pub fn files(paths: &[PathBuf], reading: Reading) -> Result<Sources> {
    let mut sources = Sources::default();
    for path in paths {
        let name = path.display().to_string();
        if path.is_dir() {
            sources.folder(path)?;
        } else {
            let text = read_text(path)?;
            let form = reading.form.unwrap_or_else(|| Form::of(&name, &text));
            sources.add(form.read(&name, &text, Options { webui_quirks: reading.webui_quirks }));
        }
        sources.names.push(name);
    }
    Ok(sources)
}

impl Sources {
    fn add(&mut self, read: crate::batch::Read) {
        self.entries.extend(read.entries);
        self.found.extend(read.found);
    }

    /// The infotexts of the images in a folder, in the order of their names.
    fn folder(&mut self, folder: &Path) -> Result<()> {
        let failed = |e: std::io::Error| Error::reading(folder, &e);
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            paths.push(entry.map_err(failed)?.path());
        }
        paths.sort();
        for path in paths.into_iter().filter(|path| is_image(path)) {
            self.picture(&path);
        }
        Ok(())
    }

    /// The infotext of an image.
    fn picture(&mut self, path: &Path) {
        let name = path.display().to_string();
        let mut wrong = |diagnostic: Diagnostic| {
            self.found.push(Finding { place: Place { file: name.as_str().into(), line: 1 }, diagnostic });
        };
        match image_io::read_text(path) {
            Ok(image_io::ImageText { parameters: Some(parameters), .. }) => {
                self.add(Form::Infotexts.read(&name, &format!("{parameters}\n"), Options::default()));
            }
            Ok(_) => {
                let message = say!("{name}: the image has no infotext", "{name}: 画像に infotext がありません");
                wrong(Diagnostic::new(code::BAD_LINE, message));
            }
            Err(error) => Error::from(error).findings.into_iter().for_each(wrong),
        }
    }
}

/// Whether the name is that of an image whose text can be read.
pub fn is_image(path: &Path) -> bool {
    path.extension().is_some_and(|e| ["png", "jpg", "jpeg", "webp"].iter().any(|i| e.eq_ignore_ascii_case(i)))
}

/// The plans in a file: JSON with one plan or one per line, or an image that holds one.
pub fn plans(path: &Path) -> Result<Vec<Plan>> {
    let name = path.display();
    let json = if is_image(path) {
        image_io::read_text(path)?.plan.ok_or_else(|| {
            let message = say!("{name}: the image holds no plan", "{name}: 画像に計画が入っていません");
            Error::words(code::BAD_PLAN, message).help(say!(
                "paste its infotext (`lbw info`) to `lbw txt2img -` instead",
                "代わりに infotext (`lbw info`) を `lbw txt2img -` に渡してください"
            ))
        })?
    } else {
        read_text(path)?
    };
    let plans = serde_json::Deserializer::from_str(&json).into_iter::<Plan>();
    plans
        .map(|plan| {
            plan.map_err(|e| {
                Error::words(code::BAD_PLAN, say!("{name}: not a plan: {e}", "{name}: 計画として読めません: {e}"))
            })
        })
        .collect()
}
