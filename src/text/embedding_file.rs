//! The files of textual-inversion embeddings in the user's folders.
//!
//! An SDXL embedding is a file with the tensors `clip_l` and `clip_g`, one row per vector: safetensors, a pickle, or a picture
//! that carries one. Its name is its file name without extension, in whichever folder it lies. Folders usually hold embeddings
//! for other families too, so a file that cannot be used is remembered with the reason and only spoken of where a prompt names
//! it; LoRAs and pictures that lie there too are none.

use std::path::{Path, PathBuf};

use candle_core::Tensor;

use super::chunk::EmbeddingNames;
use super::embedding::{Embedding, Embeddings};
use super::embedding_card;
use crate::checkpoint::{Checkpoint, TensorFile, is_lora, prefix};
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
    NotSdxl,
    Width { found: Widths, model: Widths },
    Shape { clip_l: Vec<usize>, clip_g: Vec<usize> },
    TooLarge,
    Damaged(Text),
}

impl Said for Unusable {
    fn said(&self) -> Text {
        match self {
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
        // LoRAs and embeddings have the same endings and are found alike; embeddings may be in pictures too.
        for entry in LoraIndex::scan_with(folders, embedding_card::EXTENSIONS)?.entries() {
            let Some(widths) = widths(&entry.path) else { continue };
            let earlier = found.files.iter().find(|earlier| earlier.name == entry.name);
            if widths.is_err() && earlier.is_some_and(|earlier| earlier.widths.is_ok()) {
                continue;
            }
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
        let (clip_l, clip_g) = Opened::open(&self.path)?.vectors()?;
        let embedding = Embedding { clip_l, clip_g };
        // The file may have changed since its header was read.
        let fits = embedding.clip_l.dim(1).is_ok_and(|w| w == model.clip_l)
            && embedding.clip_g.dim(1).is_ok_and(|w| w == model.clip_g);
        fits.then_some(embedding).ok_or(Unusable::NotSdxl)
    }
}

/// The widths of the embedding at `path`, whose tensors are looked at but not read; `None` for files that are no embedding.
fn widths(path: &Path) -> Option<Result<Widths, Unusable>> {
    if embedding_card::is_picture(path) {
        let card = embedding_card::read(path)?;
        return Some(card.and_then(|card| Opened::Card(card).widths()));
    }
    match Opened::open(path) {
        Ok(Opened::File(file)) if is_lora(&file) => None,
        Ok(opened) => Some(opened.widths()),
        Err(reason) => Some(Err(reason)),
    }
}

/// An embedding's tensors, not yet read.
enum Opened {
    File(TensorFile),
    Card(embedding_card::Card),
}

/// What the vectors of the two encoders are called: by webui and kohya, and by diffusers' pivotal tuning.
const NAMES: [(&str, &str); 2] = [("clip_l", "clip_g"), ("text_encoders_0", "text_encoders_1")];

impl Opened {
    fn open(path: &Path) -> Result<Self, Unusable> {
        if embedding_card::is_picture(path) {
            return embedding_card::read(path).unwrap_or(Err(Unusable::NotSdxl)).map(Opened::Card);
        }
        TensorFile::open(path).map(Opened::File).map_err(|e| Unusable::Damaged(e.reason()))
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        match self {
            Opened::File(file) => file.shape(name),
            Opened::Card(card) => card.get(name).map(Tensor::dims),
        }
    }

    fn names(&self) -> Option<(&'static str, &'static str)> {
        NAMES.into_iter().find(|(l, g)| self.shape(l).is_some() && self.shape(g).is_some())
    }

    fn widths(&self) -> Result<Widths, Unusable> {
        let (l, g) = self.names().ok_or(Unusable::NotSdxl)?;
        let (l, g) = (self.shape(l).unwrap_or_default(), self.shape(g).unwrap_or_default());
        let size = |shape: &[usize]| shape.iter().fold(size_of::<f32>(), |n, dim| n.saturating_mul(*dim));
        if size(l).max(size(g)) > MAX_BYTES {
            return Err(Unusable::TooLarge);
        }
        match (l, g) {
            ([rows, clip_l], [rows_g, clip_g]) if rows == rows_g && *rows > 0 => {
                Ok(Widths { clip_l: *clip_l, clip_g: *clip_g })
            }
            _ => Err(Unusable::Shape { clip_l: l.to_vec(), clip_g: g.to_vec() }),
        }
    }

    /// The vectors for CLIP-L and CLIP-G.
    fn vectors(&self) -> Result<(Tensor, Tensor), Unusable> {
        self.widths()?;
        let (l, g) = self.names().ok_or(Unusable::NotSdxl)?;
        let read = |name: &str| match self {
            Opened::File(file) => file.f32(name).map_err(|e| Unusable::Damaged(e.reason())),
            Opened::Card(card) => card.get(name).cloned().ok_or(Unusable::NotSdxl),
        };
        Ok((read(l)?, read(g)?))
    }
}
