//! `lbw lora bake`: block weights, element rules and strengths of a tag, written into a new LoRA file.

use std::path::PathBuf;

use clap::Args;

use super::session;
use crate::app::lora::{BakeWish, bake};
use crate::cli::args::{ModelArgs, PlaceArgs};
use crate::cli::exit::CommandResult;
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;

#[derive(Debug, Args)]
pub struct BakeArgs {
    #[arg(
        value_name = "TAG",
        help = tell(
            "A LoRA tag as a prompt has it, e.g. \"<lora:NAME:0.8:lbw=XLOUT>\"",
            "プロンプトに書くような LoRA のタグ。例: \"<lora:名前:0.8:lbw=XLOUT>\""
        ),
    )]
    tag: String,
    #[arg(short, long, value_name = "FILE", help = tell("The new file; nothing is overwritten", "新しいファイル。上書きはしません"))]
    output: PathBuf,
    #[arg(long, help = tell("Treat warnings as errors", "警告をエラーとして扱います"))]
    strict: bool,
    #[arg(long, help = tell("Print the result as JSON", "結果を JSON で出力します"))]
    json: bool,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    places: PlaceArgs,
}

pub fn run(args: &BakeArgs, terminal: Terminal) -> CommandResult {
    let session = session(&args.places, &args.model, args.strict)?;
    let wish = BakeWish { tag: args.tag.clone(), output: args.output.clone() };
    terminal.answer(&bake(&session, &wish)?, args.json)
}
