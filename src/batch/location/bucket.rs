//! A batch in a bucket of an object store, where nothing can be locked, extended or renamed.
//!
//! What a store can do is put an object only if there is none, or only if it is the one that was seen; and nobody ever sees half of one.
//! So each job has a small object, `.lbw/KEY`. Who puts it first draws the job, and puts it anew every few seconds while that lasts; a
//! claim that has not changed for [`Pace::lease`] is that of a dead worker, and whoever replaces it first has it. In the end it holds the
//! line that the manifest of a folder would get, and is not changed any more. Where a run begins or ends these lines go into
//! `manifest.jsonl`, and then the objects. No clocks are compared: how long a claim has not changed is measured by whoever waits.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path as Key;
use object_store::{
    Attribute, Attributes, ClientOptions, Error, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    PutPayload, RetryConfig, UpdateVersion,
};
use tokio::runtime::Runtime;

use super::{Held, Location, MANIFEST};
use crate::batch::job::{Job, State};
use crate::files::limits;
use crate::say;

/// Where what is not a picture lies.
const OURS: &str = ".lbw";

/// The end of the name of what is said of a job that failed. It may go at any time, while a claim may not.
const FAILED: &str = ".failed";

/// No claim and no line of ours is longer.
const LINE: u64 = 1 << 20;

/// Requests that are under way at once.
const AT_ONCE: usize = 16;

/// How often things happen.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// So long after its last change a claim is a dead worker's.
    lease: Duration,
    /// A living one changes it so often.
    beat: Duration,
    /// And others look at it.
    look: Duration,
}

const PACE: Pace = Pace { lease: Duration::from_secs(30), beat: Duration::from_secs(6), look: Duration::from_secs(2) };

/// A folder in a bucket.
#[derive(Debug, Clone)]
pub(super) struct Bucket(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// As people write it.
    address: String,
    prefix: Key,
    pace: Pace,
    claims: Arc<Claims>,
    known: Mutex<Known>,
    /// Dropped with the last claim.
    runtime: Runtime,
}

/// What this worker has claimed.
#[derive(Debug)]
struct Claims {
    store: Arc<dyn ObjectStore>,
    /// Tells this worker from others.
    worker: u64,
    /// The versions of its claims, as it put them.
    held: tokio::sync::Mutex<HashMap<Key, UpdateVersion>>,
}

/// What was seen in the bucket.
#[derive(Debug, Default)]
struct Known {
    /// Versions of files.
    files: HashMap<Key, String>,
    manifest: Option<UpdateVersion>,
    /// Objects whose lines were read with the manifest, and which will not be needed when it has them.
    read: Vec<Key>,
    /// Lines that were seen since.
    added: Vec<u8>,
    /// Claims of others.
    others: HashMap<Key, Other>,
}

/// A claim of another worker.
#[derive(Debug)]
struct Other {
    version: Option<String>,
    unchanged_since: Instant,
    seen: Instant,
}

impl Bucket {
    /// `BUCKET/FOLDER` of S3, or of what speaks like it. Keys and addresses are where all its tools look for them: `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`, or what the machine of a cloud is given.
    pub(super) fn s3(rest: &str) -> io::Result<Self> {
        let (bucket, folder) = rest.split_once('/').unwrap_or((rest, ""));
        let retry = RetryConfig { max_retries: 5, retry_timeout: Duration::from_secs(30), ..RetryConfig::default() };
        let store = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_retry(retry)
            // Without TLS where the address says so.
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .build()?;
        Bucket::new(Arc::new(store), &format!("s3://{}", rest.trim_end_matches('/')), folder, PACE)
    }

    fn new(store: Arc<dyn ObjectStore>, address: &str, folder: &str, pace: Pace) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let worker = RandomState::new().build_hasher().finish();
        let claims = Arc::new(Claims { store, worker, held: tokio::sync::Mutex::default() });
        let beating = claims.clone();
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(pace.beat).await;
                beating.renew().await;
            }
        });
        let prefix = Key::parse(folder).map_err(Error::from)?;
        Ok(Bucket(Arc::new(Inner {
            address: address.to_owned(),
            prefix,
            pace,
            claims,
            known: Mutex::default(),
            runtime,
        })))
    }
}

