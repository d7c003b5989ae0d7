//! The folder of a batch: a manifest of what is done, and claims on what is being drawn.

use std::path::{Path, PathBuf};

use crate::app::draw::{self, Kept, Look, Store};
use crate::app::error::{Error, Result};
use crate::app::studio::Picture;
use crate::batch::{Claim, Job, Manifest, State, claim};
use crate::diagnostic::code;
use crate::say;

/// Pictures with a manifest and claims.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) manifest: Manifest,
    /// Whether other workers may draw here.
    pub(super) is_shared: bool,
    /// The claim on the job that is being drawn.
    claimed: Option<Claim>,
}

impl Folder {
    pub(super) fn new(path: &Path, manifest: Manifest, is_shared: bool) -> Self {
        Folder { path: path.to_owned(), manifest, is_shared, claimed: None }
    }

    fn io(&self, path: &Path, error: &std::io::Error) -> Error {
        Error::writing(path, error).help(say!(
            "nothing that is finished is lost, the same command goes on",
            "できあがったものは失われません。同じコマンドで続きから始まります"
        ))
    }

    /// Records a job as `change` leaves it.
    fn record(&mut self, job: &draw::Job, change: impl FnOnce(&mut Job)) -> Result<()> {
        let known = self.manifest.job(&job.id, job.file.as_deref().unwrap_or_default());
        if let Some(known) = known {
            let mut known = Job { crc32: None, error: None, host: None, ..known.clone() };
            change(&mut known);
            self.manifest.record(&known)?;
        }
        Ok(())
    }
}

impl Store for Folder {
    fn look(&mut self, job: &draw::Job) -> Result<Look> {
        let name = job.file.clone().unwrap_or_default();
        let file = self.path.join(&name);
        self.claimed = None;
        if self.manifest.is_done(&job.id, &name) {
            return Ok(Look::There(file));
        }
        let Some(claimed) = claim(&self.path, &job.id).map_err(|e| self.io(&self.path, &e))? else {
            if self.is_shared {
                return Ok(Look::Busy);
            }
            let path = self.path.display();
            let message = say!("{path}: another lbw draws here", "{path}: 別の lbw がここに描いています");
            return Err(Error::file(code::FOLDER_IN_USE, message)
                .help(say!("--claim shares the work", "--claim を付けると分担できます")));
        };
        // It may have been finished by another worker a moment ago.
        self.manifest.refresh()?;
        if self.manifest.is_done(&job.id, &name) {
            return Ok(Look::There(file));
        }
        self.claimed = Some(claimed);
        Ok(Look::Draw(Some(file)))
    }

    fn keep(&mut self, job: &draw::Job, picture: &Picture) -> Result<Kept> {
        let bytes = picture.png()?;
        let file = self.path.join(job.file.clone().unwrap_or_default());
        if let Some(claimed) = &self.claimed {
            claimed.write(&file, &bytes).map_err(|e| self.io(&file, &e))?;
        }
        let crc32 = Some(crc32fast::hash(&bytes));
        let host = picture.host.clone();
        self.record(job, |job| (job.state, job.crc32, job.host) = (State::Done, crc32, host))?;
        self.claimed = None;
        Ok(Kept { file, crc32 })
    }

    fn has(&self, job: &draw::Job) -> bool {
        self.manifest.is_done(&job.id, job.file.as_deref().unwrap_or_default())
    }

    fn failed(&mut self, job: &draw::Job, error: &Error) -> Result<()> {
        self.record(job, |job| (job.state, job.error) = (State::Failed, Some(error.message().to_string())))?;
        self.claimed = None;
        Ok(())
    }

    fn refresh(&mut self) -> Result<()> {
        Ok(self.manifest.refresh()?)
    }
}
