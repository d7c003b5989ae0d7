//! A batch in a folder: claims are locks, and lines are added to the manifest.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{Held, Location, MANIFEST};
use crate::batch::claim::{Claim, claim, new_file, sweep, wait_for};
use crate::batch::job::Job;
use crate::files::{self, limits};

/// A folder of a file system that may be shared.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Folder(path.to_owned())
    }

    fn held(&self, claim: Claim) -> Box<dyn Held> {
        Box::new(HeldFile { claim, folder: self.0.clone() })
    }

    /// The lock under which the manifest is written: a claim like those on jobs, whose names are numbers.
    fn manifest_lock(&self) -> io::Result<Claim> {
        wait_for(&self.0, "manifest")
    }
}

#[derive(Debug)]
struct HeldFile {
    claim: Claim,
    folder: PathBuf,
}

impl Held for HeldFile {
    fn write(&self, file: &str, bytes: &[u8]) -> io::Result<Option<String>> {
        self.claim.write(&self.folder.join(file), bytes).map(|()| None)
    }
}

impl Location for Folder {
    fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    fn read(&self) -> io::Result<Option<(Vec<u8>, u64)>> {
        let file = match files::open(&self.path(MANIFEST)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if file.metadata()?.len() > limits::MANIFEST as u64 {
            return Err(files::too_large(limits::MANIFEST));
        }
        let mut file = BufReader::new(file.take(limits::MANIFEST as u64));
        let (mut lines, mut line, mut read, mut whole) = (Vec::new(), Vec::new(), 0, 0);
        loop {
            line.clear();
            let mut count = file.by_ref().take(limits::JOB as u64).read_until(b'\n', &mut line)? as u64;
            if count == limits::JOB as u64 && !line.ends_with(b"\n") {
                // No line of ours is so long; and what does not begin as a manifest is not read to its end.
                let skipped = if read == 0 { 0 } else { file.skip_until(b'\n')? as u64 };
                count += skipped;
                line.clear();
            }
            let is_first = read == 0;
            if count == 0 || is_first && !line.starts_with(b"{") {
                return Ok(Some((lines, whole)));
            }
            read += count;
            if line.is_empty() || line.ends_with(b"\n") {
                whole = read;
            }
            if line.starts_with(b"{") {
                lines.extend_from_slice(&line);
            }
        }
    }

    fn added(&self, header: &[u8], read: u64) -> io::Result<Option<Vec<u8>>> {
        let mut file = BufReader::new(files::open(&self.path(MANIFEST))?);
        let is_long = file.get_ref().metadata()?.len() > limits::MANIFEST as u64;
        let mut first = Vec::new();
        file.by_ref().take(header.len() as u64).read_to_end(&mut first)?;
        if is_long || first != header {
            return Ok(None);
        }
        file.seek(SeekFrom::Start(read))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn lock(&self) -> io::Result<Box<dyn Held>> {
        std::fs::create_dir_all(&self.0)?;
        Ok(self.held(self.manifest_lock()?))
    }

    /// The temporary file has one name: what a killed worker left is written over.
    fn replace(&self, manifest: &[u8]) -> io::Result<()> {
        let path = self.path(MANIFEST);
        let part = path.with_extension("part");
        let mut file = new_file(&part)?;
        let written =
            file.write_all(manifest).and_then(|()| file.sync_all()).and_then(|()| std::fs::rename(&part, path));
        if written.is_err() {
            let _ = std::fs::remove_file(&part);
        }
        written
    }

    fn add(&self, _: &Job, line: &str) -> io::Result<()> {
        let _lock = self.manifest_lock()?;
        let mut file = OpenOptions::new().read(true).append(true).open(self.path(MANIFEST))?;
        // A line that was cut short by a killed worker gets its end, so that this one stands alone.
        let end = if ends_with_line(&mut file)? { "" } else { "\n" };
        file.write_all(format!("{end}{line}").as_bytes())?;
        file.sync_data()
    }

    fn claim(&self, id: &str, _: &str) -> io::Result<Option<Box<dyn Held>>> {
        Ok(claim(&self.0, id)?.map(|claim| self.held(claim)))
    }

    fn has(&self, file: &str) -> bool {
        self.path(file).exists()
    }

    fn is_as_made(&self, job: &Job) -> bool {
        self.checksum(&job.file).ok() == job.crc32
    }

    fn checksum(&self, file: &str) -> io::Result<u32> {
        let mut hasher = crc32fast::Hasher::new();
        let mut file = files::open(&self.path(file))?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(hasher.finalize()),
                n => hasher.update(&buffer[..n]),
            }
        }
    }

    fn sweep(&self) -> io::Result<()> {
        sweep(&self.0)
    }
}

fn ends_with_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
