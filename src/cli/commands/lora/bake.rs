//! `lbw lora bake`: block weights, element rules and strengths of a tag, written into a new LoRA file.

use std::path::PathBuf;

use clap::Args;

use super::session;
use crate::app::lora::{BakeWish, bake};
use crate::cli::args::{ModelArgs, PlaceArgs};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;

#[derive(Debug, Args)]
pub struct BakeArgs {
    /// A LoRA tag as a prompt has it, e.g. "<lora:NAME:0.8:lbw=XLOUT>"
    #[arg(value_name = "TAG")]
    tag: String,
    /// The new file; nothing is overwritten
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    places: PlaceArgs,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
    #[arg(long)]
    json: bool,
}

pub fn run(args: &BakeArgs, terminal: Terminal) -> CommandResult {
    let session = session(&args.places, &args.model, args.strict)?;
    let wish = BakeWish { tag: args.tag.clone(), output: args.output.clone() };
    terminal.answer(&bake(&session, &wish)?, args.json)
}
