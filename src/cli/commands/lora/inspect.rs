//! `lbw lora inspect`: what a LoRA file is, and how large its deltas are block by block.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::app::lora::{self, inspect};
use crate::app::{self, Answer, Caller, Error, Session};
use crate::cli::args::PlaceArgs;
use crate::cli::exit::CommandResult;
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;
use crate::diagnostic::code;
use crate::say;

#[derive(Debug, Args)]
pub struct InspectArgs {
    #[arg(
        required = true, value_name = "FILE|NAME",
        help = tell("LoRA files, or names from the LoRA folders", "LoRA のファイル、または LoRA フォルダーにある名前"),
    )]
    loras: Vec<String>,
    #[arg(
        long, value_name = "FILE",
        help = tell("Write the norms of the blocks as a chart (SVG); one LoRA", "ブロックのノルムをグラフ (SVG) に書きます。LoRA は一つだけ"),
    )]
    chart: Option<PathBuf>,
    #[arg(
        long, value_name = "FILE|DIR",
        help = tell("Show what `lbw atlas` found about it; a second one is compared with the first; one LoRA",
            "`lbw atlas` の結果を添えます。二つ目は一つ目と比べます。LoRA は一つだけ"),
    )]
    atlas: Vec<PathBuf>,
    #[arg(long, help = tell("Print the result as JSON", "結果を JSON で出力します"))]
    json: bool,
    #[command(flatten)]
    places: PlaceArgs,
}

pub fn run(args: &InspectArgs, terminal: Terminal) -> CommandResult {
    if args.chart.is_some() && args.loras.len() > 1 {
        let message = say!("--chart draws one LoRA", "--chart で描けるのは LoRA 一つです");
        return Err(Error::words(code::USAGE, message).into());
    }
    if !args.atlas.is_empty() && (args.loras.len() > 1 || args.atlas.len() > 2) {
        let message =
            say!("--atlas shows one LoRA, and two atlases at most", "--atlas は LoRA 一つに、アトラスは二つまでです");
        return Err(Error::words(code::USAGE, message).into());
    }
    let (mut session, mut failed) = (None, Vec::new());
    for name in &args.loras {
        match look(name, args, &mut session) {
            Ok(answer) => terminal.answer(&answer, args.json)?,
            Err(error) => failed.push(error),
        }
    }
    Ok(Error::all(failed)?)
}

fn look(name: &str, args: &InspectArgs, session: &mut Option<Session>) -> app::Result<Answer> {
    // A file needs no folder to be looked into.
    if !Path::new(name).is_file() && session.is_none() {
        *session = Some(Session::open(&args.places.places(), Caller::default())?);
    }
    let path = session.as_ref().map_or_else(|| Ok(PathBuf::from(name)), |session| lora::find(name, session))?;
    let inspected = inspect(&path)?;
    if let Some(chart) = &args.chart {
        inspected.write_chart(chart)?;
    }
    match args.atlas.as_slice() {
        [] => Ok(inspected.answer()),
        atlases => inspected.with_atlases(atlases),
    }
}
