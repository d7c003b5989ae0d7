//! Files that somebody else has made: opened without waiting for anybody, and read up to a limit.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek};
use std::path::Path;
use std::sync::Mutex;

use super::limits::STANDARD_INPUT;
use crate::say;

/// Opens a file that has an end: a pipe waits for somebody who writes, and a device may give bytes for ever.
pub fn open(path: &Path) -> io::Result<File> {
    // Opening a pipe is what waits.
    is_a_file(std::fs::metadata(path)?.file_type())?;
    let file = File::open(path)?;
    is_a_file(file.metadata()?.file_type())?;
    Ok(file)
}

fn is_a_file(kind: std::fs::FileType) -> io::Result<()> {
    match kind {
        _ if kind.is_file() => Ok(()),
        _ if kind.is_dir() => Err(ErrorKind::IsADirectory.into()),
        _ => Err(io::Error::new(
            ErrorKind::InvalidInput,
            say!("a pipe or a device, and not a file", "ファイルではなく、パイプかデバイスです"),
        )),
    }
}

/// Whether `-` is named, which stands for standard input.
pub fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Standard input as a file that can be read from its beginning, however often it is asked for. Only for what the caller names: a
/// name from elsewhere must not wait for a terminal.
pub fn standard_input() -> io::Result<File> {
    static KEPT: Mutex<Option<File>> = Mutex::new(None);
    let mut kept = KEPT.lock().unwrap_or_else(|e| e.into_inner());
    let file = match kept.take() {
        Some(file) => file,
        None => {
            let mut file = tempfile::tempfile()?;
            if io::copy(&mut io::stdin().lock().take(STANDARD_INPUT + 1), &mut file)? > STANDARD_INPUT {
                let mib = STANDARD_INPUT >> 20;
                let why = say!("larger than {mib} MiB", "{mib} MiB を超えています");
                return Err(io::Error::new(ErrorKind::FileTooLarge, why));
            }
            file
        }
    };
    let mut again = kept.insert(file).try_clone()?;
    again.rewind()?;
    Ok(again)
}

/// The file that the caller names, where `-` is standard input.
pub fn open_named(path: &Path) -> io::Result<File> {
    if is_standard_input(path) { standard_input() } else { open(path) }
}

/// All bytes of a file that has no more than `most`.
pub fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = open(path)?;
    // Told by its length before memory is taken for it; it may also grow while it is read.
    let is_long = file.metadata()?.len() > most as u64;
    if is_long || file.take(most as u64 + 1).read_to_end(&mut bytes)? > most {
        return Err(too_large(most));
    }
    Ok(bytes)
}

/// The error of a file of more than `most` bytes.
pub fn too_large(most: usize) -> io::Error {
    let mib = most >> 20;
    io::Error::new(ErrorKind::FileTooLarge, say!("larger than {mib} MiB", "{mib} MiB を超えています"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, [7; 100]).unwrap();
        assert_eq!(read(&path, 100).unwrap(), [7; 100]);
        assert_eq!(read(&path, 99).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert_eq!(open(folder.path()).unwrap_err().kind(), ErrorKind::IsADirectory);
        assert_eq!(open(&folder.path().join("b")).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn what_has_no_end_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [&pipe, Path::new("/dev/zero")] {
            assert_eq!(read(path, 10).unwrap_err().kind(), ErrorKind::InvalidInput, "{}", path.display());
        }
    }
}
