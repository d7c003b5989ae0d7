//! `lbw batch status` and `lbw batch verify`.

use std::path::Path;

use serde_json::json;

use crate::app::batch::{state, verify};
use crate::app::{Error, ErrorKind};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;
use crate::diagnostic::code;
use crate::say;

pub fn print_state(folder: &Path, json: bool, terminal: Terminal) -> CommandResult {
    let state = state(folder)?;
    let (all, done, failed) = (state.pictures, state.done, state.failed.len());
    if json {
        return terminal.line(json!({ "pictures": all, "done": done, "failed": failed, "sources": state.sources }));
    }
    let sources = state.sources.join(", ");
    let said =
        say!("{done} of {all} pictures of {sources} are done", "{sources} の {all} 枚のうち {done} 枚ができています");
    terminal.sentence(&said)?;
    for job in &state.failed {
        let (source, line, file) = (&job.source, job.line, &job.file);
        let why = job.error.as_deref().unwrap_or("?");
        let said = say!("failed: {source}:{line} ({file}): {why}", "失敗: {source}:{line} ({file}): {why}");
        terminal.sentence(&said)?;
    }
    Ok(())
}

pub fn print_verified(folder: &Path, json: bool, terminal: Terminal) -> CommandResult {
    let (bad, all) = verify(folder)?;
    for bad in &bad {
        let (job, what) = (&bad.job, &bad.what);
        match json {
            true => {
                terminal.line(json!({ "file": job.file, "source": job.source, "line": job.line, "is": &*bad.what }))?
            }
            false => {
                let (file, source, line) = (&job.file, &job.source, job.line);
                terminal.sentence(
                    &say!("{what}: {file} ({source}:{line})", "{what}: {file} ({source}:{line})", with what),
                )?
            }
        }
    }
    match bad.len() {
        0 if json => Ok(()),
        0 => {
            let said = say!(
                "all {all} pictures are there and as they were made",
                "{all} 枚すべてがあり、作られたときのままです"
            );
            terminal.sentence(&said)
        }
        bad => {
            let message = say!(
                "{bad} of {all} pictures are missing or damaged; the same `lbw batch` draws them again",
                "{all} 枚のうち {bad} 枚がないか壊れています。同じ `lbw batch` で描き直せます"
            );
            Err(Error::new(ErrorKind::SomeFailed, code::SOME_FAILED, message).into())
        }
    }
}
