//! What lies in a folder of a bucket.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path as Key;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::batch::job::{Job, State};
use crate::say;

/// Where what is not a picture lies.
const OURS: &str = ".lbw";

/// The end of the name of what is said of a job that failed. It may go at any time, while a claim may not.
const FAILED: &str = ".failed";

/// The name of the claim under which the manifest is written.
const LOCK: &str = "manifest";

/// No claim and no line of ours is longer.
pub(super) const LINE: u64 = 1 << 20;

/// Requests that are under way at once.
const AT_ONCE: usize = 16;

/// A folder in a bucket.
#[derive(Debug, Clone)]
pub(super) struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
}

impl Objects {
    pub(super) fn new(store: Arc<dyn ObjectStore>, folder: &str) -> Result<Self, Error> {
        Ok(Objects { store, prefix: Key::parse(folder)? })
    }

    pub(super) fn store(&self) -> &dyn ObjectStore {
        &*self.store
    }

    pub(super) fn key(&self, file: &str) -> Result<Key, Error> {
        Ok(Key::parse(format!("{}/{file}", self.prefix))?)
    }

    /// The key of a job: two jobs may make the same picture under two names.
    pub(super) fn job_key(&self, id: &str, file: &str) -> Result<Key, Error> {
        self.key(&format!("{OURS}/{id}-{:08x}", crc32fast::hash(file.as_bytes())))
    }

    /// The key of what is said of a job that failed.
    pub(super) fn failed_key(&self, id: &str, file: &str) -> Result<Key, Error> {
        Ok(Key::parse(format!("{}{FAILED}", self.job_key(id, file)?))?)
    }

    /// The key of the lock of the manifest.
    pub(super) fn lock_key(&self) -> Result<Key, Error> {
        self.key(&format!("{OURS}/{LOCK}"))
    }

    /// An object that is not larger than `most`, if there is one.
    pub(super) async fn get(&self, key: &Key, most: u64) -> Result<Option<(Vec<u8>, ObjectMeta)>, Error> {
        let got = match self.store.get(key).await {
            Ok(got) => got,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let meta = got.meta.clone();
        if meta.size > most {
            let mib = most >> 20;
            let why = say!("{key}: larger than {mib} MiB", "{key}: {mib} MiB を超えています");
            return Err(Error::Generic { store: "S3", source: Box::new(io::Error::new(ErrorKind::FileTooLarge, why)) });
        }
        Ok(Some((got.bytes().await?.to_vec(), meta)))
    }

    /// The version of an object, if there is one.
    pub(super) async fn version(&self, key: &Key) -> Result<Option<String>, Error> {
        match self.store.head(key).await {
            Ok(meta) => Ok(meta.e_tag),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn delete(&self, keys: &[Key]) -> Result<(), Error> {
        let gone = |key| async move {
            match self.store.delete(key).await {
                Err(Error::NotFound { .. }) => Ok(()),
                done => done,
            }
        };
        stream::iter(keys).map(gone).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Everything that is there: our objects, and the versions of the others.
    pub(super) async fn list(&self) -> Result<(Vec<ObjectMeta>, HashMap<Key, String>), Error> {
        let all: Vec<ObjectMeta> = self.store.list(Some(&self.prefix)).try_collect().await?;
        let is_ours = |meta: &ObjectMeta| {
            meta.location
                .prefix_match(&self.prefix)
                .is_some_and(|mut parts| parts.next().is_some_and(|part| part.as_ref() == OURS))
        };
        let (ours, files): (Vec<_>, Vec<_>) = all.into_iter().partition(is_ours);
        Ok((ours, files.into_iter().map(|meta| (meta.location, meta.e_tag.unwrap_or_default())).collect()))
    }

    /// The lines that our objects hold, those of failed jobs first, which were tried before others were done; and their keys.
    pub(super) async fn lines(&self, ours: &[ObjectMeta]) -> Result<(Vec<u8>, Vec<Key>), Error> {
        let gets = ours.iter().filter(|meta| meta.size <= LINE).map(|meta| self.get(&meta.location, LINE));
        let got: Vec<_> = stream::iter(gets).buffered(AT_ONCE).try_collect().await?;
        let mut jobs: Vec<_> = got
            .into_iter()
            .flatten()
            .filter_map(|(bytes, meta)| {
                serde_json::from_slice::<Job>(&bytes).ok().map(|job| (job.state == State::Done, bytes, meta))
            })
            .collect();
        jobs.sort_by_key(|(is_done, ..)| *is_done);
        let keys = jobs.iter().map(|(.., meta)| meta.location.clone()).collect();
        Ok((jobs.into_iter().flat_map(|(_, bytes, _)| bytes).collect(), keys))
    }
}
