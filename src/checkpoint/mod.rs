//! Checkpoints of SDXL and SD1 in the layout webui uses: the UNet under `model.diffusion_model.`, the VAE under
//! `first_stage_model.`, the text encoders under `conditioner.embedders.0` and `.1`, or the one under `cond_stage_model`. Other
//! layouts, and models of several files, are given these names.
//!
//! Opening reads the header alone. Widths and depths are inferred from the tensors' shapes, by whoever builds a model
//! from the checkpoint ([`crate::model::Builder`]); tensors no model asked for are counted.

pub mod architecture;
mod carried;
mod detect;
mod embedding;
mod folder;
#[doc(hidden)]
pub mod generated;
mod layout;
mod tensor_file;

pub(crate) use carried::carried;
pub use detect::Refusal;
pub(crate) use detect::is_lora;
pub(crate) use embedding::vectors as embedding_vectors;
pub use folder::{cached_sha256, known_sha256, sha256_of_file};
pub use tensor_file::{Entry, FileError, Format, GgufProblem, Numbers, PickleProblem, Reason, TensorFile};

use std::path::{Path, PathBuf};

use layout::Part;

use crate::block::Family;
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
        family: Family,
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
            CheckpointError::Tensors { path, family, problems } => {
                let (path, problems) = (path.display(), list_problems(problems, *family));
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

fn list_problems(problems: &[TensorProblem], family: Family) -> Text {
    const SHOWN: usize = 8;
    let (count, family) = (problems.len(), family.label());
    let head = match count {
        1 => say!(
            "{count} tensor is not what an {family} checkpoint needs:",
            "{count} 個のテンソルが {family} のチェックポイントに必要なものと違います:"
        ),
        _ => say!(
            "{count} tensors are not what an {family} checkpoint needs:",
            "{count} 個のテンソルが {family} のチェックポイントに必要なものと違います:"
        ),
    };
    let more = count.saturating_sub(SHOWN);
    let more = (more > 0).then(|| say!("and {more} more", "ほかに {more} 個"));
    let shown = problems.iter().take(SHOWN).map(TensorProblem::said);
    Text::join(std::iter::once(head).chain(shown).chain(more), "\n  ")
}

/// An open checkpoint.
pub struct Checkpoint {
    file: TensorFile,
}

impl Checkpoint {
    /// Opens the file at `path`, or the parts of a model in the folder `path`; anything but a checkpoint that can be drawn with is
    /// refused by name.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        if path.is_dir() {
            return Self::named(folder::open(path)?);
        }
        match path.parent() {
            // diffusers' list of the parts stands for its folder.
            Some(folder) if path.file_name().is_some_and(|name| name == "model_index.json") => {
                Self::named(folder::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?)
            }
            _ => Self::new(TensorFile::open(path)?),
        }
    }

    /// A checkpoint that is already in memory; `name` is only used in messages.
    pub fn from_bytes(name: impl Into<PathBuf>, bytes: Vec<u8>) -> Result<Self, CheckpointError> {
        Self::new(TensorFile::from_bytes(name, bytes)?)
    }

    fn new(mut file: TensorFile) -> Result<Self, CheckpointError> {
        let (alone, family) = (Part::of(&file), layout::family(&file));
        layout::to_webui(&mut file, alone, family);
        Self::named(file)
    }

    fn named(file: TensorFile) -> Result<Self, CheckpointError> {
        match detect::refusal(&file) {
            Some(refusal) => Err(CheckpointError::Refused { path: file.path().to_owned(), refusal }),
            None => Ok(Checkpoint { file }),
        }
    }

    /// A VAE in a file of its own, in webui's or diffusers' names, or the VAE of a whole checkpoint; of a folder, the one in it.
    /// Its tensors get the names they have in a checkpoint.
    pub fn open_vae(path: &Path) -> Result<Self, CheckpointError> {
        let mut file = match path.is_dir() {
            true => folder::open_vae(path)?,
            false => TensorFile::open(path)?,
        };
        let alone = Part::of(&file).filter(|part| *part == Part::Vae);
        let family = layout::family(&file);
        layout::to_webui(&mut file, alone, family);
        let checkpoint = Checkpoint { file };
        match checkpoint.vae_refusal() {
            Some(refusal) => Err(CheckpointError::Refused { path: path.to_owned(), refusal }),
            None => Ok(checkpoint),
        }
    }

    /// Fails where there is no VAE that pictures can be decoded with.
    pub fn require_vae(&self) -> Result<(), CheckpointError> {
        match self.vae_refusal() {
            Some(refusal) => Err(CheckpointError::Refused { path: self.path().to_owned(), refusal }),
            None => Ok(()),
        }
    }

    fn vae_refusal(&self) -> Option<Refusal> {
        match self.file.shape(&format!("{}decoder.conv_in.weight", prefix::VAE)) {
            None => Some(Refusal::NoVae),
            Some([_, 4, ..]) => None,
            Some(_) => Some(Refusal::OtherVae),
        }
    }

    /// The tensors.
    pub fn file(&self) -> &TensorFile {
        &self.file
    }

    /// The file's path, or the name that bytes in memory were given.
    pub fn path(&self) -> &Path {
        self.file.path()
    }
}
