//! `lbw lora extract`: the difference of two checkpoints as a LoRA.

use std::path::PathBuf;

use clap::Args;

use super::PrecisionArg;
use crate::app::lora::{ExtractWish, extract};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;

#[derive(Debug, Args)]
pub struct ExtractArgs {
    /// The checkpoint whose changes the LoRA shall hold
    #[arg(value_name = "TUNED")]
    tuned: PathBuf,
    /// The checkpoint it was made from
    #[arg(value_name = "BASE")]
    base: PathBuf,
    /// The new file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The rank of every module
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rank: u32,
    /// How the factors are stored
    #[arg(long, value_enum, default_value_t = PrecisionArg::F16)]
    dtype: PrecisionArg,
    /// Replace the file if it is there
    #[arg(long)]
    overwrite: bool,
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ExtractArgs, terminal: Terminal) -> CommandResult {
    let wish = ExtractWish {
        tuned: args.tuned.clone(),
        base: args.base.clone(),
        output: args.output.clone(),
        rank: args.rank as usize,
        precision: args.dtype.into(),
        overwrite: args.overwrite,
    };
    terminal.answer(&extract(&wish)?, args.json)
}
