//! `lbw analyze`: the Effective Block Analyzer.

mod args;

use crate::app::Error;
use crate::app::analyze::analyze;
use crate::app::prompts::ask;
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;
use crate::cli::watch::{self, Watch};
use crate::diagnostic::{code, escaped};
use crate::say;
pub use args::AnalyzeArgs;

pub fn run(args: &AnalyzeArgs, terminal: Terminal) -> CommandResult {
    let (session, drawer) = args.via.open(&args.places, args.prompt.caller()?, &args.engine)?;
    let (mut asked, found) = ask(&session, &args.prompt.texts()?)?;
    let one = asked.pop().filter(|_| asked.is_empty());
    let Some(asked) = one else {
        let message = say!(
            "several prompts: an analysis has one prompt; use --seeds for more pictures",
            "プロンプトが複数あります。分析のプロンプトは一つです。枚数を増やすには --seeds を使います"
        );
        return Err(Error::words(code::STUDY, message).into());
    };
    terminal.say_all(&found);
    let mut renderer = drawer.renderer(session.clone())?;
    let mut watch = Watch::new(terminal, args.json, watch::nothing);
    let analyzed = analyze(session, asked, &args.wish(terminal.language), &mut *renderer, &mut watch);
    let analyzed = watch.end(analyzed)?;
    if args.json {
        return terminal.line(serde_json::to_string(&analyzed.report).unwrap_or_default());
    }
    terminal.print(&escaped(&analyzed.report.table(terminal.columns())))?;
    analyzed.report.paragraphs().iter().try_for_each(|paragraph| terminal.paragraph(paragraph))?;
    terminal.line(analyzed.page.display())
}
