//! The files of textual-inversion embeddings in the user's folders.
//!
//! An embedding is a file with a tensor for each text encoder, one row per vector: safetensors, a pickle, or a picture that
//! carries one. Its name is its file name without extension, in whichever folder it lies. Folders usually hold embeddings
//! for other families too, so a file that cannot be used is remembered with the reason and only spoken of where a prompt names
//! it; LoRAs and pictures that lie there too are none.

use std::path::{Path, PathBuf};

use candle_core::Tensor;

use super::chunk::EmbeddingNames;
use super::embedding::{Embedding, Embeddings};
use super::embedding_card;
use crate::checkpoint::{Checkpoint, FileError, TensorFile, embedding_vectors, is_lora};
use crate::diagnostic::{Said, Text};
use crate::files::limits::EMBEDDING;
use crate::lora::{IndexError, LoraIndex};
use crate::model::Architecture;
use crate::plan::Plan;
use crate::say;

/// Why the file of an embedding is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum Unusable {
    /// None of the tensors that embeddings have.
    NoVectors,
    /// Made for models with so many text encoders, where those of `family` have another number.
    Encoders {
        found: usize,
        family: &'static str,
        wanted: usize,
    },
    Width {
        found: Widths,
        model: Widths,
    },
    Shape {
        shapes: Vec<Vec<usize>>,
    },
    TooLarge,
    Damaged(Text),
    /// What is in its tensors, which are read when there is a model.
    Values(Text),
}

impl Said for Unusable {
    fn said(&self) -> Text {
        match self {
            Unusable::NoVectors => say!(
                "there are no vectors in it: neither `clip_l` and `clip_g`, which SDXL's have, nor one tensor alone, as in SD1's",
                "ベクトルがありません。SDXL 用の `clip_l` と `clip_g` も、SD1 用の単独のテンソルも見当たりません"
            ),
            Unusable::Encoders { found, family, wanted } => say!(
                "it is made for another family of models: it has vectors for {found} text encoder(s), {family} has {wanted}",
                "別の系統のモデルのものです。テキストエンコーダー {found} 個分のベクトルがありますが、{family} には {wanted} 個あります"
            ),
            Unusable::Width { found, model } => {
                let (found, model) = (found.said(), model.said());
                say!(
                    "it is made for text encoders of width {found}, the model's have {model}",
                    "幅が {found} のテキストエンコーダー用です。このモデルの幅は {model} です",
                    with found, model
                )
            }
            Unusable::Shape { shapes } => {
                let shapes = shapes.iter().map(|shape| format!("{shape:?}")).collect::<Vec<_>>().join(", ");
                say!(
                    "its tensors are no list of vectors, their shapes are {shapes}",
                    "テンソルがベクトルの並びではありません。形は {shapes} です"
                )
            }
            Unusable::TooLarge => {
                let limit = EMBEDDING >> 20;
                say!(
                    "it is larger than {limit} MiB, which no embedding is",
                    "{limit} MiB を超えています。embedding としては大きすぎます"
                )
            }
            Unusable::Damaged(why) | Unusable::Values(why) => why.clone(),
        }
    }
}

/// The widths of a model's text encoders, in their order: 768 and 1280 in SDXL, 768 in SD1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Widths(pub Vec<usize>);

impl Widths {
    /// Those of the encoders in `checkpoint`.
    pub fn of(checkpoint: &Checkpoint) -> Option<Self> {
        let architecture = Architecture::of(checkpoint.file())?;
        Some(Widths(architecture.text.iter().map(|encoder| encoder.width).collect()))
    }
}

impl Said for Widths {
    fn said(&self) -> Text {
        Text::list(&self.0)
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

/// The embeddings of some folders: of each name and each number of text encoders the last, as people keep a file for each
/// family of models.
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
            let file = EmbeddingFile { path: entry.path.clone(), name: entry.name.clone(), widths };
            found.files.retain(|earlier| earlier.name != file.name || earlier.encoders() != file.encoders());
            found.files.push(file);
        }
        Ok(found)
    }

    /// All of them; once they have been loaded, of each name one.
    pub fn files(&self) -> &[EmbeddingFile] {
        &self.files
    }

    /// The file of the embedding called `name`.
    pub fn get(&self, name: &str) -> Option<&EmbeddingFile> {
        self.files.iter().rfind(|file| file.name == name)
    }

    /// Reads the embeddings that fit a model of `widths`; the others are marked with the reason.
    pub fn load(&mut self, widths: &Widths) -> candle_core::Result<Embeddings> {
        let mut embeddings = Embeddings::default();
        for file in &mut self.files {
            match file.read(widths) {
                Ok(embedding) => embeddings.add(&file.name, embedding)?,
                Err(Unusable::Damaged(why)) if file.widths.is_ok() => file.widths = Err(Unusable::Values(why)),
                Err(reason) => file.widths = Err(reason),
            }
        }
        // Of a name that is read, the files for other models are no longer needed.
        self.files.retain(|file| file.widths.is_ok() || embeddings.get(&file.name).is_none());
        Ok(embeddings)
    }

    /// The files that `plan` names but that cannot be used, and why.
    pub fn unusable_in(&self, plan: &Plan) -> Vec<(&EmbeddingFile, Unusable)> {
        let encoders = Architecture::full_size(plan.family).map_or(0, |architecture| architecture.text.len());
        let why = |file: &EmbeddingFile| match &file.widths {
            Err(why) => Some(why.clone()),
            Ok(Widths(widths)) => {
                let (found, family) = (widths.len(), plan.family.label());
                (found != encoders).then_some(Unusable::Encoders { found, family, wanted: encoders })
            }
        };
        let is_usable = |name: &str| self.files.iter().any(|file| file.name == name && why(file).is_none());
        let unusable: Vec<_> = self.files.iter().filter_map(|file| Some((file, why(file)?))).collect();
        let mut names = EmbeddingNames::default();
        unusable.iter().for_each(|(file, _)| names.add(&file.name, 1));
        let named = names.used_by(plan);
        unusable.into_iter().filter(|(file, _)| named.contains(&file.name) && !is_usable(&file.name)).collect()
    }
}

