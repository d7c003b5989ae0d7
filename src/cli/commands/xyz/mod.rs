//! `lbw xyz`: an XYZ plot. Cells first, grids from the cells; a plot that was cut off goes on.

mod args;

use serde_json::{Value, json};

use crate::app::Error;
use crate::app::prompts::ask;
use crate::app::xyz::Prepared;
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;
use crate::cli::watch::{self, Watch};
use crate::diagnostic::{code, escaped};
use crate::say;
pub use args::XyzArgs;

pub fn run(args: &XyzArgs, terminal: Terminal) -> CommandResult {
    let (session, drawer) = args.via.open(&args.places, args.prompt.caller()?, &args.engine)?;
    let (asked, found) = ask(&session, &args.prompt.texts()?)?;
    let [asked] = asked.as_slice() else {
        let message = say!(
            "a plot has one prompt; vary it with --x \"Prompt S/R=…\"",
            "プロットのプロンプトは一つです。--x \"Prompt S/R=…\" で変えてください"
        );
        return Err(Error::words(code::STUDY, message).into());
    };
    terminal.say_all(&found);
    let mut renderer = drawer.renderer(session.clone())?;
    let mut watch = Watch::new(terminal, args.json, watch::nothing);
    let prepared = Prepared::new(&session, asked, &args.wish(), &mut *renderer, &mut watch)?;
    if args.dry_run {
        return dry_run(&prepared, args.json, terminal);
    }
    let drawn = prepared.draw(&mut *renderer, &mut watch);
    let drawn = watch.end(drawn)?;
    if !args.json {
        return drawn.grids.iter().try_for_each(|grid| terminal.line(grid.display()));
    }
    let mut line = prepared.record.clone();
    if let Value::Object(line) = &mut line {
        line.insert("folder".to_owned(), json!(prepared.folder));
        line.insert("pictures".to_owned(), json!(drawn.pictures));
        line.insert("drawn".to_owned(), json!(drawn.drawn));
    }
    terminal.line(line)
}

fn dry_run(prepared: &Prepared, json: bool, terminal: Terminal) -> CommandResult {
    if json {
        return terminal.line(&prepared.record);
    }
    let (cells, different, grids) = prepared.summary();
    let folder = prepared.folder.display();
    let said = say!(
        "{cells} cells, {different} different pictures, into {folder}",
        "{cells} マス、異なる画像 {different} 枚、出力先 {folder}"
    );
    terminal.line(terminal.words(&said))?;
    for (name, (width, height), labels) in grids {
        terminal.line(format!("{name}: {width}×{height} {}", escaped(&labels.corner)))?;
        let (columns, rows) = (escaped(&labels.columns.join(" | ")), escaped(&labels.rows.join(" | ")));
        terminal.line(format!("  {}", terminal.words(&say!("columns: {columns}", "列: {columns}"))))?;
        terminal.line(format!("  {}", terminal.words(&say!("rows: {rows}", "行: {rows}"))))?;
    }
    Ok(())
}
