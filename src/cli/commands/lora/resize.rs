//! `lbw lora resize`: a LoRA at a lower rank.

use std::path::PathBuf;

use clap::Args;

use super::session;
use crate::app::lora::{ResizeWish, resize};
use crate::cli::args::{ModelArgs, PlaceArgs};
use crate::cli::exit::CommandResult;
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;

#[derive(Debug, Args)]
pub struct ResizeArgs {
    #[arg(
        value_name = "FILE|NAME",
        help = tell("A LoRA file, or a name from the LoRA folders", "LoRA のファイル、または LoRA フォルダーにある名前"),
    )]
    lora: String,
    #[arg(short, long, value_name = "FILE", help = tell("The new file", "新しいファイル"))]
    output: PathBuf,
    #[arg(
        long, value_name = "N", required_unless_present = "energy", value_parser = clap::value_parser!(u32).range(1..),
        help = tell("The highest rank of a module", "モジュールのランクの上限"),
    )]
    rank: Option<u32>,
    #[arg(
        long, value_name = "SHARE",
        help = tell(
            "The share of the sum of squares of a module that stays, e.g. 0.95; each module gets the rank it needs",
            "モジュールの二乗和のうち残す割合。例: 0.95。モジュールごとに必要なランクになります"
        ),
    )]
    energy: Option<f64>,
    #[arg(long, help = tell("Replace the file if it is there", "ファイルがあれば置き換えます"))]
    overwrite: bool,
    #[arg(long, help = tell("Print the result as JSON", "結果を JSON で出力します"))]
    json: bool,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    places: PlaceArgs,
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
