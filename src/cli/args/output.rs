//! Where results go.

use std::path::PathBuf;

use clap::Args;

use crate::cli::language::tell;

/// Where results go.
#[derive(Debug, Clone, Args)]
pub struct OutputArgs {
    #[arg(short, long, value_name = "FILE|DIR",
        help = tell("A PNG file, or a folder for numbered files; nothing is overwritten [default: lbw-out/NNNNN-SEED.png]",
            "PNG ファイル、または番号付きファイルのフォルダー。上書きはしません [既定: lbw-out/NNNNN-SEED.png]"))]
    pub output: Option<PathBuf>,
    #[arg(long, help = tell("Print one line of JSON per image and no progress", "画像ごとに JSON を 1 行出力し、進捗は出しません"))]
    pub json: bool,
}
