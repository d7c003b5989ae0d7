//! Where a batch is kept, by one worker or by several at once: a folder, or a bucket of an object store.

#[cfg(feature = "cloud")]
mod bucket;
mod folder;

use std::fmt::Debug;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::job::Job;
use crate::diagnostic::Text;
use crate::say;

/// The name of the manifest.
pub(super) const MANIFEST: &str = "manifest.jsonl";

/// A place for pictures and the manifest that says what is done of them.
pub trait Location: Debug {
    /// What people call the file `file` in it.
    fn path(&self, file: &str) -> PathBuf;

    /// The lines of the manifest that may be some of its own, after them those added since it was written, and how many bytes its whole lines
    /// take; `None` where there is none.
    fn read(&self) -> io::Result<Option<(Vec<u8>, u64)>>;

    /// What was added after the first `read` bytes of the manifest that begins with `header`; `None` if another one is there now.
    fn added(&self, header: &[u8], read: u64) -> io::Result<Option<Vec<u8>>>;

    /// Waits until nobody else writes the manifest anew.
    fn lock(&self) -> io::Result<Box<dyn Held>>;

    /// Writes the manifest anew, under the lock, whole or not at all.
    fn replace(&self, manifest: &[u8]) -> io::Result<()>;

    /// Adds the line that says what became of `job`.
    fn add(&self, job: &Job, line: &str) -> io::Result<()>;

    /// The right to draw the picture `id` as `file`. `None`: another worker has it, or has just done it.
    ///
    /// Whoever gets it must look once more whether the job is done: it may have been when the other one let go.
    fn claim(&self, id: &str, file: &str) -> io::Result<Option<Box<dyn Held>>>;

    /// Whether workers share it even if nobody asked for that.
    fn is_always_shared(&self) -> bool {
        false
    }

    /// Whether there is something under this name.
    fn has(&self, file: &str) -> bool;

    /// Whether the picture of `job` is as it was made, as far as that is told without effort.
    fn is_as_made(&self, job: &Job) -> bool;

    /// CRC-32 of the bytes that are there.
    fn checksum(&self, file: &str) -> io::Result<u32>;

    /// Removes what dead workers have left, and nothing that a living one holds.
    fn sweep(&self) -> io::Result<()>;
}

/// A right that nobody else has until it is dropped.
pub trait Held: Debug {
    /// Writes `bytes` as `file`, whole or not at all; what the location calls this version of it, if it tells versions apart.
    fn write(&self, file: &str, bytes: &[u8]) -> io::Result<Option<String>>;
}

/// The location that `path` names: a folder, or a bucket as `s3://bucket/folder`.
pub fn location(path: &Path) -> io::Result<Rc<dyn Location>> {
    let Some((scheme, rest)) = path.to_str().and_then(|text| text.split_once("://")) else {
        // A slash too few, and not a folder of this name.
        if let Some(rest) = path.to_str().and_then(|text| text.strip_prefix("s3:")) {
            let (path, rest) = (path.display(), rest.trim_start_matches('/'));
            return Err(unsupported(say!(
                "{path}: a bucket is written s3://{rest}",
                "{path}: バケットは s3://{rest} と書きます"
            )));
        }
        return Ok(Rc::new(folder::Folder::new(path)));
    };
    match scheme {
        #[cfg(feature = "cloud")]
        "s3" => Ok(Rc::new(bucket::Bucket::s3(rest)?)),
        #[cfg(not(feature = "cloud"))]
        "s3" => Err(unsupported(say!(
            "s3://{rest}: this lbw was built without object stores; build it with `--features cloud`, or choose a folder",
            "s3://{rest}: この lbw はオブジェクトストレージなしでビルドされています。`--features cloud` でビルドするか、フォルダーを指定してください"
        ))),
        _ => Err(unsupported(say!(
            "{scheme}://{rest}: pictures go into a folder, or into a bucket as s3://BUCKET/FOLDER",
            "{scheme}://{rest}: 出力先はフォルダーか s3://バケット/フォルダー です"
        ))),
    }
}

fn unsupported(why: Text) -> io::Error {
    io::Error::new(ErrorKind::Unsupported, why)
}
