//! One line of a worker's input: what is wanted.

use std::io::{BufRead, Read};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::app::error::{Error, Result};
use crate::app::random::new_seed_base;
use crate::app::{analyze, atlas, tune, wished, xyz};
use crate::diagnostic::{Language, Text, code};
use crate::files::limits::JOB;
use crate::files::values::repeated_key;
use crate::plan::Plan;
use crate::say;

/// One line of the input.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) what: What,
    pub(super) tag: Value,
}

#[derive(Debug)]
pub(super) enum What {
    /// A picture, into this file of the output folder.
    Picture(Ask, Option<PathBuf>),
    /// The plans of the pictures that would be drawn.
    Plans(Ask),
    /// The plans of a prompt file's pictures.
    Lines(Lines),
    /// A study of a request; or only its cells, if that is all that is wanted.
    Study { study: Study, request: Map<String, Value>, is_dry: bool },
}

#[derive(Debug)]
pub(super) enum Study {
    /// The Effective Block Analyzer.
    Analysis(Box<analyze::Wish>),
    /// An XYZ plot.
    Plot(Box<xyz::Wish>),
    /// A search for weights, with more prompts than the request's.
    Tune(Box<tune::Wish>, Vec<String>),
    /// What each block does, with more prompts than the request's.
    Atlas(Box<atlas::Wish>, Vec<String>),
}

impl Study {
    /// The study that is asked for, if any.
    fn take(fields: &mut Map<String, Value>, folder: &Path, language: Language) -> Result<Option<Self>> {
        let output = |name: &Option<String>, otherwise: &str| -> Result<PathBuf> {
            Ok(folder.join(inside(name.as_deref().unwrap_or(otherwise))?))
        };
        if let Some(wish) = fields.remove("analyze") {
            let wish: analyze::Fields = read("analyze", wish)?;
            let folder = output(&wish.folder, "analysis")?;
            return Ok(Some(Study::Analysis(Box::new(wish.wish(folder, language)?))));
        }
        if let Some(wish) = fields.remove("xyz") {
            return Ok(Some(Study::Plot(Box::new(read::<Plot>("xyz", wish)?.wish(folder)?))));
        }
        if let Some(wish) = fields.remove("tune") {
            let wish: tune::Fields = read("tune", wish)?;
            let wanted = wish.wish(output(&wish.folder, "tune")?, language)?;
            return Ok(Some(Study::Tune(Box::new(wanted), wish.prompts)));
        }
        if let Some(wish) = fields.remove("atlas") {
            let wish: atlas::Fields = read("atlas", wish)?;
            let wanted = wish.wish(output(&wish.folder, "atlas")?, language);
            return Ok(Some(Study::Atlas(Box::new(wanted), wish.prompts)));
        }
        Ok(None)
    }
}

/// What a picture is asked for by.
#[derive(Debug)]
pub(super) enum Ask {
    Plan(Box<Plan>, ModelNames),
    Request(Map<String, Value>),
}

/// The files that a plan is drawn with, where they are not the worker's own.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ModelNames {
    pub(super) model: Option<String>,
    pub(super) vae: Option<String>,
}

/// Prompt files, or a piece of one.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Lines {
    pub(super) files: Vec<PathBuf>,
    pub(super) text: Option<String>,
    /// What the text is called; by its ending its form is told.
    pub(super) name: String,
    /// The number of the text's first line in the file that it is a piece of.
    pub(super) first_line: usize,
    /// Plan the good lines where others are wrong.
    pub(super) keep_going: bool,
    /// What seeds that are left open are drawn from.
    pub(super) seed_base: u64,
}

impl Default for Lines {
    fn default() -> Self {
        let (files, text, name, keep_going) = Default::default();
        Lines { files, text, name, first_line: 1, keep_going, seed_base: new_seed_base() }
    }
}