impl EmbeddingFile {
    /// The number of text encoders that it has vectors for.
    fn encoders(&self) -> Option<usize> {
        self.widths.as_ref().ok().map(|Widths(widths)| widths.len())
    }

    /// How many vectors it has, where it can be used.
    pub fn vectors(&self) -> Option<usize> {
        let embedding = self.read(self.widths.as_ref().ok()?).ok()?;
        embedding.vectors.first()?.dim(0).ok()
    }

    fn read(&self, model: &Widths) -> Result<Embedding, Unusable> {
        let found = self.widths.clone()?;
        if found != *model {
            return Err(Unusable::Width { found, model: model.clone() });
        }
        let opened = Opened::open(&self.path)?;
        // The file may have changed since its header was read.
        let found = opened.widths()?;
        if found != *model {
            return Err(Unusable::Width { found, model: model.clone() });
        }
        Ok(Embedding { vectors: opened.vectors()? })
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

impl Opened {
    fn open(path: &Path) -> Result<Self, Unusable> {
        if embedding_card::is_picture(path) {
            return embedding_card::read(path).unwrap_or(Err(Unusable::NoVectors)).map(Opened::Card);
        }
        TensorFile::open(path).map(Opened::File).map_err(|e| Unusable::Damaged(e.reason()))
    }

    fn shape(&self, name: &str) -> &[usize] {
        let shape = match self {
            Opened::File(file) => file.shape(name),
            Opened::Card(card) => card.get(name).map(Tensor::dims),
        };
        shape.unwrap_or_default()
    }

    /// The tensors of the vectors, one for each text encoder.
    fn names(&self) -> Result<Vec<&str>, Unusable> {
        let names: Vec<&str> = match self {
            Opened::File(file) => file.names().collect(),
            Opened::Card(card) => card.keys().map(String::as_str).collect(),
        };
        embedding_vectors(&names).ok_or(Unusable::NoVectors)
    }

    fn widths(&self) -> Result<Widths, Unusable> {
        let shapes: Vec<&[usize]> = self.names()?.into_iter().map(|name| self.shape(name)).collect();
        let size = |shape: &&[usize]| shape.iter().fold(size_of::<f32>(), |n, dim| n.saturating_mul(*dim));
        if shapes.iter().any(|shape| size(shape) > EMBEDDING) {
            return Err(Unusable::TooLarge);
        }
        let rows: Option<Vec<(usize, usize)>> = match shapes.as_slice() {
            // As diffusers saves a single vector.
            [[width]] => Some(vec![(1, *width)]),
            _ => shapes.iter().map(|shape| rows_and_width(shape)).collect(),
        };
        match rows.as_deref() {
            Some(all @ [(first, _), ..]) if *first > 0 && all.iter().all(|(rows, _)| rows == first) => {
                Ok(Widths(all.iter().map(|(_, width)| *width).collect()))
            }
            _ => Err(Unusable::Shape { shapes: shapes.into_iter().map(<[usize]>::to_vec).collect() }),
        }
    }

    /// (vectors, width) for each text encoder, whose shapes have been looked at.
    fn vectors(&self) -> Result<Vec<Tensor>, Unusable> {
        let damaged = |e: FileError| Unusable::Damaged(e.reason());
        let read = |name: &str| -> Result<Tensor, Unusable> {
            let tensor = match self {
                Opened::File(file) => file.f32(name).map_err(damaged)?,
                Opened::Card(card) => card.get(name).cloned().ok_or(Unusable::NoVectors)?,
            };
            match tensor.rank() {
                1 => tensor.unsqueeze(0).map_err(|e| damaged(e.into())),
                _ => Ok(tensor),
            }
        };
        self.names()?.into_iter().map(read).collect()
    }
}

/// Of a list of vectors.
fn rows_and_width(shape: &[usize]) -> Option<(usize, usize)> {
    match shape {
        [rows, width] => Some((*rows, *width)),
        _ => None,
    }
}
