//! Claims: one worker at a time draws a job, and a dead worker's job is free at once.
//!
//! A claim is a locked file. The system releases the lock of a process that ends, however it ends, so there is no lease that
//! has to run out; on network file systems the server does the same for machines that are gone. The picture is written
//! under the claim and then renamed, so nobody ever sees half of one, and what a dead worker left is written over.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::say;

/// The folder of claims inside the output folder. It is gone when nobody is at work.
const FOLDER: &str = ".claims";

/// The right to draw one job, until it is dropped.
#[derive(Debug)]
pub struct Claim {
    _locked: File,
    path: PathBuf,
}

/// Claims the job `id` of the batch in `folder`. `None`: another worker has it.
///
/// Whoever gets a claim must look once more whether the job is done: it may have been when the other one let go.
pub fn claim(folder: &Path, id: &str) -> io::Result<Option<Claim>> {
    get(folder, id, |file| match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(e)) => Err(e),
    })
}

/// Waits until nobody else holds the claim `id`.
pub(super) fn wait_for(folder: &Path, id: &str) -> io::Result<Claim> {
    let held = get(folder, id, |file| file.lock().map(|()| true))?;
    held.ok_or_else(|| ErrorKind::WouldBlock.into())
}

/// The claim `id`, if `lock` gets the lock of its file.
fn get(folder: &Path, id: &str, lock: impl Fn(&File) -> io::Result<bool>) -> io::Result<Option<Claim>> {
    let claims = folder.join(FOLDER);
    let path = claims.join(id);
    loop {
        match std::fs::create_dir_all(&claims) {
            // Another worker finished and removed the folder while this one looked at it.
            Err(e) if e.kind() == ErrorKind::AlreadyExists && is_free(&claims, Metadata::is_dir)? => continue,
            Err(e) if e.kind() == ErrorKind::AlreadyExists => return Err(foreign(&claims)),
            created => created?,
        }
        if !is_free(&path, Metadata::is_file)? {
            return Err(foreign(&path));
        }
        // Opened for writing: that is what locks of network file systems ask for.
        let file = match OpenOptions::new().create(true).append(true).open(&path) {
            Ok(file) => file,
            // Removed in between, likewise.
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(e) => return Err(e),
        };
        match lock(&file)? {
            false => return Ok(None),
            // Another worker let go after the file was opened here, and took it away: this is the lock of nothing.
            true if !is_at(&file, &path) => {}
            true => return Ok(Some(Claim { _locked: file, path })),
        }
    }
}

/// Whether there is nothing at `path`, or what is ours. A link leads outside of the folder, and a pipe waits for somebody.
fn is_free(path: &Path, is_ours: impl Fn(&Metadata) -> bool) -> io::Result<bool> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) => Ok(is_ours(&metadata)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(true),
        Err(e) => Err(e),
    }
}

fn foreign(path: &Path) -> io::Error {
    let path = path.display();
    io::Error::new(
        ErrorKind::AlreadyExists,
        say!(
            "{path} is a link, a pipe or a folder, where lbw keeps files of its own; remove it",
            "{path} がリンクかパイプかフォルダーです。lbw が自分のファイルを置く場所なので、取り除いてください"
        ),
    )
}

/// Whether `file` is still the one that `path` names.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// Elsewhere a file that is open keeps its name.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

/// Removes what dead workers have left, and nothing that a living one holds.
pub fn sweep(folder: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder.join(FOLDER)) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    for entry in entries {
        let name = entry?.file_name();
        if let Some(id) = Path::new(&name).file_stem().and_then(|stem| stem.to_str()) {
            // A claim that is dropped takes its files with it.
            drop(claim(folder, id)?);
        }
    }
    Ok(())
}

impl Claim {
    /// Writes `bytes` to `target`, whole or not at all, and brings them to the disk.
    pub fn write(&self, target: &Path, bytes: &[u8]) -> io::Result<()> {
        let part = self.part();
        let written = (|| {
            if let Some(parent) = target.parent() {
                std::fs::create_dir_all(parent)?;
            }
            let mut file = new_file(&part)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&part, target)
        })();
        if written.is_err() {
            let _ = std::fs::remove_file(&part);
        }
        written
    }

    fn part(&self) -> PathBuf {
        self.path.with_extension("part")
    }
}

