//! The model that is part of the program, so that everything can be tried without a download.
//!
//! It is written to the user's cache at first use and opened from there like any other file.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Said, Text};
use crate::files::{self, Existing};
use crate::say;

/// The model's name, in paths and in infotext.
pub const NAME: &str = "shapes-xl";

const CHECKPOINT: &[u8] = include_bytes!("../../fixtures/embedded/shapes-xl.safetensors");

/// LoRAs for the embedded model.
const LORAS: [(&str, &[u8]); 3] = [
    ("house", include_bytes!("../../fixtures/embedded/house.safetensors")),
    ("night", include_bytes!("../../fixtures/embedded/night.safetensors")),
    ("overcooked", include_bytes!("../../fixtures/embedded/overcooked.safetensors")),
];

/// Image side in pixels that the model is made for.
pub const SIZE: u32 = 128;

/// Why the embedded model could not be put into place.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
pub struct EmbeddedError {
    path: PathBuf,
    source: std::io::Error,
}

impl Said for EmbeddedError {
    fn said(&self) -> Text {
        let (path, source) = (self.path.display(), self.source.said());
        say!(
            "the embedded model cannot be written to {path}: {source}; LBW_CACHE_DIR names another folder",
            "内蔵のモデルを {path} に書き込めません: {source}。LBW_CACHE_DIR で別のフォルダーを指定できます",
            with source
        )
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

/// Puts the embedded files into `cache` (a folder of this name and content is used again) and says where they are.
pub fn install(cache: &Path) -> Result<Installed, EmbeddedError> {
    // The folder's name changes with what is in it, so that a newer program never meets an older one's files.
    let dir = cache.join(format!("{NAME}-{}", env!("LBW_EMBEDDED")));
    let lora_dir = dir.join("lora");
    std::fs::create_dir_all(&lora_dir).map_err(|source| EmbeddedError { path: lora_dir.clone(), source })?;

    let checkpoint = dir.join(format!("{NAME}.safetensors"));
    if !checkpoint.exists() {
        write(&checkpoint, CHECKPOINT)?;
    }
    for (name, bytes) in LORAS {
        let path = lora_dir.join(format!("{name}.safetensors"));
        if !path.exists() {
            write(&path, bytes)?;
        }
    }
    Ok(Installed { checkpoint, lora_dir })
}

/// Another process may be doing the same.
fn write(path: &Path, bytes: &[u8]) -> Result<(), EmbeddedError> {
    let written = files::write(path, Existing::Replace, |file| file.write_all(bytes));
    written.map_err(|source| EmbeddedError { path: path.to_owned(), source })
}
