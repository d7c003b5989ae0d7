//! Who draws what in a bucket: objects that one worker at a time has put.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use object_store::path::Path as Key;
use object_store::{Error, PutMode, PutOptions, PutPayload, UpdateVersion};

use super::objects::{LINE, Objects};
use crate::batch::job::Job;

/// How often things happen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// So long after its last change a claim is a dead worker's.
    pub(super) lease: Duration,
    /// A living one changes it so often.
    pub(super) beat: Duration,
    /// And others look at it.
    pub(super) look: Duration,
}

pub(super) const PACE: Pace =
    Pace { lease: Duration::from_secs(30), beat: Duration::from_secs(6), look: Duration::from_secs(2) };

/// What came of asking for a claim.
#[derive(Debug)]
pub(super) enum Claimed {
    Mine,
    /// Another worker has it.
    Others,
    /// Another worker has drawn the picture: where it is, its version, and the line that says so.
    Done {
        picture: Key,
        version: String,
        line: Vec<u8>,
    },
}

/// What this worker has claimed, and what it has seen of the claims of others.
#[derive(Debug)]
pub(super) struct Claims {
    objects: Objects,
    pace: Pace,
    /// Tells this worker from others.
    worker: u64,
    /// The versions of its claims, as it put them.
    held: tokio::sync::Mutex<HashMap<Key, UpdateVersion>>,
    others: Mutex<HashMap<Key, Other>>,
}

/// A claim of another worker.
#[derive(Debug)]
struct Other {
    version: Option<String>,
    unchanged_since: Instant,
    seen: Instant,
}

impl Claims {
    pub(super) fn new(objects: Objects, pace: Pace) -> Self {
        let worker = RandomState::new().build_hasher().finish();
        Claims { objects, pace, worker, held: tokio::sync::Mutex::default(), others: Mutex::default() }
    }

    /// Claims `key`.
    pub(super) async fn claim(&self, key: &Key) -> Result<Claimed, Error> {
        if self.others().get(key).is_some_and(|other| other.seen.elapsed() < self.pace.look) {
            return Ok(Claimed::Others);
        }
        if self.put(key, PutMode::Create).await? {
            self.others().remove(key);
            return Ok(Claimed::Mine);
        }
        let Some((bytes, meta)) = self.objects.get(key, LINE).await? else { return Ok(Claimed::Others) };
        if let Ok(job) = serde_json::from_slice::<Job>(&bytes) {
            let picture = self.objects.key(&job.file)?;
            let there = self.objects.version(&picture).await?;
            if let Some(version) = there.filter(|there| job.version.as_ref() == Some(there)) {
                return Ok(Claimed::Done { picture, version, line: bytes });
            }
        } else if self.is_alive(key, meta.e_tag.as_ref()) {
            return Ok(Claimed::Others);
        }
        let seen = UpdateVersion { e_tag: meta.e_tag, version: meta.version };
        let is_mine = self.put(key, PutMode::Update(seen)).await?;
        self.others().remove(key);
        Ok(if is_mine { Claimed::Mine } else { Claimed::Others })
    }

    /// Shows for as long as it is waited for that this worker lives.
    pub(super) async fn beat(&self) {
        loop {
            tokio::time::sleep(self.pace.beat).await;
            self.renew().await;
        }
    }

    /// Whether it was this worker's until now.
    pub(super) async fn let_go(&self, key: &Key) -> bool {
        self.held.lock().await.remove(key).is_some()
    }

    fn others(&self) -> MutexGuard<'_, HashMap<Key, Other>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the claim of another worker, which has this version now, has changed lately.
    fn is_alive(&self, key: &Key, version: Option<&String>) -> bool {
        let mut others = self.others();
        let now = Instant::now();
        let new = Other { version: None, unchanged_since: now, seen: now };
        let other = others.entry(key.clone()).or_insert(new);
        if other.version.as_ref() != version {
            (other.version, other.unchanged_since) = (version.cloned(), now);
        }
        other.seen = now;
        other.unchanged_since.elapsed() < self.pace.lease
    }

    /// What a claim holds: something new each time, for a store may tell versions apart by what they hold.
    fn mark(&self) -> PutPayload {
        let worker = self.worker;
        let beat = RandomState::new().build_hasher().finish();
        format!("{{\"worker\":\"{worker:016x}\",\"beat\":\"{beat:016x}\"}}\n").into()
    }

    /// Puts a claim of this worker, if `mode` lets it.
    async fn put(&self, key: &Key, mode: PutMode) -> Result<bool, Error> {
        let is_new = matches!(mode, PutMode::Create);
        let mut held = self.held.lock().await;
        match self.objects.store().put_opts(key, self.mark(), PutOptions::from(mode)).await {
            Ok(put) => {
                held.insert(key.clone(), put.into());
                Ok(true)
            }
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
            // The claim is gone. Of a new one it says that there is no such bucket.
            Err(Error::NotFound { .. }) if !is_new => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn renew(&self) {
        let mut held = self.held.lock().await;
        let mut lost = Vec::new();
        for (key, version) in held.iter_mut() {
            let options = PutOptions::from(PutMode::Update(version.clone()));
            match self.objects.store().put_opts(key, self.mark(), options).await {
                Ok(put) => *version = put.into(),
                // It was cut off for so long that others took it for dead. Its picture will be the same.
                Err(Error::Precondition { .. } | Error::NotFound { .. }) => lost.push(key.clone()),
                // The next one may get through.
                Err(_) => {}
            }
        }
        lost.iter().for_each(|key| drop(held.remove(key)));
    }
}
