//! `lbw lora extract`: the difference of two checkpoints as a LoRA.

use std::path::PathBuf;

use clap::Args;

use super::PrecisionArg;
use crate::app::lora::{ExtractWish, extract};
use crate::cli::exit::CommandResult;
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;

#[derive(Debug, Args)]
pub struct ExtractArgs {
    #[arg(
        value_name = "TUNED",
        help = tell("The checkpoint whose changes the LoRA shall hold", "変化を LoRA にしたいチェックポイント"),
    )]
    tuned: PathBuf,
    #[arg(value_name = "BASE", help = tell("The checkpoint it was made from", "その元になったチェックポイント"))]
    base: PathBuf,
    #[arg(short, long, value_name = "FILE", help = tell("The new file", "新しいファイル"))]
    output: PathBuf,
    #[arg(
        long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..),
        help = tell("The rank of every module", "各モジュールのランク"),
    )]
    rank: u32,
    #[arg(long, value_enum, default_value_t = PrecisionArg::F16, help = tell("How the factors are stored", "因子の保存形式"))]
    dtype: PrecisionArg,
    #[arg(long, help = tell("Replace the file if it is there", "ファイルがあれば置き換えます"))]
    overwrite: bool,
    #[arg(long, help = tell("Print the result as JSON", "結果を JSON で出力します"))]
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
