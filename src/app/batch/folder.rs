//! Where a batch is kept, as the loop that draws sees it: a manifest of what is done, and claims on what is being drawn.

use std::path::Path;

use crate::app::draw::{self, Kept, Look, Store};
use crate::app::error::{Error, Result};
use crate::app::studio::Picture;
use crate::batch::{Held, Job, Manifest, State};
use crate::diagnostic::code;
use crate::say;

/// Pictures with a manifest and claims.
pub(super) struct Folder {
    manifest: Manifest,
    /// Whether other workers may draw here.
    is_shared: bool,
    /// The claim on the job that is being drawn.
    claimed: Option<Box<dyn Held>>,
}

impl Folder {
    pub(super) fn new(manifest: Manifest, is_shared: bool) -> Self {
        let is_shared = is_shared || manifest.location().is_always_shared();
        Folder { manifest, is_shared, claimed: None }
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
            let mut known = Job { crc32: None, error: None, host: None, version: None, ..known.clone() };
            change(&mut known);
            self.manifest.record(&known)?;
        }
        Ok(())
    }
}

impl Store for Folder {
    fn look(&mut self, job: &draw::Job) -> Result<Look> {
        let name = job.file.clone().unwrap_or_default();
        let file = self.manifest.location().path(&name);
        self.claimed = None;
        if self.manifest.is_done(&job.id, &name) {
            return Ok(Look::There(file));
        }
        let folder = self.manifest.location().path("");
        let claimed = self.manifest.location().claim(&job.id, &name).map_err(|e| self.io(&folder, &e))?;
        // It may have been finished by another worker a moment ago.
        self.manifest.refresh()?;
        if self.manifest.is_done(&job.id, &name) {
            return Ok(Look::There(file));
        }
        if claimed.is_some() {
            self.claimed = claimed;
            return Ok(Look::Draw(Some(file)));
        }
        if self.is_shared {
            return Ok(Look::Busy);
        }
        let path = folder.display();
        let message = say!("{path}: another lbw draws here", "{path}: 別の lbw がここに描いています");
        Err(Error::file(code::FOLDER_IN_USE, message)
            .help(say!("--claim shares the work", "--claim を付けると分担できます")))
    }

    fn keep(&mut self, job: &draw::Job, picture: &Picture) -> Result<Kept> {
        let bytes = picture.png()?;
        let name = job.file.clone().unwrap_or_default();
        let file = self.manifest.location().path(&name);
        let version = match &self.claimed {
            Some(claimed) => claimed.write(&name, &bytes).map_err(|e| self.io(&file, &e))?,
            None => None,
        };
        let crc32 = Some(crc32fast::hash(&bytes));
        let host = picture.host.clone();
        self.record(job, |job| {
            (job.state, job.crc32, job.host, job.version) = (State::Done, crc32, host, version);
        })?;
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
