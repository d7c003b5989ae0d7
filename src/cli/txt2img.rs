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
        prepared.plans.iter().for_each(|p| plan::print(p, args.output.json));
        return Ok(Exit::Done);
    }
    for plan in prepared.plans.iter().filter(|_| args.prompt.seed.is_none_or(|s| s < 0)).take(1) {
        report::note(&format!("seed {}", plan.settings.seed));
    }
    render::render(&prepared.plans, &prepared.files.model, prepared.loras, &args.engine, &args.output)
}
