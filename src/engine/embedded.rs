//! The model that is part of the program, so that everything can be tried without a download.
//!
//! It is written to the user's cache at first use and opened from there like any other file.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::diagnostic::{Said, Text};
use crate::files::{self, Existing};
use crate::say;

/// The model's name, in paths and in infotext.
pub const NAME: &str = "shapes-xl";

/// Empty in the package of crates.io, which may not be so large.
const CHECKPOINT: &[u8] = include_bytes!(env!("LBW_CHECKPOINT"));

/// LoRAs for the embedded model.
const LORAS: [(&str, &[u8]); 3] = [
    ("house", include_bytes!("../../fixtures/embedded/house.safetensors")),
    ("night", include_bytes!("../../fixtures/embedded/night.safetensors")),
    ("overcooked", include_bytes!("../../fixtures/embedded/overcooked.safetensors")),
];

/// The upscaler for what the embedded model draws.
const UPSCALER: (&str, &[u8]) = ("shapes-2x", include_bytes!("../../fixtures/embedded/shapes-2x.safetensors"));

/// Image side in pixels that the model is made for.
pub const SIZE: u32 = 128;

/// Why the embedded model could not be put into place.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
pub enum EmbeddedError {
    /// The program was built without it.
    Absent,
    /// The cache takes no file.
    Unwritable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

impl Said for EmbeddedError {
    fn said(&self) -> Text {
        match self {
            EmbeddedError::Absent => say!(
                "this lbw was built without its own model, as the package of crates.io is too small for it; name a checkpoint with --model, \
                 or install lbw from its repository",
                "この lbw には内蔵のモデルがありません (crates.io のパッケージには入りません)。--model でチェックポイントを指定するか、リポジトリから\
                 インストールしてください"
            ),
            EmbeddedError::Unwritable { path, source } => {
                let (path, source) = (path.display(), source.said());
                say!(
                    "the embedded model cannot be written to {path}: {source}; LBW_CACHE_DIR names another folder",
                    "内蔵のモデルを {path} に書き込めません: {source}。LBW_CACHE_DIR で別のフォルダーを指定できます",
                    with source
                )
            }
        }
    }
}

/// Where the embedded files are.
#[derive(Debug, Clone)]
pub struct Installed {
    /// The checkpoint's file.
    pub checkpoint: PathBuf,
    /// The folder of its LoRAs.
    pub lora_dir: PathBuf,
}

/// Puts the embedded files into `cache`, where what is as it should be stays, and says where they are.
pub fn install(cache: &Path) -> Result<Installed, EmbeddedError> {
    let dir = folder(cache);
    let lora_dir = dir.join("lora");
    if !is_built_in(CHECKPOINT) {
        return Err(EmbeddedError::Absent);
    }
    put(&dir, NAME, CHECKPOINT)?;
    LORAS.iter().try_for_each(|(name, bytes)| put(&lora_dir, name, bytes))?;
    Ok(Installed { checkpoint: dir.join(format!("{NAME}.safetensors")), lora_dir })
}

fn is_built_in(checkpoint: &[u8]) -> bool {
    !checkpoint.is_empty()
}

/// Puts the embedded upscaler into `cache` and says in which folder it is: it is of use for other models' pictures, too.
pub fn install_upscaler(cache: &Path) -> Result<PathBuf, EmbeddedError> {
    let folder = folder(cache).join("upscaler");
    put(&folder, UPSCALER.0, UPSCALER.1)?;
    Ok(folder)
}

/// The folder's name changes with what is in it, so that a newer program never meets an older one's files.
fn folder(cache: &Path) -> PathBuf {
    cache.join(folder_name())
}

fn folder_name() -> String {
    format!("{NAME}-{}", env!("LBW_EMBEDDED"))
}

/// Puts the embedded checkpoint back if that is what is at `path` and it is damaged. Whoever is about to read all of it asks for this:
/// [`install`] looks at its beginning and its length alone.
pub fn restore(path: &Path) -> Result<(), EmbeddedError> {
    let is_ours = path.file_stem().is_some_and(|stem| stem == NAME)
        && path.parent().and_then(Path::file_name).is_some_and(|folder| folder == folder_name().as_str());
    match (is_ours && !is_same(path, CHECKPOINT, usize::MAX), path.parent()) {
        (true, Some(folder)) => write(folder, path, CHECKPOINT),
        _ => Ok(()),
    }
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), EmbeddedError> {
    /// All of a LoRA, and the header of the checkpoint: this is done at every start.
    const LOOKED_AT: usize = 320 << 10;
    let path = folder.join(format!("{name}.safetensors"));
    match is_same(&path, bytes, LOOKED_AT) {
        true => Ok(()),
        false => write(folder, &path, bytes),
    }
}

/// Whether the file at `path` is as long as `bytes` and begins with the first `most` of them.
fn is_same(path: &Path, bytes: &[u8], most: usize) -> bool {
    let same = || -> std::io::Result<bool> {
        let mut file = files::open(path)?;
        if file.metadata()?.len() != bytes.len() as u64 {
            return Ok(false);
        }
        let mut piece = vec![0; 1 << 18];
        for expected in bytes[..bytes.len().min(most)].chunks(piece.len()) {
            let piece = &mut piece[..expected.len()];
            file.read_exact(piece)?;
            if piece != expected {
                return Ok(false);
            }
        }
        Ok(true)
    };
    same().unwrap_or(false)
}

fn write(folder: &Path, path: &Path, bytes: &[u8]) -> Result<(), EmbeddedError> {
    // Another process may be doing the same.
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| files::write(path, Existing::Replace, |file| file.write_all(bytes)));
    written.map_err(|source| EmbeddedError::Unwritable { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_in_the_cache_is_put_back() {
        let cache = tempfile::tempdir().unwrap();
        let Installed { checkpoint, lora_dir } = install(cache.path()).unwrap();
        let lora = lora_dir.join("house.safetensors");
        let flipped = |bytes: &[u8], at: usize| {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= 1;
            bytes
        };
        let end = CHECKPOINT.len() - 5;
        for (path, bytes) in [
            (&checkpoint, CHECKPOINT[..end].to_vec()),
            (&checkpoint, Vec::new()),
            (&checkpoint, flipped(CHECKPOINT, 9)),
            (&lora, flipped(LORAS[0].1, LORAS[0].1.len() - 1)),
        ] {
            std::fs::write(path, bytes).unwrap();
            install(cache.path()).unwrap();
            assert!(std::fs::read(path).unwrap() == if *path == lora { LORAS[0].1 } else { CHECKPOINT });
        }
        // Deep inside it is looked at when it is about to be read.
        std::fs::write(&checkpoint, flipped(CHECKPOINT, end)).unwrap();
        restore(&checkpoint).unwrap();
        assert!(std::fs::read(&checkpoint).unwrap() == CHECKPOINT);
        // Somebody else's file of the name is left alone.
        let other = cache.path().join("shapes-xl.safetensors");
        std::fs::write(&other, "mine").unwrap();
        restore(&other).unwrap();
        assert_eq!(std::fs::read(&other).unwrap(), b"mine");
    }
}
