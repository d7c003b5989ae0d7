//! `lbw batch`: prompt files to PNGs, checked before it starts and resumable at any moment.

mod args;
mod state;

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::app::batch::{Batch, could_be, draw_grid, run as draw_batch};
use crate::app::{Caller, Error, ErrorKind, Event, some_failed};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;
use crate::cli::watch::{self, Watch};
use crate::diagnostic::{Diagnostic, Text, code};
use crate::say;
pub use args::{BatchArgs, BatchCommand};
use state::{print_state, print_verified};

pub fn run(args: &BatchArgs, terminal: Terminal) -> CommandResult {
    match &args.command {
        Some(BatchCommand::Status { folder, json }) => return print_state(folder, *json, terminal),
        Some(BatchCommand::Verify { folder, json }) => return print_verified(folder, *json, terminal),
        None => {}
    }
    let (wish, json) = (args.wish(), args.json);
    let folder = args.output.clone().unwrap_or_else(|| default_folder(&args.inputs));
    could_be(&folder)?;
    if args.grid && is_remote(&folder) {
        let message =
            say!("--grid: the pictures have to lie in a folder", "--grid: 画像をフォルダーに置く場合だけ使えます");
        return Err(Error::words(code::USAGE, message).into());
    }
    let caller = Caller { patch: args.defaults.patch()?, is_default: true, strict: args.strict };
    let (session, drawer) = args.via.open(&args.places, caller, &args.engine)?;
    let mut batch = Batch::prepare(&session, &wish)?;
    let mut renderer = drawer.renderer(session.clone())?;
    batch.check_files(&mut *renderer);
    terminal.say_all(&session.found);
    batch.findings().iter().for_each(|found| terminal.say(found));
    if let Some(refusal) = batch.refusal(&wish) {
        return Err(refusal.into());
    }
    print_summary(&batch, json, terminal)?;
    if args.dry_run {
        return Ok(());
    }
    let wrong = batch.wrong_lines();
    let mut watch = Watch::new(terminal, json, if json { event_line } else { watch::file_name });
    let running = draw_batch(batch, &wish, &folder, &mut *renderer, &mut watch);
    let running = watch.end(running)?;
    let outcome = &running.outcome;
    if args.grid && outcome.failed == 0 {
        let grid = draw_grid(&folder, &running)?;
        let grid = grid.display();
        terminal.say(&note(say!("all pictures in one: {grid}", "すべての画像を一枚に: {grid}")));
    }
    let (done, there, of) = (outcome.done, outcome.were_there, running.of);
    if json {
        terminal.line(
            json!({ "event": "end", "pictures": of, "done": done, "were_there": there, "failed": outcome.failed }),
        )?;
    } else {
        let folder = folder.display();
        let there = if there > 0 {
            say!(" ({there} were there)", " (うち {there} 枚はすでにありました)")
        } else {
            Text::default()
        };
        let said = say!(
            "{done} of {of} pictures are in {folder}{there}",
            "{of} 枚のうち {done} 枚が {folder} にあります{there}",
            with there
        );
        terminal.say(&note(said));
    }
    some_failed(outcome, of)?;
    match wrong {
        0 => Ok(()),
        wrong => {
            let message = say!("{wrong} lines were wrong and not drawn", "{wrong} 行に誤りがあり、描いていません");
            Err(Error::new(ErrorKind::SomeFailed, code::SOME_FAILED, message).into())
        }
    }
}

fn note(text: Text) -> Diagnostic {
    Diagnostic::new(code::DONE, text)
}

/// Whether it is the address of something elsewhere.
fn is_remote(folder: &Path) -> bool {
    folder.to_str().is_some_and(|text| text.contains("://"))
}

/// `lbw-out/cats` for `cats.txt`, and `lbw-out/stdin` for `-`.
fn default_folder(inputs: &[PathBuf]) -> PathBuf {
    let stem = inputs.first().and_then(|p| p.file_stem()).unwrap_or_default();
    Path::new("lbw-out").join(if stem == "-" { "stdin".as_ref() } else { stem })
}

fn print_summary(batch: &Batch, json: bool, terminal: Terminal) -> CommandResult {
    let [pictures, lines, models, sets] = batch.summary();
    if json {
        return terminal.line(json!({
            "event": "planned", "pictures": pictures, "lines": lines, "checkpoints": models, "lora_sets": sets
        }));
    }
    let plural = |n: u64, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let en = format!(
        "{} from {}, {}, {} of LoRAs and weights",
        plural(pictures, "picture"),
        plural(lines, "line"),
        plural(models, "checkpoint"),
        plural(sets, "set"),
    );
    let ja = format!("{lines} 行から {pictures} 枚、チェックポイント {models} 個、LoRA と重みの組 {sets} 種類");
    terminal.say(&Diagnostic::new(code::PLANNED, Text::new(en, ja)));
    Ok(())
}

/// A finished picture as an event.
fn event_line(event: &Event<'_>) -> Option<String> {
    match event {
        Event::Done { job, kept, done, of, .. } => {
            let line = json!({
                "event": "done", "file": kept.file, "id": job.id, "line": job.name, "done": done, "of": of
            });
            Some(line.to_string())
        }
        _ => None,
    }
}
