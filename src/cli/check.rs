//! `lbw check`: every diagnostic of prompts, prompt files and preset files.

use std::path::Path;

use super::args::CheckArgs;
use super::exit::{CommandResult, Exit, Failure};
use super::files::Files;
use super::report;
use super::request::{load_presets, read_presets, read_text};
use crate::diagnostic::{Diagnostic, Source};
use crate::infotext::{Infotext, looks_like_infotext};
use crate::lora::LoraIndex;
use crate::plan::{Request, Settings, check, lower, unknown_lora};
use crate::preset::PresetSet;

pub fn run(args: &CheckArgs) -> CommandResult {
    let files = Files::resolve(&args.files, None)?;
    let (presets, mut found) = load_presets(&files)?;
    let loras = LoraIndex::scan(&files.lora_dirs()?).map_err(|e| Failure::file(e.to_string()))?;
    for input in &args.inputs {
        let path = Path::new(input);
        match path.is_file() {
            true => found.extend(check_file(path, &presets, &loras)?),
            false => found.extend(check_prompt(Source::new("prompt", input.as_str()), &presets, &loras)),
        }
    }
    if args.json {
        found.iter().for_each(|d| println!("{}", d.to_json()));
    } else {
        report::diagnostics(&found);
        let (errors, warnings) = count(&found);
        println!("{errors} errors, {warnings} warnings");
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

fn check_file(path: &Path, presets: &PresetSet, loras: &LoraIndex) -> Result<Vec<Diagnostic>, Failure> {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let is_elements = name.contains("elempresets");
    if is_elements || name.contains("lbwpresets") || name.ends_with(".yaml") || name.ends_with(".yml") {
        let (file, mut found) = read_presets(path, is_elements, presets)?;
        found.extend(check::preset_file(&file));
        return Ok(found);
    }
    let text = read_text(path)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    Ok(lines
        .flat_map(|(number, line)| {
            let source = Source { first_line: number + 1, ..Source::new(path.display().to_string(), line) };
            check_prompt(source, presets, loras)
        })
        .collect())
}

fn check_prompt(source: Source, presets: &PresetSet, loras: &LoraIndex) -> Vec<Diagnostic> {
    let mut request = Request::new("", "");
    request.prompt = source;
    if looks_like_infotext(&request.prompt.text) {
        let mut settings = Settings::default();
        if let Ok(pasted) = Infotext::parse(&request.prompt.text).apply(&mut settings) {
            request.prompt = Source { text: pasted.prompt.into(), ..request.prompt };
            request.negative_prompt = Source::new("negative prompt", pasted.negative_prompt);
            request.settings = settings;
        }
    }
    let names: Vec<&str> = loras.entries().iter().map(|e| e.name.as_str()).collect();
    let mut found = unknown_lora(&request.prompt, |name| loras.resolve(name).is_ok(), names.iter().copied());
    found.extend(lower(&request, presets).diagnostics);
    found
}
