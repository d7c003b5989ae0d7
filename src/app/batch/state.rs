//! How far a batch is, and whether its pictures are still there.

use std::path::Path;

use crate::app::error::Result;
use crate::batch::{Job, Manifest, State as JobState, is_inside};
use crate::diagnostic::Text;
use crate::say;

/// How far a batch is.
#[derive(Debug)]
pub struct State {
    /// The prompt files.
    pub sources: Vec<String>,
    /// All pictures.
    pub pictures: usize,
    /// Those of which the manifest has lost all that it knew.
    pub lost: usize,
    /// Those that are done.
    pub done: usize,
    /// Those that failed.
    pub failed: Vec<Job>,
}

/// A picture that is not as it should be.
#[derive(Debug)]
pub struct Bad {
    /// Its job.
    pub job: Job,
    /// What is the matter with it.
    pub what: Text,
}

/// How far the batch in `folder` is.
pub fn state(folder: &Path) -> Result<State> {
    let manifest = Manifest::read(folder)?;
    let failed = manifest.jobs().filter(|j| j.state == JobState::Failed).cloned().collect();
    Ok(State {
        sources: manifest.sources().to_vec(),
        pictures: manifest.jobs().count() + manifest.lost(),
        lost: manifest.lost(),
        done: manifest.jobs().filter(|j| j.state == JobState::Done).count(),
        failed,
    })
}

/// What became of a batch's pictures.
#[derive(Debug)]
pub struct Verified {
    /// Those that are not as they should be.
    pub bad: Vec<Bad>,
    /// Those of which the manifest has lost all that it knew.
    pub lost: usize,
    /// How many there are in all.
    pub pictures: usize,
}

/// Holds the pictures of the batch in `folder` against its manifest.
pub fn verify(folder: &Path) -> Result<Verified> {
    let manifest = Manifest::read(folder)?;
    let location = manifest.location();
    let is_intact = |job: &&Job| {
        job.state == JobState::Done && is_inside(&job.file) && location.checksum(&job.file).ok() == job.crc32
    };
    let bad = manifest.jobs().filter(|job| job.crc32.is_none() || !is_intact(job)).map(|job| {
        let what = match job.state {
            _ if !is_inside(&job.file) => say!("outside of the folder", "フォルダーの外を指しています"),
            JobState::Done if location.has(&job.file) => say!("damaged or changed", "壊れているか変更されています"),
            JobState::Done => say!("gone", "ありません"),
            JobState::Failed => say!("failed", "失敗しました"),
            JobState::Planned | JobState::Former => say!("not drawn yet", "まだ描いていません"),
        };
        Bad { job: job.clone(), what }
    });
    let lost = manifest.lost();
    Ok(Verified { bad: bad.collect(), lost, pictures: manifest.jobs().count() + lost })
}
