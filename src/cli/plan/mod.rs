//! `lbw plan`: what would run, block by block.

mod compare;
mod table;

use std::io::IsTerminal;

use clap::Args;

use super::args::{FileArgs, PromptArgs};
use super::exit::{CommandResult, Exit, Failure};
use super::{report, request};
use crate::diagnostic::code;
use crate::lora::LoraIndex;
use crate::plan::Plan;

#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub prompt: PromptArgs,
    #[command(flatten)]
    pub files: FileArgs,
    /// Print the plan as JSON, for `lbw run`
    #[arg(long)]
    pub json: bool,
    /// Show what differs between webui, SD.Next, Inspire and kohya's script for the LoRA tags of this prompt
    #[arg(long)]
    pub compare: bool,
}

pub fn run(args: &PlanArgs) -> CommandResult {
    let prepared = request::prepare(&args.prompt, &args.files)?;
    if args.compare {
        // What each dialect makes of the tags stands in the table.
        let of_files: Vec<_> = prepared.found.into_iter().filter(|d| d.code == code::UNKNOWN_LORA).collect();
        report::diagnostics(&of_files);
        let (presets, _) = request::load_presets(&prepared.files)?;
        for request in &prepared.requests {
            compare::print(request, &presets, &prepared.loras, args.json);
        }
        return Ok(Exit::Done);
    }
    report::diagnostics(&prepared.found);
    if prepared.plans.is_empty() {
        return Err(Failure { exit: Exit::Text, message: String::new() });
    }
    prepared.plans.iter().for_each(|plan| print(plan, &prepared.loras, args.json));
    Ok(Exit::Done)
}

/// Prints a plan as one line of JSON, or as a table with what the LoRA files hold.
pub fn print(plan: &Plan, loras: &LoraIndex, json: bool) {
    if json {
        // A plan is plain data: it can always be written.
        println!("{}", serde_json::to_string(plan).unwrap_or_default());
    } else {
        print!("{}", table::of_plan(plan, loras, bars()));
    }
}

/// How bars are drawn on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bars {
    No,
    Plain,
    Coloured,
}

fn bars() -> Bars {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    match (std::io::stdout().is_terminal(), no_colour) {
        (false, _) => Bars::No,
        (true, true) => Bars::Plain,
        (true, false) => Bars::Coloured,
    }
}