impl Wanted {
    /// Reads a line; `tag` is known even where the rest is wrong. Pictures of studies go into `folder`.
    pub(super) fn parse(line: &str, folder: &Path, language: Language, tag: &mut Value) -> Result<Self> {
        let value =
            serde_json::from_str(line).map_err(|e| bad_job(say!("not JSON: {e}", "JSON として読めません: {e}")))?;
        let Value::Object(mut fields) = value else {
            return Err(bad_job(say!(
                "a job is a JSON object: a plan, or one with `plan`, `request` or `files`",
                "ジョブは JSON オブジェクトです。計画か、`plan`・`request`・`files` のどれかを持つもの"
            )));
        };
        *tag = fields.remove("tag").unwrap_or_default();
        if let Some(key) = repeated_key(line) {
            return Err(bad_job(say!("`{key}` stands there twice", "`{key}` が二度あります")));
        }
        let what = What::parse(fields, folder, language)?;
        Ok(Wanted { what, tag: tag.clone() })
    }
}

impl What {
    fn parse(mut fields: Map<String, Value>, folder: &Path, language: Language) -> Result<Self> {
        let is_dry = fields.remove("dry_run").is_some_and(|is_dry| is_dry == true);
        if fields.contains_key("files") || fields.contains_key("text") {
            if !is_dry {
                return Err(bad_job(say!(
                    "prompt files are planned, with `dry_run`, and then their plans drawn one by one",
                    "プロンプトのファイルは `dry_run` で計画にし、計画を一つずつ描いてください"
                )));
            }
            return read("files", Value::Object(fields)).map(What::Lines);
        }
        let study = Study::take(&mut fields, folder, language)?;
        if is_dry && matches!(study, Some(Study::Tune(..) | Study::Atlas(..))) {
            return Err(bad_job(say!(
                "`dry_run` is for `analyze` and `xyz`: other studies tell no plans",
                "`dry_run` は `analyze` と `xyz` で使います。ほかの分析は計画を返しません"
            )));
        }
        if let Some(study) = study {
            return Ok(What::Study { study, request: request(fields.remove("request"))?, is_dry });
        }
        if !fields.contains_key("plan") && !fields.contains_key("request") {
            let ask = Ask::Plan(Box::new(plan(Value::Object(fields))?), ModelNames::default());
            return Ok(What::Picture(ask, None));
        }
        let file = fields.remove("file").filter(|f| !f.is_null()).map(|f| png(&f)).transpose()?;
        let ask = match fields.remove("plan") {
            Some(value) => Ask::Plan(Box::new(plan(value)?), read("model", Value::Object(fields))?),
            None => Ask::Request(request(fields.remove("request"))?),
        };
        Ok(if is_dry { What::Plans(ask) } else { What::Picture(ask, file) })
    }
}

/// A plot as lines of JSON ask for it: the flags of `lbw xyz`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Plot {
    x: Option<String>,
    y: Option<String>,
    z: Option<String>,
    base: Option<String>,
    max_cells: Option<usize>,
    cell_size: Option<u32>,
    folder: Option<String>,
}

impl Plot {
    fn wish(self, folder: &Path) -> Result<xyz::Wish> {
        Ok(xyz::Wish {
            axes: [self.x, self.y, self.z],
            base: self.base,
            max_cells: self.max_cells.unwrap_or(xyz::MAX_CELLS),
            cell_size: self.cell_size.map(cell_size).transpose()?,
            output: Some(folder.join(inside(self.folder.as_deref().unwrap_or("xyz"))?)),
            ..xyz::Wish::default()
        })
    }
}

fn cell_size(size: u32) -> Result<u32> {
    let least = xyz::MIN_CELL_SIZE;
    match size >= least {
        true => Ok(size),
        false => Err(bad_job(say!("cell_size {size}: at least {least}", "cell_size {size}: {least} 以上です"))),
    }
}

fn bad_job(message: Text) -> Error {
    Error::words(code::BAD_PLAN, message)
}

/// A value of a known shape.
fn read<T: serde::de::DeserializeOwned>(name: &str, value: Value) -> Result<T> {
    wished::read(value).map_err(|why| bad_job(say!("{name}: {why}", "{name}: {why}", with why)))
}

fn plan(value: Value) -> Result<Plan> {
    serde_json::from_value(value).map_err(|e| bad_job(say!("not a plan: {e}", "計画として読めません: {e}")))
}

