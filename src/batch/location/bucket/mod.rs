//! A batch in a bucket of an object store, where nothing can be locked, extended or renamed.
//!
//! What a store can do is put an object only if there is none, or only if it is the one that was seen; and nobody ever sees half of one.
//! So each job has a small object, `.lbw/KEY`. Who puts it first draws the job, and puts it anew every few seconds while that lasts; a
//! claim that has not changed for [`Pace::lease`] is that of a dead worker, and whoever replaces it first has it. In the end it holds the
//! line that the manifest of a folder would get, and is not changed any more. Where a run begins or ends these lines go into
//! `manifest.jsonl`, and then the objects. No clocks are compared: how long a claim has not changed is measured by whoever waits.

mod claims;
mod http;
mod objects;
mod refusal;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path as Key;
use object_store::{
    Attribute, Attributes, ClientOptions, Error, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    RetryConfig, UpdateVersion,
};
use tokio::runtime::Runtime;

use self::claims::{Claimed, Claims, PACE, Pace};
use self::http::Connector;
use self::objects::Objects;
use self::refusal::told;
use super::{Held, Location, MANIFEST};
use crate::batch::job::{Job, State};
use crate::files::limits;
use crate::say;

/// A folder in a bucket.
#[derive(Debug, Clone)]
pub(super) struct Bucket(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// As people write it.
    address: String,
    objects: Objects,
    pace: Pace,
    claims: Arc<Claims>,
    known: Mutex<Known>,
    /// Dropped with the last claim.
    runtime: Runtime,
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
}

impl Bucket {
    /// `BUCKET/FOLDER` of S3, or of what speaks like it. Keys and addresses are where all its tools look for them: `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`, or what the machine of a cloud is given.
    pub(super) fn s3(rest: &str) -> io::Result<Self> {
        let (bucket, folder) = rest.split_once('/').unwrap_or((rest, ""));
        is_name(bucket, folder)?;
        let retry = RetryConfig { max_retries: 5, retry_timeout: Duration::from_secs(30), ..RetryConfig::default() };
        let settings = AmazonS3Builder::from_env();
        if let Some(address) = settings.get_config_value(&AmazonS3ConfigKey::Endpoint) {
            is_address(&address)?;
        }
        let store = settings
            .with_bucket_name(bucket)
            .with_retry(retry)
            .with_http_connector(Connector)
            // Without TLS where the address says so.
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .build()
            .map_err(told)?;
        Bucket::new(Arc::new(store), &format!("s3://{}", rest.trim_end_matches('/')), folder, PACE)
    }

    fn new(store: Arc<dyn ObjectStore>, address: &str, folder: &str, pace: Pace) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let objects = Objects::new(store, folder).map_err(told)?;
        let claims = Arc::new(Claims::new(objects.clone(), pace));
        let beating = claims.clone();
        runtime.spawn(async move { beating.beat().await });
        let address = address.to_owned();
        Ok(Bucket(Arc::new(Inner { address, objects, pace, claims, known: Mutex::default(), runtime })))
    }
}

/// What would be no key of an object, or would be another one than it looks like.
fn is_name(bucket: &str, folder: &str) -> io::Result<()> {
    let why = if bucket.is_empty() {
        say!("s3://BUCKET/FOLDER: the bucket's name is missing", "s3://バケット/フォルダー: バケット名がありません")
    } else if folder.trim_end_matches('/').split('/').any(|part| [".", ".."].contains(&part))
        || folder.trim_end_matches('/').contains("//")
        || folder.starts_with('/')
    {
        say!(
            "s3://{bucket}/{folder}: a folder in a bucket has no part that is empty, `.` or `..`",
            "s3://{bucket}/{folder}: バケット内のフォルダーには空の部分や `.`、`..` を書けません"
        )
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}

/// What would not be the address of a server.
fn is_address(address: &str) -> io::Result<()> {
    let host = ["http://", "https://"].iter().find_map(|scheme| address.strip_prefix(scheme));
    match host.is_some_and(|host| !host.is_empty() && !host.starts_with(['/', ':'])) {
        true => Ok(()),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            say!(
                "AWS_ENDPOINT_URL is `{address}`, and an address begins with http:// or https:// and a host",
                "AWS_ENDPOINT_URL が `{address}` ですが、アドレスは http:// か https:// とホスト名で始まります"
            ),
        )),
    }
}

impl Inner {
    fn wait<T>(&self, request: impl Future<Output = Result<T, Error>>) -> io::Result<T> {
        self.runtime.block_on(request).map_err(told)
    }

