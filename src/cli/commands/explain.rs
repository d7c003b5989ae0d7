//! `lbw explain`: what a diagnostic code means.

use clap::Args;

use crate::app::Error;
use crate::cli::exit::CommandResult;
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;
use crate::diagnostic::code::{self, ALL, Code};
use crate::say;

#[derive(Debug, Args)]
pub struct ExplainArgs {
    #[arg(help = tell("A code such as W0203; without one, all codes are listed", "W0203 のようなコード。省くとすべてのコードを一覧します"))]
    pub code: Option<String>,
}

pub fn run(args: &ExplainArgs, terminal: Terminal) -> CommandResult {
    let language = terminal.language;
    let Some(id) = &args.code else {
        return ALL.iter().try_for_each(|code| terminal.line(format!("{}  {}", code.id, code.title(language))));
    };
    let code = Code::find(id).ok_or_else(|| {
        let message = say!(
            "there is no diagnostic `{id}`; `lbw explain` lists all",
            "診断 `{id}` はありません。`lbw explain` で一覧を表示します"
        );
        Error::words(code::USAGE, message)
    })?;
    terminal.line(format!("{}: {}\n\n{}", code.id, code.title(language), code.explanation(language)))
}
