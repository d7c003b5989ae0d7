//! `lbw lora merge`: several LoRAs with their strengths and block weights into one file.

use std::path::PathBuf;

use clap::Args;

use super::{PrecisionArg, session};
use crate::app::lora::{MergeWish, merge};
use crate::cli::args::{ModelArgs, PlaceArgs};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;

#[derive(Debug, Args)]
pub struct MergeArgs {
    /// LoRA tags as a prompt has them, e.g. "<lora:a:0.8:lbw=XLOUT> <lora:b:0.5>"
    #[arg(value_name = "TAGS")]
    tags: String,
    /// The new file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Cut every module to this rank, by singular values [default: as the ranks add up, exactly]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rank: Option<u32>,
    /// How new factors are stored
    #[arg(long, value_enum, default_value_t = PrecisionArg::F32)]
    dtype: PrecisionArg,
    /// Block weights scale the whole delta of every kind of network, also where the extension does not
    #[arg(long)]
    lbw_exact: bool,
    /// Replace the file if it is there
    #[arg(long)]
    overwrite: bool,
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

pub fn run(args: &MergeArgs, terminal: Terminal) -> CommandResult {
    let session = session(&args.places, &args.model, args.strict)?;
    let wish = MergeWish {
        tags: args.tags.clone(),
        output: args.output.clone(),
        rank: args.rank.map(|rank| rank as usize),
        precision: args.dtype.into(),
        exact: args.lbw_exact,
        overwrite: args.overwrite,
    };
    terminal.answer(&merge(&session, &wish)?, args.json)
}