/// A file of nobody else: what lies there is removed, and a link is not followed.
pub(super) fn new_file(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => OpenOptions::new().write(true).create_new(true).open(path),
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Still under the lock: whoever opened this file already finds that it is no longer there, and begins anew.
        let _ = std::fs::remove_file(self.part());
        let _ = std::fs::remove_file(&self.path);
        if let Some(folder) = self.path.parent() {
            let _ = std::fs::remove_dir(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = claim(dir.path(), "a").unwrap().unwrap();
        assert!(claim(dir.path(), "a").unwrap().is_none());
        let other = claim(dir.path(), "b").unwrap().unwrap();
        first.write(&dir.path().join("sub/x.png"), b"picture").unwrap();
        drop(first);
        assert!(claim(dir.path(), "a").unwrap().is_some());
        drop(other);
        assert_eq!(std::fs::read(dir.path().join("sub/x.png")).unwrap(), b"picture");
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["sub"], "nothing else is left");
    }

    /// A claim whose file is opened just before it is let go must not be had twice.
    #[test]
    fn a_claim_is_never_had_by_two() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let dir = tempfile::tempdir().unwrap();
        let holders = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        if let Some(held) = claim(dir.path(), "a").unwrap() {
                            assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                            std::thread::yield_now();
                            holders.fetch_sub(1, Ordering::SeqCst);
                            drop(held);
                        }
                    }
                });
            }
        });
        assert!(!dir.path().join(FOLDER).exists());
    }

    #[test]
    fn what_a_dead_worker_left_is_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(FOLDER)).unwrap();
        std::fs::write(dir.path().join(FOLDER).join("a"), "").unwrap();
        std::fs::write(dir.path().join(FOLDER).join("a.part"), "half a pict").unwrap();
        std::fs::write(dir.path().join(FOLDER).join("b.part"), "half").unwrap();
        claim(dir.path(), "a").unwrap().unwrap().write(&dir.path().join("x.png"), b"whole").unwrap();
        assert_eq!(std::fs::read(dir.path().join("x.png")).unwrap(), b"whole");
        sweep(dir.path()).unwrap();
        assert!(!dir.path().join(FOLDER).exists());
    }

    /// Linux makes a lock on NFS one of fcntl: it wants a file that is open for writing, and knows nothing of folders.
    #[cfg(target_os = "linux")]
    #[test]
    fn locks_are_those_that_network_file_systems_have() {
        use std::os::fd::AsRawFd;
        let dir = tempfile::tempdir().unwrap();
        let locked = std::cell::Cell::new(0);
        let lock_of_nfs = |file: &File| {
            let about = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd()))?;
            let flags = about.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
            let access = u32::from_str_radix(flags.trim(), 8).unwrap() & 3;
            if access == 0 || !file.metadata()?.is_file() {
                return Err(io::Error::from_raw_os_error(9));
            }
            locked.set(locked.get() + 1);
            Ok(file.try_lock().is_ok())
        };
        let manifest = get(dir.path(), "manifest", lock_of_nfs).unwrap().unwrap();
        assert!(get(dir.path(), "manifest", lock_of_nfs).unwrap().is_none());
        assert!(get(dir.path(), "a", lock_of_nfs).unwrap().is_some());
        drop(manifest);
        assert!(get(dir.path(), "manifest", lock_of_nfs).unwrap().is_some());
        assert_eq!(locked.get(), 4);
    }

    /// A folder that others may write to may hold anything under the names of ours.
    #[cfg(unix)]
    #[test]
    fn links_and_pipes_are_not_followed_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let claims = dir.path().join(FOLDER);
        let pipe = |path: &Path| assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
        let refused = |what: &str| {
            let error = claim(dir.path(), "a").unwrap_err();
            assert!(error.to_string().contains("remove it"), "{what}: {error}");
            assert!(wait_for(dir.path(), "a").is_err(), "{what}");
        };
        std::os::unix::fs::symlink("nowhere", &claims).unwrap();
        refused("a link to nothing");
        std::fs::remove_file(&claims).unwrap();
        pipe(&claims);
        refused("a pipe");
        std::fs::remove_file(&claims).unwrap();
        std::fs::create_dir(&claims).unwrap();
        pipe(&claims.join("a"));
        refused("a pipe inside");
        std::fs::remove_file(claims.join("a")).unwrap();
        let victim = dir.path().join("victim");
        std::os::unix::fs::symlink(&victim, claims.join("a")).unwrap();
        refused("a link inside");
        assert!(!victim.exists());
        std::fs::remove_file(claims.join("a")).unwrap();
        // What is written goes beside a link, and not through it.
        std::fs::write(&victim, "mine").unwrap();
        std::os::unix::fs::symlink(&victim, claims.join("a.part")).unwrap();
        claim(dir.path(), "a").unwrap().unwrap().write(&dir.path().join("x.png"), b"picture").unwrap();
        assert_eq!(std::fs::read(&victim).unwrap(), b"mine");
        assert_eq!(std::fs::read(dir.path().join("x.png")).unwrap(), b"picture");
    }
}
