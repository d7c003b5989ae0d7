//! `lbw lora export`: a tag in the form another program takes.

use clap::Args;

use crate::app::lora::diffusers_scales;
use crate::app::{Caller, Session};
use crate::cli::args::PlaceArgs;
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// A LoRA tag as a prompt has it, e.g. "<lora:NAME:0.8:lbw=XLOUT>"
    #[arg(value_name = "TAG")]
    tag: String,
    /// Scales for diffusers' set_adapters, as JSON
    #[arg(long, required = true)]
    diffusers_scales: bool,
    #[command(flatten)]
    places: PlaceArgs,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
}

pub fn run(args: &ExportArgs, terminal: Terminal) -> CommandResult {
    let session = Session::open(&args.places.places(), Caller { strict: args.strict, ..Caller::default() })?;
    terminal.answer(&diffusers_scales(&session, &args.tag)?, false)
}
