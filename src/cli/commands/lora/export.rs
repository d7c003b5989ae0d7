//! `lbw lora export`: a tag in the form another program takes.

use clap::Args;

use crate::app::lora::diffusers_scales;
use crate::app::{Caller, Session};
use crate::cli::args::PlaceArgs;
use crate::cli::exit::CommandResult;
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;

#[derive(Debug, Args)]
pub struct ExportArgs {
    #[arg(
        value_name = "TAG",
        help = tell(
            "A LoRA tag as a prompt has it, e.g. \"<lora:NAME:0.8:lbw=XLOUT>\"",
            "プロンプトに書くような LoRA のタグ。例: \"<lora:名前:0.8:lbw=XLOUT>\""
        ),
    )]
    tag: String,
    #[arg(
        long, required = true,
        help = tell("Scales for diffusers' set_adapters, as JSON", "diffusers の set_adapters 用のスケールを JSON で出力します"),
    )]
    diffusers_scales: bool,
    #[arg(long, help = tell("Treat warnings as errors", "警告をエラーとして扱います"))]
    strict: bool,
    #[command(flatten)]
    places: PlaceArgs,
}

pub fn run(args: &ExportArgs, terminal: Terminal) -> CommandResult {
    let session = Session::open(&args.places.places(), Caller { strict: args.strict, ..Caller::default() })?;
    terminal.answer(&diffusers_scales(&session, &args.tag)?, false)
}
