//! `lbw lora diff`: what differs between two LoRAs, block by block.

use clap::Args;

use super::session;
use crate::app::lora::diff;
use crate::cli::args::{ModelArgs, PlaceArgs};
use crate::cli::exit::CommandResult;
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;

#[derive(Debug, Args)]
pub struct DiffArgs {
    #[arg(
        value_name = "A",
        help = tell("A LoRA file, or a name from the LoRA folders", "LoRA のファイル、または LoRA フォルダーにある名前"),
    )]
    a: String,
    #[arg(value_name = "B", help = tell("The other one", "もう一つの LoRA"))]
    b: String,
    #[arg(long, help = tell("Print the result as JSON", "結果を JSON で出力します"))]
    json: bool,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    places: PlaceArgs,
}

pub fn run(args: &DiffArgs, terminal: Terminal) -> CommandResult {
    let session = session(&args.places, &args.model, false)?;
    terminal.answer(&diff(&session, &args.a, &args.b)?, args.json)
}
