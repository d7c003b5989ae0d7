//! `lbw bench`: how long the parts of an image take on this machine.

use clap::Args;

use crate::app::bench::{Wish, measure};
use crate::app::{Caller, Session};
use crate::cli::args::{EngineArgs, ModelArgs, PlaceArgs};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;
use crate::diagnostic::Text;
use crate::say;

#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Sizes to measure, as WIDTHxHEIGHT; several are separated by commas [default: 512x512; 128x128 with the embedded model]
    #[arg(long, value_name = "SIZES", value_delimiter = ',', value_parser = parse_size)]
    pub size: Vec<(u32, u32)>,
    /// Batches to measure: 1 is a CFG scale of 1, 2 is prompt and negative prompt, more are prompts joined by AND
    #[arg(long, value_name = "BATCHES", value_delimiter = ',', default_value = "1,2", value_parser = clap::value_parser!(u32).range(1..=16))]
    pub batch: Vec<u32>,
    /// Evaluations of the UNet per number; the median is given
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// The LoRA to merge and re-weight [default: overcooked with the embedded model, none otherwise]
    #[arg(long, value_name = "NAME")]
    pub lora: Option<String>,
    /// Leave the VAE out
    #[arg(long)]
    pub skip_vae: bool,
    /// Print one JSON object instead of the table
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub places: PlaceArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
}

pub fn run(args: &BenchArgs, terminal: Terminal) -> CommandResult {
    let session = Session::open(&args.places.places(), Caller { patch: args.model.patch()?, ..Caller::default() })?;
    let wish = Wish {
        sizes: args.size.clone(),
        batches: args.batch.clone(),
        rounds: args.rounds,
        lora: args.lora.clone(),
        skip_vae: args.skip_vae,
    };
    let report = measure(&session, &args.engine.settings()?, &wish, &mut |found| terminal.say(&found))?;
    terminal.answer(&report.answer(), args.json)
}

fn parse_size(text: &str) -> Result<(u32, u32), Text> {
    let parsed = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    parsed.ok_or_else(|| {
        say!(
            "`{text}` is not a size; write it as 512x768",
            "`{text}` は大きさではありません。512x768 のように書いてください"
        )
    })
}
