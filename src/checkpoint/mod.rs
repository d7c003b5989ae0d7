//! Single-file SDXL checkpoints in the layout webui uses: the UNet under `model.diffusion_model.`, the VAE under
//! `first_stage_model.`, the text encoders under `conditioner.embedders.0` and `.1`.
//!
//! Opening reads the header alone. Widths and depths are inferred from the tensors' shapes, by whoever builds a model
//! from the checkpoint ([`crate::model::Builder`]); tensors no model asked for are counted.

pub mod architecture;
mod carried;
mod detect;
#[doc(hidden)]
pub mod generated;
mod safetensors_file;

pub use crate::files::{cached_sha256, sha256_of_file};
pub(crate) use carried::carried;
pub use detect::Refusal;
pub use safetensors_file::{Entry, FileError, SafetensorsFile};

use std::path::{Path, PathBuf};

use crate::diagnostic::{Said, Text};
use crate::say;

/// Prefixes of the parts of a checkpoint.
pub mod prefix {
    /// The UNet, in the original (CompVis) naming.
    pub const UNET: &str = "model.diffusion_model.";
    /// The autoencoder.
    pub const VAE: &str = "first_stage_model.";
    /// CLIP ViT-L/14, in transformers' naming.
    pub const CLIP_L: &str = "conditioner.embedders.0.transformer.text_model.";
    /// OpenCLIP ViT-bigG/14, in OpenCLIP's naming.
    pub const CLIP_G: &str = "conditioner.embedders.1.model.";
}

/// Why a checkpoint is not used.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
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
#[allow(missing_docs, reason = "`said` tells what each of them is")]
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

    /// The tensors.
    pub fn file(&self) -> &SafetensorsFile {
        &self.file
    }

    /// The file's path, or the name that bytes in memory were given.
    pub fn path(&self) -> &Path {
        self.file.path()
    }
}
