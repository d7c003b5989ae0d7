//! The files of textual-inversion embeddings in the user's folders.
//!
//! An SDXL embedding is a safetensors file with the tensors `clip_l` and `clip_g`, one row per vector. Its name is its file
//! name without extension, in whichever folder it lies. Folders usually hold embeddings for other families too, so a file that
//! cannot be used is remembered with the reason and only spoken of where a prompt names it.

use std::path::{Path, PathBuf};

use super::chunk::EmbeddingNames;
use super::embedding::{Embedding, Embeddings};
use crate::checkpoint::{Checkpoint, FileError, SafetensorsFile, prefix};
use crate::diagnostic::{Said, Text};
use crate::lora::{IndexError, LoraIndex};
use crate::plan::Plan;
use crate::say;

/// Larger embeddings are taken for something else: this is hundreds of vectors.
const MAX_BYTES: usize = 16 << 20;

/// Why the file of an embedding is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum Unusable {
    Pickle,
    NotSdxl,
    Width { found: Widths, model: Widths },
    Shape { clip_l: Vec<usize>, clip_g: Vec<usize> },
    TooLarge,
    Damaged(Text),
}

impl Said for Unusable {
    fn said(&self) -> Text {
        match self {
            Unusable::Pickle => say!(
                "it is a pickle file, which can run any program when it is opened",
                "pickle ファイルです。開くだけで任意のプログラムが動きえます"
            ),
            Unusable::NotSdxl => say!(
                "it is made for another family of models: it has not the tensors `clip_l` and `clip_g` of SDXL",
                "別の系統のモデルのものです。SDXL のテンソル `clip_l` と `clip_g` がありません"
            ),
            Unusable::Width { found: Widths { clip_l, clip_g }, model } => {
                let Widths { clip_l: model_l, clip_g: model_g } = model;
                say!(
                    "it is made for text encoders of width {clip_l} and {clip_g}, the model's have {model_l} and {model_g}",
                    "幅が {clip_l} と {clip_g} のテキストエンコーダー用です。このモデルの幅は {model_l} と {model_g} です"
                )
            }
            Unusable::Shape { clip_l, clip_g } => say!(
                "its tensors are no list of vectors: clip_l has the shape {clip_l:?}, clip_g {clip_g:?}",
                "テンソルがベクトルの並びではありません: clip_l の形は {clip_l:?}、clip_g は {clip_g:?} です"
            ),
            Unusable::TooLarge => {
                let limit = MAX_BYTES >> 20;
                say!(
                    "it is larger than {limit} MiB, which no embedding is",
                    "{limit} MiB を超えています。embedding としては大きすぎます"
                )
            }
            Unusable::Damaged(why) => why.clone(),
        }
    }
}

/// The widths of the two text encoders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Widths {
    /// CLIP-L's: 768 in SDXL.
    pub clip_l: usize,
    /// CLIP-G's: 1280 in SDXL.
    pub clip_g: usize,
}

impl Widths {
    /// Those of the encoders in `checkpoint`.
    pub fn of(checkpoint: &Checkpoint) -> Option<Self> {
        let width = |name: String| checkpoint.file().shape(&name)?.get(1).copied();
        Some(Widths {
            clip_l: width(format!("{}embeddings.token_embedding.weight", prefix::CLIP_L))?,
            clip_g: width(format!("{}token_embedding.weight", prefix::CLIP_G))?,
        })
    }
}

/// A file that may hold an embedding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddingFile {
    /// Where it is.
    pub path: PathBuf,
    /// What prompts write: the file name without extension.
    pub name: String,
    /// Those of its vectors, or why it is not used.
    pub widths: Result<Widths, Unusable>,
}

/// The embeddings of some folders, one of each name: the last.
#[derive(Debug, Clone, Default)]
pub struct EmbeddingFiles {
    files: Vec<EmbeddingFile>,
}

impl EmbeddingFiles {
    /// Searches `folders` and everything below them, and reads the headers of the files.
    pub fn scan(folders: &[PathBuf]) -> Result<Self, IndexError> {
        let mut found = EmbeddingFiles::default();
        // LoRAs and embeddings have the same endings and are found alike.
        for entry in LoraIndex::scan(folders)?.entries() {
            let widths = if entry.is_pickle { Err(Unusable::Pickle) } else { widths(&entry.path) };
            found.files.retain(|earlier| earlier.name != entry.name);
            found.files.push(EmbeddingFile { path: entry.path.clone(), name: entry.name.clone(), widths });
        }
        Ok(found)
    }

    /// One of each name.
    pub fn files(&self) -> &[EmbeddingFile] {
        &self.files
    }

    /// The file of the embedding called `name`.
    pub fn get(&self, name: &str) -> Option<&EmbeddingFile> {
        self.files.iter().find(|file| file.name == name)
    }

    /// Reads the embeddings that fit a model of `widths`; the others are marked with the reason.
    pub fn load(&mut self, widths: Widths) -> candle_core::Result<Embeddings> {
        let mut embeddings = Embeddings::default();
        for file in &mut self.files {
            match file.read(widths) {
                Ok(embedding) => embeddings.add(&file.name, embedding)?,
                Err(reason) => file.widths = Err(reason),
            }
        }
        Ok(embeddings)
    }

    /// The files that `plan` names but that cannot be used.
    pub fn unusable_in(&self, plan: &Plan) -> Vec<(&EmbeddingFile, &Unusable)> {
        let unusable = || self.files.iter().filter_map(|file| Some((file, file.widths.as_ref().err()?)));
        let mut names = EmbeddingNames::default();
        unusable().for_each(|(file, _)| names.add(&file.name, 1));
        let named = names.used_by(plan);
        unusable().filter(|(file, _)| named.contains(&file.name)).collect()
    }
}

impl EmbeddingFile {
    fn read(&self, model: Widths) -> Result<Embedding, Unusable> {
        let found = self.widths.clone()?;
        if found != model {
            return Err(Unusable::Width { found, model });
        }
        let damaged = |e: FileError| Unusable::Damaged(e.said());
        let file = SafetensorsFile::open(&self.path).map_err(damaged)?;
        let read = |name| file.f32(name).map_err(damaged);
        let embedding = Embedding { clip_l: read("clip_l")?, clip_g: read("clip_g")? };
        // The file may have changed since its header was read.
        let fits = embedding.clip_l.dim(1).is_ok_and(|w| w == model.clip_l)
            && embedding.clip_g.dim(1).is_ok_and(|w| w == model.clip_g);
        fits.then_some(embedding).ok_or(Unusable::NotSdxl)
    }
}

/// The widths of the embedding at `path`, whose tensors are looked at but not read.
fn widths(path: &Path) -> Result<Widths, Unusable> {
    let file = SafetensorsFile::open(path).map_err(|e| match e {
        FileError::Pickle { .. } => Unusable::Pickle,
        e => Unusable::Damaged(e.said()),
    })?;
    let (Some(l), Some(g)) = (file.shape("clip_l"), file.shape("clip_g")) else { return Err(Unusable::NotSdxl) };
    if file.as_bytes().len() > MAX_BYTES {
        return Err(Unusable::TooLarge);
    }
    match (l, g) {
        ([rows, clip_l], [rows_g, clip_g]) if rows == rows_g && *rows > 0 => {
            Ok(Widths { clip_l: *clip_l, clip_g: *clip_g })
        }
        _ => Err(Unusable::Shape { clip_l: l.to_vec(), clip_g: g.to_vec() }),
    }
}
