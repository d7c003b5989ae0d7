//! `lbw lora merge`: several LoRAs with their strengths and block weights into one file.

use std::path::PathBuf;

use clap::Args;

use super::{PrecisionArg, session};
use crate::app::lora::{MergeWish, merge};
use crate::cli::args::{ModelArgs, PlaceArgs};
use crate::cli::exit::CommandResult;
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;

#[derive(Debug, Args)]
pub struct MergeArgs {
    #[arg(
        value_name = "TAGS",
        help = tell(
            "LoRA tags as a prompt has them, e.g. \"<lora:a:0.8:lbw=XLOUT> <lora:b:0.5>\"",
            "プロンプトに書くような LoRA のタグ。例: \"<lora:a:0.8:lbw=XLOUT> <lora:b:0.5>\""
        ),
    )]
    tags: String,
    #[arg(short, long, value_name = "FILE", help = tell("The new file", "新しいファイル"))]
    output: PathBuf,
    #[arg(
        long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..),
        help = tell(
            "Cut every module to this rank, by singular values [default: as the ranks add up, exactly]",
            "特異値に従って各モジュールをこのランクに切り詰めます [既定: ランクを足し合わせ、正確に]"
        ),
    )]
    rank: Option<u32>,
    #[arg(
        long, value_enum, default_value_t = PrecisionArg::F32,
        help = tell("How new factors are stored", "新しい因子の保存形式"),
    )]
    dtype: PrecisionArg,
    #[arg(
        long,
        help = tell(
            "Block weights scale the whole delta of every kind of network, also where the extension does not",
            "階層別の重みを、拡張機能がそうしない種類のネットワークでも差分全体に掛けます"
        ),
    )]
    lbw_exact: bool,
    #[arg(long, help = tell("Replace the file if it is there", "ファイルがあれば置き換えます"))]
    overwrite: bool,
    #[arg(long, help = tell("Treat warnings as errors", "警告をエラーとして扱います"))]
    strict: bool,
    #[arg(long, help = tell("Print the result as JSON", "結果を JSON で出力します"))]
    json: bool,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    places: PlaceArgs,
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
