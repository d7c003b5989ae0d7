//! webui's "Prompts from file or textbox".

use std::ops::Range;
use std::sync::LazyLock;

use rayon::prelude::*;
use regex::Regex;
use serde_json::{Map, Value};

use super::{Options, Read};
use crate::batch::prompt_line::options_of;
use crate::batch::{Finding, LineError, Position, PromptFile, Seeds};
use crate::diagnostic::{Diagnostic, Said, Text, code};
use crate::plan::Patch;
use crate::say;
use crate::syntax::python;

/// Our own addition: a line that sets defaults for those after it. webui would draw it as an empty prompt.
const DEFAULTS: &str = "#lbw ";

pub(super) fn read(text: &str, options: Options, read: &mut Read) {
    if options.webui_quirks {
        return read_as_webui(text, read);
    }
    let mut defaults = Patch::default();
    let lines = (1usize..).zip(python::split_lines(text)).map(|(number, line)| (number, python::strip(line)));
    let mut lines = lines.filter(|(_, line)| !line.is_empty());
    loop {
        let lines: Vec<_> = lines.by_ref().take(AT_ONCE).collect();
        if lines.is_empty() {
            return;
        }
        let commands: Vec<_> = lines.par_iter().map(|(_, line)| command(line)).collect();
        for ((number, line), command) in lines.into_iter().zip(commands) {
            match command {
                Ok(values) => take(number, line, &values, &mut defaults, read),
                Err(error) => read.wrong_with(number, line, error.said(), error.help(line)),
            }
        }
    }
}

/// Lines that are read beside each other before what they say is taken.
const AT_ONCE: usize = 1024;

/// What a line says: a picture over `defaults`, or defaults for those after it.
fn take(number: usize, line: &str, values: &[(String, Value)], defaults: &mut Patch, read: &mut Read) {
    if line.contains("--") {
        shell(number, line, read);
    }
    let values = values.iter().map(|(name, value)| (name.as_str(), value));
    if line.starts_with(DEFAULTS) {
        let source = super::line(&read.file, number, line);
        let wrong: Vec<_> = values.filter_map(|(name, value)| defaults.take_option(name, value, &source)).collect();
        let place = read.place(number);
        return read.found.extend(wrong.into_iter().map(|diagnostic| Finding { place: place.clone(), diagnostic }));
    }
    if line.starts_with('#') {
        let message = say!(
            "in webui's form this is no comment: it draws the empty prompt, as webui does",
            "webui の書式ではコメントではありません。webui と同じく空のプロンプトを描きます"
        );
        read.say(number, line, code::LINE_AS_WEBUI, message);
    }
    read.push(number, line, defaults, values);
}

/// What is lost or kept as on a shell's command line, and was hardly meant: backslashes of Windows' paths, and quotes that are none.
fn shell(number: usize, line: &str, read: &mut Read) {
    if let Some(path) = WINDOWS_PATH.as_ref().and_then(|pattern| pattern.captures(line)?.get(1)) {
        let slashes = path.as_str().replace('\\', "/");
        let message = say!(
            "the backslashes vanish here, as on a command line",
            "コマンドラインと同じく、バックスラッシュは消えてしまいます"
        );
        let help = say!("write `{slashes}`", "`{slashes}` と書いてください");
        say_at(number, line, path.range(), message, help, read);
    }
    if let Some(quote) = CURLY_QUOTE.as_ref().and_then(|pattern| pattern.captures(line)?.get(1)) {
        let sign = quote.as_str();
        let message = say!(
            "`{sign}` is no quote here: it becomes a part of the value",
            "`{sign}` は引用符にならず、値の一部になります"
        );
        let help = say!("write `\"` around the value", "値を `\"` で囲んでください");
        say_at(number, line, quote.range(), message, help, read);
    }
}

fn say_at(number: usize, line: &str, span: Range<usize>, message: Text, help: Text, read: &mut Read) {
    let source = super::line(&read.file, number, line);
    let diagnostic = Diagnostic::new(code::LINE_AS_WEBUI, message).within(&source).at(span).help(help);
    read.found.push(Finding { place: read.place(number), diagnostic });
}

/// A path behind an option, without quotes that would keep its backslashes.
static WINDOWS_PATH: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"--\w+\s+([A-Za-z]:\\[^\s"']*)"#).ok());
/// A quote of printing behind an option.
static CURLY_QUOTE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"--\w+\s+([“”„‘’«「『＂])").ok());

/// The options that a line names: a line without any is a prompt.
fn command(line: &str) -> Result<Vec<(String, Value)>, LineError> {
    match line.strip_prefix(DEFAULTS) {
        None if !line.contains("--") => Ok(vec![("prompt".to_owned(), line.into())]),
        defaults => {
            let options = options_of(defaults.unwrap_or(line))?;
            Ok(options.into_iter().map(|(name, value)| (name, value.into())).collect())
        }
    }
}

/// As webui does it: a line that is no command line is a prompt as a whole, a sampler that does not exist is forgotten, and a checkpoint
/// that a line names stays for the lines after it.
fn read_as_webui(text: &str, read: &mut Read) {
    let checkpoint = |name: &str| Some(name.to_owned());
    let file = PromptFile::parse(text, &Map::new(), Position::Start, Seeds::AsWritten, &checkpoint, &mut || -1);
    for (number, line, error) in &file.failed {
        let why = error.said();
        let message = say!(
            "all of it is drawn as the prompt, as webui does: {why}",
            "webui と同じく行全体をプロンプトとして描きます: {why}",
            with why
        );
        read.say(*number, line, code::LINE_AS_WEBUI, message);
    }
    let lines = (1..).zip(python::split_lines(text)).filter(|(_, line)| !python::strip(line).is_empty());
    for ((number, line), mut values) in lines.zip(file.jobs) {
        if let Some(Value::Object(overrides)) = values.remove("override_settings") {
            values.extend(overrides.get("sd_model_checkpoint").map(|model| ("sd_model".to_owned(), model.clone())));
        }
        if values.get("sampler_name").is_some_and(Value::is_null) {
            values.remove("sampler_name");
        }
        let values = values.iter().map(|(name, value)| (name.as_str(), value));
        read.push(number, line, &Patch::default(), values);
    }
}