impl Claims {
    /// What a claim holds: something new each time, for a store may tell versions apart by what they hold.
    fn mark(&self) -> PutPayload {
        let worker = self.worker;
        let beat = RandomState::new().build_hasher().finish();
        format!("{{\"worker\":\"{worker:016x}\",\"beat\":\"{beat:016x}\"}}\n").into()
    }

    /// Puts a claim of this worker, if `mode` lets it.
    async fn put(&self, key: &Key, mode: PutMode) -> Result<bool, Error> {
        let mut held = self.held.lock().await;
        match self.store.put_opts(key, self.mark(), PutOptions::from(mode)).await {
            Ok(put) => {
                held.insert(key.clone(), put.into());
                Ok(true)
            }
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Shows that this worker lives.
    async fn renew(&self) {
        let mut held = self.held.lock().await;
        let mut lost = Vec::new();
        for (key, version) in held.iter_mut() {
            let options = PutOptions::from(PutMode::Update(version.clone()));
            match self.store.put_opts(key, self.mark(), options).await {
                Ok(put) => *version = put.into(),
                // It was cut off for so long that others took it for dead. Its picture will be the same.
                Err(Error::Precondition { .. } | Error::NotFound { .. }) => lost.push(key.clone()),
                // The next one may get through.
                Err(_) => {}
            }
        }
        lost.iter().for_each(|key| drop(held.remove(key)));
    }

    /// Whether it was this worker's until now.
    async fn let_go(&self, key: &Key) -> bool {
        self.held.lock().await.remove(key).is_some()
    }
}

impl Inner {
    fn wait<T>(&self, request: impl Future<Output = Result<T, Error>>) -> io::Result<T> {
        self.runtime.block_on(request).map_err(|error| match error {
            Error::NotFound { path, .. } => {
                io::Error::new(ErrorKind::NotFound, say!("{path}: not found", "{path}: ありません"))
            }
            other => other.into(),
        })
    }

    fn store(&self) -> &dyn ObjectStore {
        &*self.claims.store
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, file: &str) -> io::Result<Key> {
        Key::parse(format!("{}/{file}", self.prefix)).map_err(|error| Error::from(error).into())
    }

    /// The key of a job: two jobs may make the same picture under two names.
    fn job_key(&self, id: &str, file: &str) -> io::Result<Key> {
        self.key(&format!("{OURS}/{id}-{:08x}", crc32fast::hash(file.as_bytes())))
    }

    /// Claims `key`. `None`: another worker has it, or has settled the job.
    fn claim(self: &Arc<Self>, key: Key) -> io::Result<Option<HeldObject>> {
        let pace = self.pace;
        if self.known().others.get(&key).is_some_and(|other| other.seen.elapsed() < pace.look) {
            return Ok(None);
        }
        let mine = || HeldObject { bucket: self.clone(), key: key.clone() };
        if self.wait(self.claims.put(&key, PutMode::Create))? {
            self.known().others.remove(&key);
            return Ok(Some(mine()));
        }
        let Some((bytes, meta)) = self.wait(self.get(&key, LINE))? else { return Ok(None) };
        match serde_json::from_slice::<Job>(&bytes) {
            Ok(job) => {
                let picture = self.key(&job.file)?;
                let there = match self.wait(self.store().head(&picture)) {
                    Ok(meta) => meta.e_tag,
                    Err(error) if error.kind() == ErrorKind::NotFound => None,
                    Err(error) => return Err(error),
                };
                if there.is_some() && there == job.version {
                    let mut known = self.known();
                    known.files.extend(there.map(|version| (picture, version)));
                    known.added.extend_from_slice(&bytes);
                    return Ok(None);
                }
            }
            Err(_) => {
                let mut known = self.known();
                let now = Instant::now();
                let new = Other { version: None, unchanged_since: now, seen: now };
                let other = known.others.entry(key.clone()).or_insert(new);
                if other.version != meta.e_tag {
                    (other.version, other.unchanged_since) = (meta.e_tag.clone(), now);
                }
                other.seen = now;
                if other.unchanged_since.elapsed() < pace.lease {
                    return Ok(None);
                }
            }
        }
        let seen = UpdateVersion { e_tag: meta.e_tag, version: meta.version };
        let is_mine = self.wait(self.claims.put(&key, PutMode::Update(seen)))?;
        self.known().others.remove(&key);
        Ok(is_mine.then(mine))
    }

    /// An object that is not larger than `most`, if there is one.
    async fn get(&self, key: &Key, most: u64) -> Result<Option<(Vec<u8>, ObjectMeta)>, Error> {
        let got = match self.store().get(key).await {
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

    async fn delete(&self, keys: &[Key]) -> Result<(), Error> {
        let gone = |key| async move {
            match self.store().delete(key).await {
                Err(Error::NotFound { .. }) => Ok(()),
                done => done,
            }
        };
        stream::iter(keys).map(gone).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Everything that is there: our objects, and the versions of the others.
    async fn list(&self) -> Result<(Vec<ObjectMeta>, HashMap<Key, String>), Error> {
        let all: Vec<ObjectMeta> = self.store().list(Some(&self.prefix)).try_collect().await?;
        let is_ours = |meta: &ObjectMeta| {
            meta.location
                .prefix_match(&self.prefix)
                .is_some_and(|mut parts| parts.next().is_some_and(|part| part.as_ref() == OURS))
        };
        let (ours, files): (Vec<_>, Vec<_>) = all.into_iter().partition(is_ours);
        Ok((ours, files.into_iter().map(|meta| (meta.location, meta.e_tag.unwrap_or_default())).collect()))
    }

    /// The lines that our objects hold, those of failed jobs first, which were tried before others were done; and their keys.
    async fn lines(&self, ours: &[ObjectMeta]) -> Result<(Vec<u8>, Vec<Key>), Error> {
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

impl Location for Bucket {
    fn path(&self, file: &str) -> PathBuf {
        let address = &self.0.address;
        PathBuf::from(if file.is_empty() { address.clone() } else { format!("{address}/{file}") })
    }

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let inner = &self.0;
        let manifest = inner.key(MANIFEST)?;
        let (ours, files) = inner.wait(inner.list())?;
        let found = inner.wait(inner.get(&manifest, limits::MANIFEST as u64))?;
        let (lines, read) = inner.wait(inner.lines(&ours))?;
        let mut known = inner.known();
        (known.files, known.read) = (files, read);
        known.added.clear();
        let Some((mut bytes, meta)) = found else {
            known.manifest = None;
            return Ok(None);
        };
        known.manifest = Some(UpdateVersion { e_tag: meta.e_tag, version: meta.version });
        bytes.extend(lines);
        Ok(Some(bytes))
    }

    fn added(&self, _: &[u8], _: u64) -> io::Result<Option<Vec<u8>>> {
        let inner = &self.0;
        let now = inner.wait(inner.store().head(&inner.key(MANIFEST)?))?;
        let mut known = inner.known();
        let is_same = known.manifest.as_ref().is_some_and(|seen| seen.e_tag == now.e_tag);
        Ok(is_same.then(|| std::mem::take(&mut known.added)))
    }

    fn lock(&self) -> io::Result<Box<dyn Held>> {
        let key = self.0.key(&format!("{OURS}/manifest"))?;
        loop {
            if let Some(held) = self.0.claim(key.clone())? {
                return Ok(Box::new(held));
            }
            std::thread::sleep(self.0.pace.look.min(Duration::from_millis(200)));
        }
    }

    fn replace(&self, manifest: &[u8]) -> io::Result<()> {
        let inner = &self.0;
        let seen = inner.known().manifest.clone();
        // A lock that was lost is no lock.
        let mode = seen.map_or(PutMode::Create, PutMode::Update);
        let key = inner.key(MANIFEST)?;
        let put = inner.store().put_opts(&key, manifest.to_vec().into(), PutOptions::from(mode));
        match inner.runtime.block_on(put) {
            Ok(put) => inner.known().manifest = Some(put.into()),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {
                return Err(io::Error::other(say!(
                    "another run has changed it meanwhile; start the same command again",
                    "ほかの実行が変更しました。同じコマンドをもう一度実行してください"
                )));
            }
            Err(error) => return Err(error.into()),
        }
        let read = std::mem::take(&mut inner.known().read);
        inner.wait(inner.delete(&read))
    }

    fn add(&self, job: &Job, line: &str) -> io::Result<()> {
        let inner = &self.0;
        let key = inner.job_key(&job.id, &job.file)?;
        let put = async |key: &Key| inner.store().put(key, line.to_owned().into()).await;
        if job.state == State::Done {
            // From here on it is no claim.
            inner.runtime.block_on(inner.claims.let_go(&key));
            inner.wait(put(&key))?;
        } else {
            inner.wait(put(&Key::parse(format!("{key}{FAILED}")).map_err(Error::from)?))?;
        }
        inner.known().added.extend_from_slice(line.as_bytes());
        Ok(())
    }

    fn claim(&self, id: &str, file: &str) -> io::Result<Option<Box<dyn Held>>> {
        let claimed = self.0.claim(self.0.job_key(id, file)?)?;
        Ok(claimed.map(|held| Box::new(held) as Box<dyn Held>))
    }

    /// Nobody knows whether a claim is that of a living worker before its lease has run out, so all are waited for.
    fn is_always_shared(&self) -> bool {
        true
    }

    fn has(&self, file: &str) -> bool {
        self.0.key(file).is_ok_and(|key| self.0.known().files.contains_key(&key))
    }

    fn is_as_made(&self, job: &Job) -> bool {
        let Ok(key) = self.0.key(&job.file) else { return false };
        job.version.is_some() && self.0.known().files.get(&key) == job.version.as_ref()
    }

    fn checksum(&self, file: &str) -> io::Result<u32> {
        let key = self.0.key(file)?;
        self.0.wait(async {
            let mut hasher = crc32fast::Hasher::new();
            let mut parts = self.0.store().get(&key).await?.into_stream();
            while let Some(part) = parts.try_next().await? {
                hasher.update(&part);
            }
            Ok(hasher.finalize())
        })
    }

    fn sweep(&self) -> io::Result<()> {
        let inner = &self.0;
        let lock = self.lock()?;
        let manifest = self.read()?;
        if let Some(manifest) = manifest.filter(|_| !inner.known().read.is_empty()) {
            self.replace(&manifest)?;
        }
        // The lock was put a moment ago by the clock that all dates of the store are of.
        let (ours, _) = inner.wait(inner.list())?;
        let now = ours.iter().find(|meta| meta.location.filename() == Some("manifest")).map(|meta| meta.last_modified);
        let is_dead = |meta: &&ObjectMeta| {
            let age = now.and_then(|now| (now - meta.last_modified).to_std().ok());
            meta.location.filename() != Some("manifest") && age.is_some_and(|age| age > 2 * inner.pace.lease)
        };
        let claims: Vec<ObjectMeta> = ours.iter().filter(is_dead).cloned().collect();
        let (_, settled) = inner.wait(inner.lines(&claims))?;
        let dead: Vec<Key> =
            claims.into_iter().map(|meta| meta.location).filter(|key| !settled.contains(key)).collect();
        inner.wait(inner.delete(&dead))?;
        drop(lock);
        Ok(())
    }
}

/// A claim of this worker.
#[derive(Debug)]
struct HeldObject {
    bucket: Arc<Inner>,
    key: Key,
}

impl Held for HeldObject {
    fn write(&self, file: &str, bytes: &[u8]) -> io::Result<Option<String>> {
        let inner = &self.bucket;
        let key = inner.key(file)?;
        let attributes = Attributes::from_iter([(Attribute::ContentType, "image/png")]);
        let options = PutOptions { attributes, ..PutOptions::default() };
        let put = inner.wait(inner.store().put_opts(&key, bytes.to_vec().into(), options))?;
        inner.known().files.extend(put.e_tag.clone().map(|version| (key, version)));
        Ok(put.e_tag)
    }
}

impl Drop for HeldObject {
    fn drop(&mut self) {
        let inner = &self.bucket;
        if inner.runtime.block_on(inner.claims.let_go(&self.key)) {
            // Where it cannot be deleted its lease runs out.
            let _ = inner.wait(inner.delete(std::slice::from_ref(&self.key)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use object_store::memory::InMemory;

    use super::*;
    use crate::batch::{Manifest, ManifestError};

    /// Nobody is taken for dead, and everybody is looked at.
    const CALM: Pace = Pace { lease: Duration::from_secs(3600), beat: Duration::from_millis(5), look: Duration::ZERO };

    fn worker(store: &Arc<InMemory>, pace: Pace) -> Rc<Bucket> {
        Rc::new(Bucket::new(store.clone(), "s3://bucket/night", "night", pace).unwrap())
    }

    fn job(id: &str) -> Job {
        let (file, id, source) = (format!("{id}.png"), id.to_owned(), "a.txt".to_owned());
        let state = State::Planned;
        Job { id, file, source, line: 1, seed: 1, state, crc32: None, error: None, host: None, version: None }
    }

    fn plan(location: &Rc<Bucket>, ids: &[&str]) -> Result<Manifest, ManifestError> {
        let jobs = ids.iter().map(|id| job(id)).collect();
        Manifest::plan(location.clone(), &["a.txt".to_owned()], 7, |_, _| Ok::<_, ManifestError>(jobs))
    }

    fn draw(location: &Rc<Bucket>, manifest: &mut Manifest, id: &str) {
        let held = location.claim(id, &format!("{id}.png")).unwrap().unwrap();
        let version = held.write(&format!("{id}.png"), b"picture").unwrap();
        let crc32 = Some(crc32fast::hash(b"picture"));
        manifest.record(&Job { state: State::Done, crc32, version, ..job(id) }).unwrap();
    }

    fn names(location: &Bucket) -> Vec<String> {
        let (ours, files) = location.0.wait(location.0.list()).unwrap();
        let mut names: Vec<_> =
            ours.into_iter().map(|meta| meta.location).chain(files.into_keys()).map(String::from).collect();
        names.sort();
        names
    }

    fn states(manifest: &Manifest) -> Vec<State> {
        manifest.jobs().map(|job| job.state).collect()
    }

    #[test]
    fn what_is_done_stays_done() {
        let store = Arc::new(InMemory::new());
        let location = worker(&store, CALM);
        assert!(matches!(plan(&location, &["a", "b"]), Ok(manifest) if states(&manifest) == [State::Planned; 2]));
        let mut manifest = plan(&location, &["a", "b"]).unwrap();
        draw(&location, &mut manifest, "a");
        assert!(manifest.is_done("a", "a.png") && !manifest.is_done("b", "b.png"));
        // Killed here: the line of `a` is in an object of its own.
        let again = plan(&worker(&store, CALM), &["b", "a"]).unwrap();
        assert_eq!(states(&again), [State::Planned, State::Done]);
        assert!(again.is_done("a", "a.png"));
        // The old handle finds the new manifest.
        manifest.refresh().unwrap();
        assert_eq!(states(&manifest), states(&again));
        draw(&location, &mut manifest, "b");
        location.sweep().unwrap();
        assert_eq!(names(&location), ["night/a.png", "night/b.png", "night/manifest.jsonl"]);
        let without = plan(&location, &["b"]).unwrap();
        assert_eq!(without.jobs().count(), 1);
        assert!(plan(&location, &["a"]).unwrap().is_done("a", "a.png"), "a line that comes back finds its picture");
    }

    #[test]
    fn a_picture_that_is_gone_or_another_is_drawn_again() {
        let store = Arc::new(InMemory::new());
        let location = worker(&store, CALM);
        let mut manifest = plan(&location, &["a", "b"]).unwrap();
        draw(&location, &mut manifest, "a");
        draw(&location, &mut manifest, "b");
        location.0.wait(location.0.store().put(&Key::from("night/a.png"), "other".into())).unwrap();
        location.0.wait(location.0.store().delete(&Key::from("night/b.png"))).unwrap();
        let location = worker(&store, CALM);
        let mut manifest = plan(&location, &["a", "b"]).unwrap();
        assert!(!manifest.is_done("a", "a.png") && !manifest.is_done("b", "b.png"));
        assert!(location.has("a.png") && !location.has("b.png"));
        draw(&location, &mut manifest, "a");
        draw(&location, &mut manifest, "b");
        assert!(manifest.is_done("a", "a.png") && location.checksum("a.png").ok() == Some(crc32fast::hash(b"picture")));
    }

    #[test]
    fn one_worker_at_a_time_and_the_others_learn_of_it() {
        let store = Arc::new(InMemory::new());
        let (one, two) = (worker(&store, CALM), worker(&store, CALM));
        let mut mine = plan(&one, &["a", "b"]).unwrap();
        let mut theirs = plan(&two, &["a", "b"]).unwrap();
        mine.refresh().unwrap();
        let held = one.claim("a", "a.png").unwrap().unwrap();
        assert!(two.claim("a", "a.png").unwrap().is_none());
        drop(held);
        drop(two.claim("a", "a.png").unwrap().unwrap());
        draw(&one, &mut mine, "a");
        assert!(two.claim("a", "a.png").unwrap().is_none());
        theirs.refresh().unwrap();
        assert!(theirs.is_done("a", "a.png"));
        // What failed may be tried by anybody, and what is said of it goes when it is done.
        let held = one.claim("b", "b.png").unwrap().unwrap();
        mine.record(&Job { state: State::Failed, error: Some("why".to_owned()), ..job("b") }).unwrap();
        drop(held);
        assert_eq!(states(&plan(&worker(&store, CALM), &["a", "b"]).unwrap()), [State::Done, State::Planned]);
        theirs.refresh().unwrap();
        draw(&two, &mut theirs, "b");
        two.sweep().unwrap();
        // A worker that knows nothing of that yet gets a claim, and sees then that there is nothing to do.
        let late = one.claim("b", "b.png").unwrap();
        mine.refresh().unwrap();
        assert!(late.is_some() && mine.is_done("b", "b.png"));
        drop(late);
        assert_eq!(names(&one), ["night/a.png", "night/b.png", "night/manifest.jsonl"]);
    }

    #[test]
    fn the_claim_of_a_dead_worker_is_taken_over() {
        let store = Arc::new(InMemory::new());
        let living = worker(&store, CALM);
        let key = living.0.job_key("a", "a.png").unwrap();
        let held = living.claim("a", "a.png").unwrap().unwrap();
        let version = || living.0.wait(living.0.store().head(&key)).unwrap().e_tag;
        let first = version();
        while version() == first {
            std::thread::yield_now();
        }
        // It dies: what it held stays, and changes no more.
        std::mem::forget(held);
        living.0.runtime.block_on(living.0.claims.let_go(&key));
        let eager = worker(&store, Pace { lease: Duration::ZERO, ..CALM });
        let patient = worker(&store, CALM);
        assert!(patient.claim("a", "a.png").unwrap().is_none());
        let taken = eager.claim("a", "a.png").unwrap();
        assert!(taken.is_some());
        assert!(patient.claim("a", "a.png").unwrap().is_none());
        drop(taken);
        assert!(patient.claim("a", "a.png").unwrap().is_some());
    }

    #[test]
    fn a_manifest_is_not_written_over_another() {
        let store = Arc::new(InMemory::new());
        let (one, two) = (worker(&store, CALM), worker(&store, CALM));
        assert!(one.read().unwrap().is_none() && two.read().unwrap().is_none());
        one.replace(b"one").unwrap();
        assert!(two.replace(b"two").unwrap_err().to_string().contains("start the same command again"));
        assert_eq!(two.read().unwrap().unwrap(), b"one");
        two.replace(b"two").unwrap();
        assert!(one.replace(b"one again").is_err());
    }
}
