//! `lbw batch status` and `lbw batch verify`.

use std::path::Path;

use serde_json::json;

use crate::app::batch::{state, verify};
use crate::app::{Error, ErrorKind};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;
use crate::diagnostic::{Text, code};
use crate::say;

pub fn print_state(folder: &Path, json: bool, terminal: Terminal) -> CommandResult {
    let state = state(folder)?;
    let (all, done, failed) = (state.pictures, state.done, state.failed.len());
    if json {
        return terminal.line(
            json!({ "pictures": all, "done": done, "failed": failed, "lost": state.lost, "sources": state.sources }),
        );
    }
    let sources = state.sources.join(", ");
    let said =
        say!("{done} of {all} pictures of {sources} are done", "{sources} の {all} 枚のうち {done} 枚ができています");
    terminal.sentence(&said)?;
    if let Some(lost) = lost(state.lost) {
        terminal.sentence(&lost)?;
    }
    for job in &state.failed {
        let (source, line, file) = (&job.source, job.line, &job.file);
        let why = job.error.as_deref().unwrap_or("?");
        let said = say!("failed: {source}:{line} ({file}): {why}", "失敗: {source}:{line} ({file}): {why}");
        terminal.sentence(&said)?;
    }
    Ok(())
}

/// What is said of pictures that the manifest has lost.
fn lost(pictures: usize) -> Option<Text> {
    (pictures > 0).then(|| {
        say!(
            "lost: the manifest has been cut, and {pictures} of its pictures are no longer in it",
            "欠落: manifest が途中で切れていて、{pictures} 枚分の記録がありません"
        )
    })
}

pub fn print_verified(folder: &Path, json: bool, terminal: Terminal) -> CommandResult {
    let verified = verify(folder)?;
    let all = verified.pictures;
    if let Some(lost) = lost(verified.lost).filter(|_| !json) {
        terminal.sentence(&lost)?;
    }
    for bad in &verified.bad {
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
    match verified.bad.len() + verified.lost {
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
