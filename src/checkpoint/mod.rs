//! Single-file SDXL checkpoints in the layout webui uses: the UNet under `model.diffusion_model.`, the VAE under
//! `first_stage_model.`, the text encoders under `conditioner.embedders.0` and `.1`.
//!
//! Opening reads the header alone. Widths and depths are inferred from the tensors' shapes, by whoever builds a model
//! from the checkpoint ([`crate::model::Builder`]); tensors no model asked for are counted.

mod carried;
mod detect;
pub mod generated;
mod safetensors_file;

pub(crate) use carried::carried;
pub use detect::Refusal;
pub use safetensors_file::{Entry, FileError, SafetensorsFile};

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::diagnostic::{Said, Text};
use crate::say;

/// Prefixes of the parts of a checkpoint.
pub mod prefix {
    pub const UNET: &str = "model.diffusion_model.";
    pub const VAE: &str = "first_stage_model.";
    pub const CLIP_L: &str = "conditioner.embedders.0.transformer.text_model.";
    pub const CLIP_G: &str = "conditioner.embedders.1.model.";
}

/// Why a checkpoint is not used.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
pub enum CheckpointError {
    #[error(transparent)]
    File(#[from] FileError),
    Refused {
        path: PathBuf,
        refusal: Refusal,
    },
    Tensors {
        path: PathBuf,
        problems: Vec<TensorProblem>,
    },
}

impl Said for CheckpointError {
    fn said(&self) -> Text {
        match self {
            CheckpointError::File(error) => error.said(),
            CheckpointError::Refused { path, refusal } => {
                let (path, refusal) = (path.display(), refusal.said());
                say!("{path}: {refusal}", "{path}: {refusal}", with refusal)
            }
            CheckpointError::Tensors { path, problems } => {
                let (path, problems) = (path.display(), list_problems(problems));
                say!("{path}: {problems}", "{path}: {problems}", with problems)
            }
        }
    }
}

/// A tensor that is not as the model needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TensorProblem {
    Missing { name: String, shape: Vec<usize> },
    Shape { name: String, expected: Vec<usize>, found: Vec<usize> },
    Dtype { name: String, found: String },
}

impl Said for TensorProblem {
    fn said(&self) -> Text {
        match self {
            TensorProblem::Missing { name, shape } if shape.is_empty() => say!("missing: {name}", "ありません: {name}"),
            TensorProblem::Missing { name, shape } => say!("missing: {name} {shape:?}", "ありません: {name} {shape:?}"),
            TensorProblem::Shape { name, expected, found } => say!(
                "wrong shape: {name} is {found:?}, expected {expected:?}",
                "形が違います: {name} は {expected:?} のはずが {found:?} です"
            ),
            TensorProblem::Dtype { name, found } => {
                say!("unsupported type: {name} is {found}", "使えない型です: {name} は {found} です")
            }
        }
    }
}

fn list_problems(problems: &[TensorProblem]) -> Text {
    let count = problems.len();
    let head = match count {
        1 => say!(
            "{count} tensor is not what an SDXL checkpoint needs:",
            "{count} 個のテンソルが SDXL のチェックポイントに必要なものと違います:"
        ),
        _ => say!(
            "{count} tensors are not what an SDXL checkpoint needs:",
            "{count} 個のテンソルが SDXL のチェックポイントに必要なものと違います:"
        ),
    };
    Text::join(std::iter::once(head).chain(problems.iter().map(TensorProblem::said)), "\n  ")
}

/// An open SDXL checkpoint.
pub struct Checkpoint {
    file: SafetensorsFile,
}

impl Checkpoint {
    /// Opens the file at `path`; anything but an SDXL base checkpoint is refused by name.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        Self::new(SafetensorsFile::open(path)?)
    }

    /// A checkpoint that is already in memory; `name` is only used in messages.
    pub fn from_bytes(name: impl Into<PathBuf>, bytes: Vec<u8>) -> Result<Self, CheckpointError> {
        Self::new(SafetensorsFile::from_bytes(name, bytes)?)
    }

    fn new(file: SafetensorsFile) -> Result<Self, CheckpointError> {
        match detect::refusal(&file) {
            Some(refusal) => Err(CheckpointError::Refused { path: file.path().to_owned(), refusal }),
            None => Ok(Checkpoint { file }),
        }
    }

    /// A VAE in a file of its own, in webui's names, or the VAE of a whole checkpoint. Its tensors get the names they have in a
    /// checkpoint.
    pub fn open_vae(path: &Path) -> Result<Self, CheckpointError> {
        let mut file = SafetensorsFile::open(path)?;
        if file.entry("decoder.conv_in.weight").is_some() {
            file.rename(|name| format!("{}{name}", prefix::VAE));
        }
        let refused = |refusal| Err(CheckpointError::Refused { path: path.to_owned(), refusal });
        let has = |name: &str| file.entry(&format!("{}{name}", prefix::VAE)).is_some();
        match (has("decoder.conv_in.weight"), has("decoder.up_blocks.0.resnets.0.conv1.weight")) {
            (true, false) => Ok(Checkpoint { file }),
            (true, true) => refused(Refusal::DiffusersPart),
            (false, _) => refused(Refusal::NoVae),
        }
    }

    pub fn file(&self) -> &SafetensorsFile {
        &self.file
    }

    pub fn path(&self) -> &Path {
        self.file.path()
    }
}

/// sha256 of the file at `path` in hex; webui shows the first ten digits as "Model hash".
///
/// The file is read, not mapped: a mapping would count all of it as this process's memory.
pub fn sha256_of_file(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0u8; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

/// [`sha256_of_file`], remembered in the folder `cache` for as long as the file keeps its size and time.
pub fn cached_sha256(path: &Path, cache: &Path) -> std::io::Result<String> {
    let metadata = std::fs::metadata(path)?;
    let modified = metadata.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let key = format!("{}\0{}\0{modified}", path.canonicalize()?.display(), metadata.len());
    let key: String = Sha256::digest(key).iter().map(|b| format!("{b:02x}")).collect();
    let remembered = cache.join("sha256").join(key);
    if let Ok(hash) = std::fs::read_to_string(&remembered)
        && hash.len() == 64
        && hash.bytes().all(|b| b.is_ascii_hexdigit())
    {
        return Ok(hash);
    }
    let hash = sha256_of_file(path)?;
    // A cache that cannot be written costs time, nothing else.
    if let Some(folder) = remembered.parent()
        && std::fs::create_dir_all(folder).is_ok()
    {
        let _ = crate::image_io::write_file(&remembered, hash.as_bytes(), crate::image_io::Existing::Replace);
    }
    Ok(hash)
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
