//! `lbw batch status` and `lbw batch verify`.

use std::path::Path;

use serde_json::json;

use crate::batch::{Job, Manifest, ManifestError, State};
use crate::cli::exit::{CommandResult, Exit, Failure};

pub fn status(folder: &Path, json: bool) -> CommandResult {
    let manifest = Manifest::read(folder).map_err(failure)?;
    let count = |state: State| manifest.jobs().filter(|j| j.state == state).count();
    let (all, done, failed) = (manifest.jobs().count(), count(State::Done), count(State::Failed));
    if json {
        println!("{}", json!({ "pictures": all, "done": done, "failed": failed, "sources": manifest.sources() }));
        return Ok(Exit::Done);
    }
    println!("{done} of {all} pictures of {} are done", manifest.sources().join(", "));
    for job in manifest.jobs().filter(|j| j.state == State::Failed) {
        println!(
            "failed: {}:{} ({}): {}",
            job.source,
            job.line,
            job.file,
            job.error.as_deref().unwrap_or("no reason is known")
        );
    }
    Ok(Exit::Done)
}

pub fn verify(folder: &Path, json: bool) -> CommandResult {
    let manifest = Manifest::read(folder).map_err(failure)?;
    let bad: Vec<(&Job, &str)> = manifest
        .jobs()
        .filter(|job| !manifest.is_done(&job.id, &job.file))
        .map(|job| match (job.state, folder.join(&job.file).exists()) {
            (State::Done, true) => (job, "damaged or changed"),
            (State::Done, false) => (job, "gone"),
            (State::Failed, _) => (job, "failed"),
            (State::Planned | State::Former, _) => (job, "not drawn yet"),
        })
        .collect();
    for (job, what) in &bad {
        match json {
            true => println!("{}", json!({ "file": job.file, "source": job.source, "line": job.line, "is": what })),
            false => println!("{what}: {} ({}:{})", job.file, job.source, job.line),
        }
    }
    match (bad.len(), manifest.jobs().count()) {
        (0, all) => {
            if !json {
                println!("all {all} pictures are there and as they were made");
            }
            Ok(Exit::Done)
        }
        (bad, all) => {
            let message =
                format!("{bad} of {all} pictures are missing or damaged; the same `lbw batch` draws them again");
            Err(Failure { exit: Exit::SomeFailed, message })
        }
    }
}

pub fn failure(error: ManifestError) -> Failure {
    Failure::file(error.to_string())
}