fn request(value: Option<Value>) -> Result<Map<String, Value>> {
    match value {
        Some(Value::Object(fields)) => Ok(fields),
        _ => Err(bad_job(say!("`request` is no object", "`request` がオブジェクトではありません"))),
    }
}

/// A path that stays inside the output folder.
fn inside(name: &str) -> Result<&Path> {
    let path = Path::new(name);
    let is_inside = path.components().all(|c| matches!(c, Component::Normal(_)));
    if is_inside {
        return Ok(path);
    }
    Err(bad_job(say!("{name}: it must lie inside the output folder", "{name}: 出力フォルダーの中にしてください")))
}

/// The name of a picture inside the output folder.
fn png(value: &Value) -> Result<PathBuf> {
    let path = value.as_str().and_then(|name| inside(name).ok());
    let is_png = |path: &&Path| path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png"));
    path.filter(is_png).map(Path::to_owned).ok_or_else(|| {
        bad_job(say!(
            "file {value}: it must be the name of a .png inside the output folder",
            "file {value}: 出力フォルダー内の .png の名前にしてください"
        ))
    })
}

/// The next line that is not empty; one that is too long is skipped and told. `None` at the end of the input.
pub(super) fn next_line(input: &mut impl BufRead) -> Result<Option<Result<String>>> {
    let broken = |e: std::io::Error| Error::file(code::NO_FILE, say!("standard input: {e}", "標準入力: {e}"));
    loop {
        let mut line = Vec::new();
        if input.by_ref().take(JOB as u64 + 1).read_until(b'\n', &mut line).map_err(broken)? == 0 {
            return Ok(None);
        }
        if line.len() > JOB {
            input.skip_until(b'\n').map_err(broken)?;
            let mib = JOB >> 20;
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
            r#"{"tag":5,"files":["a.txt"]}"#,
            r#"{"tag":5,"files":["a.txt"],"dry_run":true,"first_lien":3}"#,
            r#"{"tag":5,"request":{},"analyze":{"blocs":"IN04"}}"#,
            r#"{"tag":5,"request":{},"analyze":{"folder":"../a"}}"#,
            r#"{"tag":5,"request":{},"xyz":{"w":"Seed=1,2"}}"#,
            r#"{"tag":5,"request":{},"xyz":{"folder":"../a"}}"#,
            r#"{"tag":5,"request":{},"tune":{"toward":"base-colour"}}"#,
            r#"{"tag":5,"request":{},"tune":{"toward":["base-colors"],"fix":["M00"]}}"#,
            r#"{"tag":5,"request":{},"tune":{"toward":["base-colors"]},"dry_run":true}"#,
            r#"{"tag":5,"request":{},"atlas":{"folder":"../a"}}"#,
            r#"{"tag":5,"request":{},"atlas":{"seed":1}}"#,
        ] {
            let mut tag = Value::Null;
            let wanted = Wanted::parse(line, Path::new("out"), Language::En, &mut tag);
            assert!(wanted.is_err() && tag == 5, "{line}: {tag}");
        }
    }

    #[test]
    fn files_stay_in_the_folder() {
        let name = |text: &str| png(&Value::from(text));
        assert_eq!(name("a/b.png").unwrap(), Path::new("a/b.png"));
        for outside in ["../a.png", "/a.png", "a/../../b.png", "a", "a.txt", "", "."] {
            assert!(name(outside).is_err(), "{outside}");
        }
        assert!(png(&Value::from(3)).is_err());
    }

    #[test]
    fn long_lines_are_skipped_and_the_next_is_read() {
        let text = [b"\n \r\n".to_vec(), vec![b'x'; JOB + 5], b"\n{}\n\xff\n".to_vec()].concat();
        let mut input = text.as_slice();
        assert!(next_line(&mut input).unwrap().unwrap().is_err());
        assert_eq!(next_line(&mut input).unwrap().unwrap().unwrap(), "{}\n");
        assert!(next_line(&mut input).unwrap().unwrap().is_err());
        assert!(next_line(&mut input).unwrap().is_none());
    }
}
