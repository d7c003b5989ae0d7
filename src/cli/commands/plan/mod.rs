//! `lbw plan`: what would run, block by block.

mod compare;
mod table;

use std::io::IsTerminal;
use std::sync::Arc;

use clap::Args;

use super::txt2img::{ask, plan_all};
use crate::app::{self, Session};
use crate::cli::args::{PlaceArgs, PromptArgs};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;
use crate::diagnostic::code;
use crate::lora::LoraIndex;
use crate::plan::Plan;

#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Print the plan as JSON, for `lbw run`
    #[arg(long)]
    pub json: bool,
    /// Show what differs between webui, SD.Next, Inspire and kohya's script for the LoRA tags of this prompt
    #[arg(long)]
    pub compare: bool,
    #[command(flatten)]
    pub prompt: PromptArgs,
    #[command(flatten)]
    pub places: PlaceArgs,
}

pub fn run(args: &PlanArgs, terminal: Terminal) -> CommandResult {
    let session = Arc::new(Session::open(&args.places.places(), args.prompt.caller()?)?);
    let (asked, found) = ask(&session, &args.prompt)?;
    if args.compare {
        for asked in &asked {
            // What each dialect makes of the tags stands in the table.
            let found = session.plan(asked).1;
            let of_files: Vec<_> = found.into_iter().filter(|d| d.code == code::UNKNOWN_LORA).collect();
            terminal.say_all(&of_files);
            compare::print(&asked.request, &session, args.json, terminal)?;
        }
        return Ok(());
    }
    let (plans, found) = plan_all(&session, &asked, found)?;
    terminal.say_all(&found);
    plans.iter().try_for_each(|(plan, _)| print(plan, &session.loras, args.json, terminal))
}

/// Prints a plan as one line of JSON, or as a table with what the LoRA files hold.
pub fn print(plan: &Plan, loras: &LoraIndex, json: bool, terminal: Terminal) -> CommandResult {
    match json {
        true => terminal.line(app::json(plan)),
        false => terminal.print(&table::of_plan(plan, loras, bars(), terminal)),
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
