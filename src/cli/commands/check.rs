//! `lbw check`: every diagnostic of prompts, prompt files and preset files.

use std::sync::Arc;

use clap::Args;

use crate::app::{Caller, Error, Memory, Session, check};
use crate::cli::args::{EngineArgs, PlaceArgs, SettingsArgs};
use crate::cli::exit::CommandResult;
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;
use crate::diagnostic::Severity;
use crate::say;

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[arg(
        required = true, value_name = "PROMPT|FILE",
        help = tell(
            "Prompts, prompt files in every form that `lbw batch` reads, or preset files (.yaml, lbwpresets.txt, elempresets.txt)",
            "プロンプト、`lbw batch` が読むどの書式のファイルでも、またはプリセットのファイル (.yaml、lbwpresets.txt、elempresets.txt)"
        ),
    )]
    pub inputs: Vec<String>,
    #[arg(long, help = tell("Treat warnings as errors", "警告をエラーとして扱います"))]
    pub strict: bool,
    #[arg(long, help = tell("Print the findings as JSON", "指摘を JSON で出力します"))]
    pub json: bool,
    #[command(flatten)]
    pub settings: SettingsArgs,
    #[command(flatten)]
    pub places: PlaceArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
}

pub fn run(args: &CheckArgs, terminal: Terminal) -> CommandResult {
    let caller = Caller { patch: args.settings.patch()?, is_default: false, strict: args.strict };
    let session = Arc::new(Session::open(&args.places.places(), caller)?);
    let found = check(&session, &args.inputs, &Memory::new(&session, args.engine.settings()?))?;
    if args.json {
        found.iter().try_for_each(|d| terminal.line(d.to_json(terminal.language)))?;
    } else {
        terminal.say_all(&found);
        let count = |severity| found.iter().filter(|d| d.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let summary = say!("{errors} errors, {warnings} warnings", "エラー {errors} 件、警告 {warnings} 件");
        terminal.sentence(&summary)?;
    }
    match session.refuses(&found) {
        // Everything has been said.
        true => Err(Error { kind: Error::refused(found).kind, findings: Vec::new() }.into()),
        false => Ok(()),
    }
}
