//! What people have: words, prompt files in every form, folders, pictures and plans, each read in one way for all commands.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::{Error, Result};
use super::files::read_text;
use crate::batch::{Entry, Finding, Form, Options, Place};
use crate::diagnostic::{Diagnostic, Severity, Source, code, did_you_mean};
use crate::files::is_standard_input;
use crate::files::limits::VALUES;
use crate::files::values::{is_crowded_json, json_texts};
use crate::image_io::{self, ImageText};
use crate::infotext;
use crate::infotext::foreign::{self, Foreign};
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
    if is_plan(text) {
        let message =
            say!("this is a plan as lbw writes it, and not a prompt", "これはプロンプトではなく lbw の計画です");
        return Err(Error::words(code::BAD_PLAN, message).help(say!(
            "put it into a file: `lbw run plan.json` draws it",
            "ファイルに保存して `lbw run plan.json` で描いてください"
        )));
    }
    let (pasted, said) = infotext::paste(&Source::new("prompt", text));
    let Some(mut pasted) = pasted else { return Err(Error::refused(said)) };
    found.extend(said);
    let patch = std::mem::take(&mut pasted.patch);
    let pasted = pasted.is_infotext.then(|| Box::new(pasted));
    Ok(Entry { place: Place { file: "prompt".into(), line: 0 }, patch, pasted })
}

/// Whether `text` begins with a plan, alone or among what `lbw info --json` tells of a picture.
fn is_plan(text: &str) -> bool {
    if !text.trim_start().starts_with('{') {
        return false;
    }
    let first = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>().next();
    let Some(Ok(value)) = first else { return false };
    let plan = value.get("plan").unwrap_or(&value);
    plan.get("format").is_some_and(serde_json::Value::is_u64) && plan.get("settings").or(plan.get("passes")).is_some()
}

/// Folders in folders are read to this depth.
const DEPTH: usize = 16;

/// Prompt files, pictures, and folders of pictures.
pub fn files(paths: &[PathBuf], reading: Reading) -> Result<Sources> {
    let mut sources = Sources::default();
    for path in paths {
        let name = path.display().to_string();
        if path.is_dir() {
            sources.folder(path)?;
        } else if is_image(path) {
            sources.picture(path);
        } else {
            let text = text_of(path)?;
            if is_plan(&text) {
                let message = say!("{name}: this is a plan as lbw writes it", "{name}: lbw の計画のファイルです");
                return Err(Error::words(code::BAD_PLAN, message)
                    .help(say!("`lbw run {name}` draws it", "`lbw run {name}` で描けます")));
            }
            let form = reading.form.unwrap_or_else(|| Form::of(&name, &text));
            sources.add(form.read(&name, &text, Options { webui_quirks: reading.webui_quirks }));
        }
        sources.names.push(name);
    }
    Ok(sources)
}

/// A piece of the prompt file `name`, whose first line has this number in it.
pub fn text(name: &str, text: &str, first_line: usize, reading: Reading) -> Sources {
    let mut sources = Sources { names: vec![name.to_owned()], ..Sources::default() };
    let form = reading.form.unwrap_or_else(|| Form::of(name, text));
    sources.add(form.read(name, text, Options { webui_quirks: reading.webui_quirks }));
    let before = first_line.saturating_sub(1);
    sources.entries.iter_mut().for_each(|entry| entry.place.line += before);
    for found in &mut sources.found {
        found.place.line += before;
        if let Some(source) = &mut found.diagnostic.source {
            source.first_line += before;
        }
    }
    sources
}

/// The text of a prompt file, unless its name says that it is another kind of file.
fn text_of(path: &Path) -> Result<String> {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    let shown = path.display();
    let is_there = path.is_file();
    if is_there && (ends(&[".yaml", ".yml"]) || name.contains("lbwpresets") || name.contains("elempresets")) {
        let message = say!(
            "{shown} is a preset file and asks for no picture",
            "{shown} はプリセットのファイルで、描くものはありません"
        );
        return Err(Error::words(code::BAD_LINE, message).help(say!(
            "give it with `--presets`, and `lbw check` looks through it",
            "`--presets` で指定してください。中身は `lbw check` で確かめられます"
        )));
    }
    if is_there && ends(&[".safetensors", ".ckpt", ".pt", ".pth", ".gguf"]) {
        let message = say!(
            "{shown} is a model or a LoRA and asks for no picture",
            "{shown} はモデルか LoRA のファイルで、描くものはありません"
        );
        return Err(Error::words(code::BAD_LINE, message).help(say!(
            "name a checkpoint with `--model` and a LoRA in a tag; `lbw lora inspect` looks into one",
            "チェックポイントは `--model` で、LoRA はタグで指定してください。中身は `lbw lora inspect` で見られます"
        )));
    }
    read_text(path)
}

