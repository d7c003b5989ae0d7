//! `lbw txt2img`: prompt to PNG.

use super::args::Txt2img;
use super::exit::{CommandResult, Exit, Failure};
use super::{plan, render, report, request};

pub fn run(args: &Txt2img) -> CommandResult {
    let prepared = request::prepare(&args.prompt, &args.files)?;
    report::diagnostics(&prepared.found);
    if prepared.plans.is_empty() {
        return Err(Failure { exit: Exit::Text, message: String::new() });
    }
    if args.dry_run {
        prepared.plans.iter().for_each(|p| plan::print(p, &prepared.loras, args.output.json));
        return Ok(Exit::Done);
    }
    let seeds: Vec<String> = prepared.plans.iter().take(4).map(|p| p.settings.seed.to_string()).collect();
    if args.prompt.seed.is_none_or(|seed| seed < 0) {
        report::note(&format!("seed {}{}", seeds.join(", "), if prepared.plans.len() > 4 { ", …" } else { "" }));
    }
    let model = prepared.files.model()?;
    render::render(&prepared.plans, &model, prepared.loras, prepared.embeddings, &args.engine, &args.output)
}
