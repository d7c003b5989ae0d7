//! `lbw lora resize`: a LoRA at a lower rank.

use std::path::PathBuf;

use clap::Args;

use super::session;
use crate::app::lora::{ResizeWish, resize};
use crate::cli::args::{ModelArgs, PlaceArgs};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;

#[derive(Debug, Args)]
pub struct ResizeArgs {
    /// A LoRA file, or a name from the LoRA folders
    #[arg(value_name = "FILE|NAME")]
    lora: String,
    /// The new file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The highest rank of a module
    #[arg(long, value_name = "N", required_unless_present = "energy", value_parser = clap::value_parser!(u32).range(1..))]
    rank: Option<u32>,
    /// The share of the sum of squares of a module that stays, e.g. 0.95; each module gets the rank it needs
    #[arg(long, value_name = "SHARE")]
    energy: Option<f64>,
    /// Replace the file if it is there
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    places: PlaceArgs,
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ResizeArgs, terminal: Terminal) -> CommandResult {
    let session = session(&args.places, &args.model, false)?;
    let wish = ResizeWish {
        lora: args.lora.clone(),
        output: args.output.clone(),
        rank: args.rank.map(|rank| rank as usize),
        energy: args.energy,
        overwrite: args.overwrite,
    };
    terminal.answer(&resize(&session, &wish)?, args.json)
}