/// What an image says of how it was made.
#[derive(Debug, Clone, PartialEq)]
pub enum Says {
    /// webui's infotext, or somebody's text in its place.
    Infotext(String),
    /// The settings of another program.
    Foreign(Foreign),
    /// Nothing.
    Nothing,
}

/// What the texts of an image say.
pub fn says(text: &ImageText) -> Says {
    let infotext = text.parameters.as_deref().filter(|text| !text.trim_start().starts_with('{'));
    if let Some(infotext) = infotext {
        return Says::Infotext(infotext.to_owned());
    }
    let json = || foreign::of_json(text.parameters.as_deref()?);
    match foreign::of_texts(|keyword| text.get(keyword), text.size).or_else(json) {
        Some(foreign) => Says::Foreign(foreign),
        None => Says::Nothing,
    }
}

/// What another program wrote into `name` as infotext, if it can be; and what of it could not.
pub fn of_foreign(foreign: &Foreign, name: &str) -> (Option<String>, Vec<Diagnostic>) {
    let (_, found) = infotext::paste_foreign(foreign, &Source::new(name, ""));
    let own = [code::CONVERTED, code::NOT_CONVERTED, code::NOT_DONE];
    let found = found.into_iter().filter(|found| own.contains(&found.code) && found.labels.is_empty());
    (foreign.infotext.clone().ok(), found.collect())
}

impl Sources {
    fn add(&mut self, read: crate::batch::Read) {
        self.entries.extend(read.entries);
        self.found.extend(read.found);
    }

    /// The infotexts of the images in a folder and in those inside it, in the order of their names. A folder inside it that cannot
    /// be read has none, which is said.
    fn folder(&mut self, folder: &Path) -> Result<()> {
        let mut inside = Inside::default();
        inside.look(folder, DEPTH)?;
        let place = |path: &Path| Place { file: path.display().to_string().as_str().into(), line: 1 };
        for (inner, error) in inside.unreadable {
            self.found.extend(error.findings.into_iter().map(|diagnostic| Finding {
                place: place(&inner),
                diagnostic: Diagnostic { severity: Severity::Warning, ..diagnostic },
            }));
        }
        if inside.pictures.is_empty() {
            self.found.push(Finding { place: place(folder), diagnostic: no_picture_in(folder, &inside.prompt_files) });
        }
        inside.pictures.iter().for_each(|path| self.picture(path));
        Ok(())
    }

    /// The infotext of an image.
    fn picture(&mut self, path: &Path) {
        let name = path.display().to_string();
        let place = Place { file: name.as_str().into(), line: 1 };
        let finding = |diagnostic| Finding { place: place.clone(), diagnostic };
        let text = match image_io::read_text(path) {
            Ok(text) => text,
            Err(error) => return self.found.extend(Error::from(error).findings.into_iter().map(finding)),
        };
        match says(&text) {
            Says::Infotext(infotext) => {
                if let Some(found) = infotext::too_long(&name, &infotext) {
                    return self.found.push(finding(found));
                }
                self.add(Form::Infotexts.read(&name, &format!("{infotext}\n"), Options::default()));
            }
            Says::Foreign(foreign) => {
                let (pasted, found) = infotext::paste_foreign(&foreign, &Source::new(name, ""));
                self.found.extend(found.into_iter().map(finding));
                if let Some(mut pasted) = pasted {
                    let patch = std::mem::take(&mut pasted.patch);
                    self.entries.push(Entry { place: place.clone(), patch, pasted: Some(Box::new(pasted)) });
                }
            }
            Says::Nothing => {
                let message = say!("{name}: the image has no infotext", "{name}: 画像に infotext がありません");
                self.found.push(finding(Diagnostic::new(code::BAD_LINE, message)));
            }
        }
    }
}

/// A folder of which nothing is drawn.
fn no_picture_in(folder: &Path, prompt_files: &[PathBuf]) -> Diagnostic {
    let shown = folder.display();
    let message = say!(
        "{shown}: no picture lies in this folder whose settings could be read",
        "{shown}: このフォルダーには設定を読める画像がありません"
    );
    let found = Diagnostic::new(code::BAD_LINE, message);
    if prompt_files.is_empty() {
        return found;
    }
    let names: Vec<String> = prompt_files.iter().take(8).map(|path| path.display().to_string()).collect();
    let names = names.join(" ");
    found.help(say!(
        "prompt files in a folder are not read; name them: {names}",
        "フォルダーの中のプロンプトファイルは読まれません。ファイルを指定してください: {names}"
    ))
}

/// What lies in a folder and in those inside it, each folder's in the order of their names.
#[derive(Default)]
struct Inside {
    /// Images whose text can be read.
    pictures: Vec<PathBuf>,
    /// What looks like files of prompts.
    prompt_files: Vec<PathBuf>,
    /// Folders that cannot be read.
    unreadable: Vec<(PathBuf, Error)>,
}

