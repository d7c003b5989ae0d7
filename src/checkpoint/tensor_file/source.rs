//! Where the bytes of a tensor file are read from.
//!
//! Files on disk are read piece by piece and never mapped: a file that somebody cuts short or writes over while a program has it
//! mapped ends that program with a signal, and one that is read gives an error.

use std::borrow::Cow;
use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// A file on disk, or bytes in memory.
pub(super) enum Source {
    Disk(OnDisk),
    Memory(Vec<u8>),
}

/// An open file, and what it was when it was opened.
pub(super) struct OnDisk {
    file: File,
    length: usize,
    modified: Option<SystemTime>,
    /// Why a piece could not be read, for readers that only learn that it is not there.
    failure: Mutex<Option<ReadError>>,
}

/// Why bytes that were there when the file was opened cannot be read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// Somebody has written to the file.
    Changed,
    Io(io::Error),
}

impl Source {
    /// Opens the file at `path`. Nothing is read yet.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let length = usize::try_from(metadata.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let (modified, failure) = (metadata.modified().ok(), Mutex::default());
        Ok(Source::Disk(OnDisk { file, length, modified, failure }))
    }

    /// In bytes.
    pub fn len(&self) -> usize {
        match self {
            Source::Disk(disk) => disk.length,
            Source::Memory(bytes) => bytes.len(),
        }
    }

    /// The bytes at `range`; `None` where the source ends before, or where they cannot be read: [`Source::failure`].
    pub fn get(&self, range: Range<usize>) -> Option<Cow<'_, [u8]>> {
        match self {
            Source::Memory(bytes) => bytes.get(range).map(Cow::Borrowed),
            Source::Disk(disk) => match disk.read(range.clone()) {
                Ok(bytes) => Some(Cow::Owned(bytes)),
                Err(_) if range.start > range.end || range.end > disk.length => None,
                Err(error) => {
                    *disk.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    None
                }
            },
        }
    }

    /// As many of the first `length` bytes as there are.
    pub fn start(&self, length: usize) -> Cow<'_, [u8]> {
        self.get(0..length.min(self.len())).unwrap_or_default()
    }

    /// The bytes at `range`, which was looked at when the source was opened.
    pub fn read(&self, range: Range<usize>) -> Result<Cow<'_, [u8]>, ReadError> {
        match self {
            Source::Memory(bytes) => bytes.get(range).map(Cow::Borrowed).ok_or(ReadError::Changed),
            Source::Disk(disk) => disk.read(range).map(Cow::Owned),
        }
    }

    /// Whether the file is another one than when it was opened.
    pub fn is_changed(&self) -> bool {
        match self {
            Source::Disk(disk) => disk.file.metadata().map_or(true, |now| !disk.is_the_same(&now)),
            Source::Memory(_) => false,
        }
    }

    /// Why [`Source::get`] had nothing to give, if that was not the source's end.
    pub fn failure(&self) -> Option<ReadError> {
        match self {
            Source::Disk(disk) => disk.failure.lock().unwrap_or_else(PoisonError::into_inner).take(),
            Source::Memory(_) => None,
        }
    }
}

impl OnDisk {
    fn read(&self, range: Range<usize>) -> Result<Vec<u8>, ReadError> {
        // Bounds before allocation.
        if range.start > range.end || range.end > self.length {
            return Err(ReadError::Changed);
        }
        let mut bytes = Vec::with_capacity(range.len());
        while bytes.len() < range.len() {
            let at = range.start + bytes.len();
            match read_at(&self.file, &mut bytes, range.end - at, at as u64) {
                Ok(0) => return Err(ReadError::Changed),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::Io(error)),
            }
        }
        bytes.truncate(range.len());
        // Asked last, so that what was written while the bytes were read is noticed as well.
        match self.is_the_same(&self.file.metadata().map_err(ReadError::Io)?) {
            true => Ok(bytes),
            false => Err(ReadError::Changed),
        }
    }

    fn is_the_same(&self, now: &Metadata) -> bool {
        now.len() == self.length as u64 && now.modified().ok() == self.modified
    }
}

/// Appends at most `length` bytes of `file` from `at` to `bytes`, within its capacity; how many.
#[cfg(unix)]
fn read_at(file: &File, bytes: &mut Vec<u8>, length: usize, at: u64) -> io::Result<usize> {
    debug_assert!(bytes.capacity() - bytes.len() >= length);
    Ok(rustix::io::pread(file, rustix::buffer::spare_capacity(bytes), at)?.min(length))
}

#[cfg(windows)]
fn read_at(file: &File, bytes: &mut Vec<u8>, length: usize, at: u64) -> io::Result<usize> {
    use std::os::windows::fs::FileExt;
    let had = bytes.len();
    bytes.resize(had + length, 0);
    let read = file.seek_read(&mut bytes[had..], at);
    bytes.truncate(had + *read.as_ref().unwrap_or(&0));
    read
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use super::*;

    fn file(folder: &Path) -> (std::path::PathBuf, Source) {
        let path = folder.join("file");
        std::fs::write(&path, (0..=255).collect::<Vec<u8>>()).unwrap();
        let source = Source::open(&path).unwrap();
        (path, source)
    }

    #[test]
    fn pieces_are_those_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (_, source) = file(folder.path());
        assert_eq!((source.len(), &*source.read(3..6).unwrap()), (256, &[3, 4, 5][..]));
        assert_eq!(&*source.start(2), [0, 1]);
        assert_eq!(source.start(1 << 30).len(), 256);
        assert!(source.get(250..257).is_none() && source.failure().is_none());
        #[expect(clippy::reversed_empty_ranges, reason = "what a broken header may ask for")]
        let backwards = source.get(9..3);
        assert!(backwards.is_none());
    }

    #[test]
    fn a_file_that_changes_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let (path, source) = file(folder.path());
        let writer = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        writer.set_len(10).unwrap();
        assert!(matches!(source.read(0..20), Err(ReadError::Changed)));
        assert!(source.get(0..20).is_none() && matches!(source.failure(), Some(ReadError::Changed)));
        // What is still there is of another file.
        assert!(matches!(source.read(0..4), Err(ReadError::Changed)));

        let (path, source) = file(folder.path());
        let mut writer = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        writer.seek(SeekFrom::Start(5)).unwrap();
        writer.write_all(b"x").unwrap();
        writer.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert!(matches!(source.read(0..4), Err(ReadError::Changed)));

        // A file that is put in its place leaves the open one as it is.
        let (path, source) = file(folder.path());
        std::fs::write(folder.path().join("new"), b"new").unwrap();
        std::fs::rename(folder.path().join("new"), &path).unwrap();
        assert_eq!(&*source.read(254..256).unwrap(), [254, 255]);
    }
}
