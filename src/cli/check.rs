//! `lbw check`: every diagnostic of prompts, prompt files and preset files.

use std::path::Path;

use serde_json::Value;

use super::args::CheckArgs;
use super::exit::{CommandResult, Exit, Failure};
use super::files::Files;
use super::modules::LoraModules;
use super::report;
use super::request::{load_presets, read_presets, read_text};
use crate::batch::parse_line;
use crate::diagnostic::{Diagnostic, Source};
use crate::infotext::{self, Infotext, looks_like_infotext};
use crate::lora::LoraIndex;
use crate::plan::{Dialect, Request, check, lower_with_files, unknown_lora};
use crate::preset::PresetSet;
use crate::say;

pub fn run(args: &CheckArgs) -> CommandResult {
    let files = Files::resolve(&args.files, None)?;
    let (presets, mut found) = load_presets(&files)?;
    let loras = LoraIndex::scan(&files.lora_dirs()?).map_err(|e| Failure::file(e.to_string()))?;
    let dialect = args.lbw_dialect.map_or(Dialect::default(), Into::into);
    let checker = Checker { presets: &presets, loras: &loras, modules: LoraModules::new(&loras), dialect };
    for input in &args.inputs {
        let path = Path::new(input);
        match path.is_file() {
            true => found.extend(checker.file(path)?),
            false => found.extend(checker.prompt(Source::new("prompt", input.as_str()))),
        }
    }
    if args.json {
        found.iter().for_each(|d| println!("{}", d.to_json(report::language())));
    } else {
        report::diagnostics(&found);
        let (errors, warnings) = count(&found);
        let summary = say!("{errors} errors, {warnings} warnings", "エラー {errors} 件、警告 {warnings} 件");
        println!("{}", report::words(&summary));
    }
    if report::refuses(&found, args.strict) {
        return Err(Failure { exit: Exit::Text, message: String::new() });
    }
    Ok(Exit::Done)
}

fn count(found: &[Diagnostic]) -> (usize, usize) {
    let of = |severity| found.iter().filter(|d| d.severity == severity).count();
    (of(crate::diagnostic::Severity::Error), of(crate::diagnostic::Severity::Warning))
}

/// What prompts are checked against.
struct Checker<'a> {
    presets: &'a PresetSet,
    loras: &'a LoraIndex,
    modules: LoraModules<'a>,
    dialect: Dialect,
}

impl Checker<'_> {
    fn file(&self, path: &Path) -> Result<Vec<Diagnostic>, Failure> {
        let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
        let is_elements = name.contains("elempresets");
        if is_elements || name.contains("lbwpresets") || name.ends_with(".yaml") || name.ends_with(".yml") {
            let (file, mut found) = read_presets(path, is_elements, self.presets)?;
            found.extend(check::preset_file(&file));
            return Ok(found);
        }
        let text = read_text(path)?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let source =
            |(number, line)| Source { first_line: number + 1, ..Source::new(path.display().to_string(), line) };
        Ok(lines.flat_map(|line| self.line(source(line))).collect())
    }

    /// A line of a prompt file: with `--` in it, webui reads it like a command line.
    fn line(&self, source: Source) -> Vec<Diagnostic> {
        if !source.text.contains("--") {
            return self.prompt(source);
        }
        // Which checkpoints there are is asked when a file is run.
        let options = match parse_line(&source.text, &|name| Some(name.to_owned())) {
            Ok(options) => options,
            Err(error) => {
                let mut found = vec![check::raw_prompt_line(&error.to_string(), &source)];
                found.extend(self.prompt(source));
                return found;
            }
        };
        let mut found = Vec::new();
        let no_sampler = options.get("sampler_name").is_some_and(Value::is_null);
        if let Some(written) = no_sampler.then(|| value_of("sampler_name", &source)).flatten() {
            found.push(check::unknown_sampler(&source.text[written.clone()], written, &source));
        }
        // Quotes are gone from a prompt, so findings point into its own text.
        let text = |key: &str| {
            let text = options.get(key).and_then(Value::as_str).unwrap_or_default();
            let name = format!("{}, --{key}", source.name);
            Source { first_line: source.first_line, ..Source::new(name, text) }
        };
        let mut request = self.request(text("prompt"));
        request.negative_prompt = text("negative_prompt");
        found.extend(self.findings(&request));
        found
    }

    fn prompt(&self, source: Source) -> Vec<Diagnostic> {
        let mut found = infotext::findings(&source);
        let mut request = self.request(source);
        if looks_like_infotext(&request.prompt.text) {
            let mut settings = request.settings.clone();
            if let Ok(pasted) = Infotext::parse(&request.prompt.text).apply(&mut settings) {
                request.prompt = Source { text: pasted.prompt.into(), ..request.prompt };
                request.negative_prompt = Source::new("negative prompt", pasted.negative_prompt);
                request.settings = settings;
            }
        }
        found.extend(self.findings(&request));
        found
    }

    fn request(&self, prompt: Source) -> Request {
        let mut request = Request { prompt, ..Request::new("", "") };
        request.settings.lbw_dialect = self.dialect;
        request
    }

    fn findings(&self, request: &Request) -> Vec<Diagnostic> {
        let names: Vec<&str> = self.loras.entries().iter().map(|e| e.name.as_str()).collect();
        let known = |name: &str| self.loras.resolve(name).is_ok();
        let mut found = unknown_lora(&request.prompt, known, names.iter().copied());
        found.extend(lower_with_files(request, self.presets, &|name| self.modules.of(name)).diagnostics);
        found
    }
}

/// Where the value of an option stands in a line, if it stands there unchanged.
fn value_of(option: &str, source: &Source) -> Option<std::ops::Range<usize>> {
    let start = source.text.rfind(&format!("--{option}"))? + option.len() + 2;
    let rest = &source.text[start..];
    let value = rest.trim_start();
    let quoted = value.strip_prefix(['"', '\'']).and_then(|inner| inner.split(['"', '\'']).next());
    let value = quoted.or(value.split_whitespace().next())?;
    let start = value.as_ptr() as usize - source.text.as_ptr() as usize;
    Some(start..start + value.len())
}