impl Inside {
    /// Adds what lies in `folder`. Links to folders are not followed, so that none is read twice.
    fn look(&mut self, folder: &Path, depth: usize) -> Result<()> {
        let failed = |e: std::io::Error| Error::reading(folder, &e);
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            entries.push((entry.path(), entry.file_type().map_err(failed)?.is_dir()));
        }
        entries.sort();
        for (path, is_folder) in entries {
            if is_folder && depth > 0 {
                if let Err(error) = self.look(&path, depth - 1) {
                    self.unreadable.push((path, error));
                }
            } else if !is_folder && is_image(&path) {
                self.pictures.push(path);
            } else if !is_folder && has_ending(&path, &["txt", "csv", "tsv", "json", "jsonl", "ndjson", "toml"]) {
                self.prompt_files.push(path);
            }
        }
        Ok(())
    }
}

/// Whether the name is that of an image whose text can be read, or one is piped in.
pub fn is_image(path: &Path) -> bool {
    match is_standard_input(path) {
        true => image_io::is_picture(path),
        false => has_ending(path, &["png", "jpg", "jpeg", "webp", "gif", "avif"]),
    }
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|e| endings.iter().any(|i| e.eq_ignore_ascii_case(i)))
}

/// The plans in a file: JSON with one plan or one per line, or an image that holds one. Nothing for an image that holds none.
pub fn plans(path: &Path) -> Result<Option<Vec<Plan>>> {
    let name = path.display();
    let json = if is_image(path) {
        match image_io::read_text(path)?.plan {
            Some(plan) => plan,
            None => return Ok(None),
        }
    } else {
        read_text(path)?
    };
    if !json.trim_start().starts_with('{') {
        return Err(no_plan_but_text(&name.to_string()));
    }
    let plan = |text: serde_json::Result<&str>| {
        if text.as_ref().is_ok_and(|text| is_crowded_json(text)) {
            let message = say!(
                "{name}: not a plan: it has more than {VALUES} values",
                "{name}: 計画として読めません。{VALUES} 個を超える値があります"
            );
            return Err(Error::words(code::BAD_PLAN, message));
        }
        let value = text.and_then(serde_json::from_str::<serde_json::Value>);
        let plan = value.and_then(|value| Ok((Plan::deserialize(&value)?, value)));
        let (plan, value) = plan.map_err(|e| {
            Error::words(code::BAD_PLAN, say!("{name}: not a plan: {e}", "{name}: 計画として読めません: {e}"))
        })?;
        match unknown_key(&value, &plan) {
            None => Ok(plan),
            Some((key, near)) => {
                let message = say!("{name}: a plan has no `{key}`", "{name}: 計画に `{key}` という項目はありません");
                let near = near.map(|near| say!("did you mean `{near}`?", "`{near}` のことですか?"));
                Err(near.into_iter().fold(Error::words(code::BAD_PLAN, message), Error::help))
            }
        }
    };
    json_texts(&json).map(plan).collect::<Result<_>>().map(Some)
}

/// What somebody wants to `run` that is to be drawn otherwise.
fn no_plan_but_text(name: &str) -> Error {
    let message = say!("{name}: this is no plan but text", "{name}: 計画ではなく文章です");
    Error::words(code::BAD_PLAN, message).help(say!(
        "`lbw batch {name}` draws a file of prompts, and `lbw txt2img -` what is piped in",
        "プロンプトのファイルは `lbw batch {name}` で、パイプで渡した文は `lbw txt2img -` で描けます"
    ))
}

/// A key of a plan of today's form that the plan has no place for, and what may be meant: somebody wrote it by hand.
fn unknown_key(written: &serde_json::Value, plan: &Plan) -> Option<(String, Option<String>)> {
    use serde_json::Value;
    fn look(written: &Value, read: &Value) -> Option<(String, Option<String>)> {
        match (written, read) {
            (Value::Object(written), Value::Object(read)) => {
                written.iter().find_map(|(key, value)| match read.get(key) {
                    Some(read) => look(value, read),
                    // What is left out where it is nothing.
                    None if value.is_null() || value == &Value::Bool(false) || *value == serde_json::json!([]) => None,
                    None => Some((key.clone(), did_you_mean(key, read.keys().map(String::as_str)).map(str::to_owned))),
                })
            }
            (Value::Array(written), Value::Array(read)) => {
                written.iter().zip(read).find_map(|(written, read)| look(written, read))
            }
            _ => None,
        }
    }
    if written["format"] != crate::plan::FORMAT {
        return None;
    }
    look(written, &serde_json::to_value(plan).ok()?)
}
