//! `lbw lora diff`: what differs between two LoRAs, block by block.

use clap::Args;

use super::session;
use crate::app::lora::diff;
use crate::cli::args::{ModelArgs, PlaceArgs};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A LoRA file, or a name from the LoRA folders
    #[arg(value_name = "A")]
    a: String,
    /// The other one
    #[arg(value_name = "B")]
    b: String,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    places: PlaceArgs,
    #[arg(long)]
    json: bool,
}

pub fn run(args: &DiffArgs, terminal: Terminal) -> CommandResult {
    let session = session(&args.places, &args.model, false)?;
    terminal.answer(&diff(&session, &args.a, &args.b)?, args.json)
}