    fn store(&self) -> &dyn ObjectStore {
        self.objects.store()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, file: &str) -> io::Result<Key> {
        self.objects.key(file).map_err(told)
    }

    /// Claims `key`. `None`: another worker has it, or has settled the job.
    fn claim(self: &Arc<Self>, key: Key) -> io::Result<Option<HeldObject>> {
        match self.wait(self.claims.claim(&key))? {
            Claimed::Mine => Ok(Some(HeldObject { bucket: self.clone(), key })),
            Claimed::Others => Ok(None),
            Claimed::Done { picture, version, line } => {
                let mut known = self.known();
                known.files.insert(picture, version);
                known.added.extend_from_slice(&line);
                Ok(None)
            }
        }
    }
}

impl Location for Bucket {
    fn path(&self, file: &str) -> PathBuf {
        let address = &self.0.address;
        PathBuf::from(if file.is_empty() { address.clone() } else { format!("{address}/{file}") })
    }

    fn read(&self) -> io::Result<Option<(Vec<u8>, u64)>> {
        let inner = &self.0;
        let manifest = inner.key(MANIFEST)?;
        let (ours, files) = inner.wait(inner.objects.list())?;
        let found = inner.wait(inner.objects.get(&manifest, limits::MANIFEST as u64))?;
        let (lines, read) = inner.wait(inner.objects.lines(&ours))?;
        let mut known = inner.known();
        (known.files, known.read) = (files, read);
        known.added.clear();
        let Some((mut bytes, meta)) = found else {
            known.manifest = None;
            return Ok(None);
        };
        known.manifest = Some(UpdateVersion { e_tag: meta.e_tag, version: meta.version });
        bytes.extend(lines);
        // What is added is counted by the objects that it lies in.
        Ok(Some((bytes, 0)))
    }

    fn added(&self, _: &[u8], _: u64) -> io::Result<Option<Vec<u8>>> {
        let inner = &self.0;
        let now = inner.wait(inner.store().head(&inner.key(MANIFEST)?))?;
        let mut known = inner.known();
        let is_same = known.manifest.as_ref().is_some_and(|seen| seen.e_tag == now.e_tag);
        Ok(is_same.then(|| std::mem::take(&mut known.added)))
    }

    fn lock(&self) -> io::Result<Box<dyn Held>> {
        let key = self.0.objects.lock_key().map_err(told)?;
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
            Err(error) => return Err(told(error)),
        }
        let read = std::mem::take(&mut inner.known().read);
        inner.wait(inner.objects.delete(&read))
    }

    fn add(&self, job: &Job, line: &str) -> io::Result<()> {
        let inner = &self.0;
        let key = inner.objects.job_key(&job.id, &job.file).map_err(told)?;
        let put = async |key: &Key| inner.store().put(key, line.to_owned().into()).await;
        if job.state == State::Done {
            // From here on it is no claim.
            inner.runtime.block_on(inner.claims.let_go(&key));
            inner.wait(put(&key))?;
        } else {
            inner.wait(put(&inner.objects.failed_key(&job.id, &job.file).map_err(told)?))?;
        }
        inner.known().added.extend_from_slice(line.as_bytes());
        Ok(())
    }

    fn claim(&self, id: &str, file: &str) -> io::Result<Option<Box<dyn Held>>> {
        let claimed = self.0.claim(self.0.objects.job_key(id, file).map_err(told)?)?;
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
        if let Some((manifest, _)) = manifest.filter(|_| !inner.known().read.is_empty()) {
            self.replace(&manifest)?;
        }
        // The lock was put a moment ago by the clock that all dates of the store are of.
        let (ours, _) = inner.wait(inner.objects.list())?;
        let key = inner.objects.lock_key().map_err(told)?;
        let now = ours.iter().find(|meta| meta.location == key).map(|meta| meta.last_modified);
        let is_dead = |meta: &&ObjectMeta| {
            let age = now.and_then(|now| (now - meta.last_modified).to_std().ok());
            meta.location != key && age.is_some_and(|age| age > 2 * inner.pace.lease)
        };
        let claims: Vec<ObjectMeta> = ours.iter().filter(is_dead).cloned().collect();
        let (_, settled) = inner.wait(inner.objects.lines(&claims))?;
        let dead: Vec<Key> =
            claims.into_iter().map(|meta| meta.location).filter(|key| !settled.contains(key)).collect();
        inner.wait(inner.objects.delete(&dead))?;
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
            let _ = inner.wait(inner.objects.delete(std::slice::from_ref(&self.key)));
        }
    }
}

#[cfg(test)]
mod tests;
