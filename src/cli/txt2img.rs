//! `lbw txt2img`: prompt to PNG.

use super::args::{EngineArgs, FileArgs, OutputArgs, PromptArgs, Txt2img};
use super::exit::{CommandResult, Exit, Failure};
use super::{plan, render, report, request};

pub fn run(args: &Txt2img) -> CommandResult {
    draw(&args.prompt, &args.files, &args.engine, &args.output, args.dry_run)
}

/// Prompts to PNGs.
pub fn draw(
    prompt: &PromptArgs,
    files: &FileArgs,
    engine: &EngineArgs,
    output: &OutputArgs,
    dry_run: bool,
) -> CommandResult {
    let prepared = request::prepare(prompt, files)?;
    report::diagnostics(&prepared.found);
    if prepared.plans.is_empty() {
        return Err(Failure { exit: Exit::Text, message: String::new() });
    }
    if dry_run {
        prepared.plans.iter().for_each(|p| plan::print(p, &prepared.loras, output.json));
        return Ok(Exit::Done);
    }
    let seeds: Vec<String> = prepared.plans.iter().take(4).map(|p| p.settings.seed.to_string()).collect();
    if prompt.seed.is_none_or(|seed| seed < 0) {
        report::note(&format!("seed {}{}", seeds.join(", "), if prepared.plans.len() > 4 { ", …" } else { "" }));
    }
    let model = prepared.files.model()?;
    render::render(&prepared.plans, &prepared.pasted, &model, prepared.loras, prepared.embeddings, engine, output)
}
