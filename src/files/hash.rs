//! Hashes of files.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::Existing;

/// `bytes` in lower-case hex digits, two each.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// sha256 of the file at `path` in hex; webui shows the first ten digits as "Model hash".
///
/// The file is read, not mapped: a mapping would count all of it as this process's memory.
pub fn sha256_of_file(path: &Path) -> std::io::Result<String> {
    let mut file = super::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0u8; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    Ok(hex(&hash.finalize()))
}

/// [`sha256_of_file`], remembered in the folder `cache` for as long as the file keeps its size and time.
pub fn cached_sha256(path: &Path, cache: &Path) -> std::io::Result<String> {
    let remembered = place(path, cache)?;
    if let Some(hash) = read(&remembered) {
        return Ok(hash);
    }
    let hash = sha256_of_file(path)?;
    // A cache that cannot be written costs time, nothing else.
    if let Some(folder) = remembered.parent()
        && std::fs::create_dir_all(folder).is_ok()
    {
        let _ = super::write(&remembered, Existing::Replace, |file| file.write_all(hash.as_bytes()));
    }
    Ok(hash)
}

/// What [`cached_sha256`] has remembered; the file is not read.
pub fn known_sha256(path: &Path, cache: &Path) -> Option<String> {
    read(&place(path, cache).ok()?)
}

/// Where the hash of the file as it is now is remembered.
fn place(path: &Path, cache: &Path) -> std::io::Result<PathBuf> {
    let metadata = std::fs::metadata(path)?;
    let modified = metadata.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let key = format!("{}\0{}\0{modified}", path.canonicalize()?.display(), metadata.len());
    Ok(cache.join("sha256").join(hex(&Sha256::digest(key))))
}

fn read(remembered: &Path) -> Option<String> {
    let hash = String::from_utf8(super::read(remembered, 64).ok()?).ok()?;
    (hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit())).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_remembered_until_the_file_changes() {
        let dir = tempfile::tempdir().unwrap();
        let (file, cache) = (dir.path().join("a"), dir.path().join("cache"));
        std::fs::write(&file, "abc").unwrap();
        let hash = cached_sha256(&file, &cache).unwrap();
        assert_eq!(hash, sha256_of_file(&file).unwrap());
        let remembered = std::fs::read_dir(cache.join("sha256")).unwrap().next().unwrap().unwrap().path();
        std::fs::write(&remembered, "0".repeat(64)).unwrap();
        assert_eq!(cached_sha256(&file, &cache).unwrap(), "0".repeat(64), "what is remembered is used");
        std::fs::write(&file, "other").unwrap();
        assert_eq!(cached_sha256(&file, &cache).unwrap(), sha256_of_file(&file).unwrap());
        std::fs::write(&remembered, "damaged").unwrap();
        assert_eq!(cached_sha256(&file, &cache).unwrap(), sha256_of_file(&file).unwrap());
    }
}
