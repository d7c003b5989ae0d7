//! Files that somebody else has made: opened without waiting for anybody, and read up to a limit.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

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

/// All bytes of a file that has no more than `most`.
pub fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        let mib = most >> 20;
        return Err(io::Error::new(ErrorKind::FileTooLarge, say!("larger than {mib} MiB", "{mib} MiB を超えています")));
    }
    Ok(bytes)
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
