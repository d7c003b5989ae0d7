//! webui's "Prompts from file or textbox".

use rayon::prelude::*;
use serde_json::{Map, Value};

use super::{Options, Read};
use crate::batch::entry::unknown_option;
use crate::batch::{LineError, Position, PromptFile, Seeds, parse_line};
use crate::diagnostic::{Said, Text};
use crate::say;
use crate::syntax::python;

/// Our own addition: a line that sets defaults for those after it. webui would draw it as an empty prompt.
const DEFAULTS: &str = "#lbw ";

pub(super) fn read(name: &str, text: &str, options: &Options, read: &mut Read) {
    if options.webui_quirks {
        return read_as_webui(name, text, options, read);
    }
    let mut options = options.clone();
    let lines = (1usize..).zip(python::split_lines(text)).map(|(number, line)| (number, python::strip(line)));
    let lines: Vec<_> = lines.filter(|(_, line)| !line.is_empty()).collect();
    let commands: Vec<_> = lines.par_iter().map(|(_, line)| command(line)).collect();
    for ((number, line), command) in lines.into_iter().zip(commands) {
        if line.starts_with(DEFAULTS) {
            match command {
                Ok(values) => options.defaults.extend(values),
                Err(error) => read.wrong(name, number, said(&error)),
            }
            continue;
        }
        if line.starts_with('#') {
            let message = say!(
                "in webui's form this is no comment: it draws the empty prompt, as webui does",
                "webui の形式ではコメントになりません。webui と同じく空のプロンプトで描きます"
            );
            read.warn(name, number, message);
        }
        let values = match command {
            Ok(values) => values,
            Err(error) => {
                read.wrong(name, number, said(&error));
                continue;
            }
        };
        // webui forgets such a sampler and takes its default.
        if values.get("sampler_name").is_some_and(Value::is_null) {
            let message = say!(
                "--sampler_name names no sampler that there is; a wrong one is answered by the list in `lbw txt2img x --sampler ?`",
                "--sampler_name のサンプラーはありません。`lbw txt2img x --sampler ?` で一覧が出ます"
            );
            read.wrong(name, number, message);
            continue;
        }
        read.push(name, number, values, &options);
    }
}

/// The options that a line names: a line without any is a prompt.
fn command(line: &str) -> Result<Map<String, Value>, LineError> {
    match line.strip_prefix(DEFAULTS) {
        None if !line.contains("--") => Ok(Map::from_iter([("prompt".to_owned(), Value::from(line))])),
        defaults => parse_line(defaults.unwrap_or(line), &|name| Some(name.to_owned())),
    }
}

/// As webui does it: a line that is no command line is a prompt as a whole, a sampler that does not exist is forgotten, and a checkpoint
/// that a line names stays for the lines after it.
fn read_as_webui(name: &str, text: &str, options: &Options, read: &mut Read) {
    let file = PromptFile::parse(
        text,
        &options.defaults,
        Position::Start,
        Seeds::AsWritten,
        &|name| Some(name.to_owned()),
        &mut || -1,
    );
    for (number, line, error) in &file.failed {
        let error = said(error);
        let message = say!(
            "drawn as the prompt `{line}`, as webui does: {error}",
            "webui と同じく `{line}` をプロンプトとして描きます: {error}",
            with error
        );
        read.warn(name, *number, message);
    }
    let lines = (1..).zip(python::split_lines(text)).filter(|(_, line)| !python::strip(line).is_empty());
    for ((number, _), mut values) in lines.zip(file.jobs) {
        if let Some(Value::Object(overrides)) = values.remove("override_settings") {
            values.extend(overrides.get("sd_model_checkpoint").map(|model| ("sd_model".to_owned(), model.clone())));
        }
        if values.get("sampler_name").is_some_and(Value::is_null) {
            values.remove("sampler_name");
        }
        let none = Options::default();
        read.push(name, number, values, &none);
    }
}

fn said(error: &LineError) -> Text {
    match error {
        LineError::UnknownOption(option) => unknown_option(option),
        other => other.said(),
    }
}
