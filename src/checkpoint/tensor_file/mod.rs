//! Files of tensors, whatever their format: safetensors, torch's pickles (`.ckpt`, `.pt`, `.pth`, `.bin`) and GGUF.
//!
//! A [`TensorFile`] is a table of names, shapes and types over bytes that stay where they are until asked for. The format is
//! told by the content, never by the name.
//!
//! ```no_run
//! let file = lbw::checkpoint::TensorFile::open("RealESRGAN_x4plus.pth".as_ref())?;
//! for name in file.names() {
//!     println!("{name} {:?}", file.shape(name));
//! }
//! let first = file.f32("conv_first.weight")?;
//! # Ok::<(), lbw::checkpoint::FileError>(())
//! ```

mod error;
mod gguf;
mod header;
mod numbers;
mod pickle;
mod read;
mod safetensors;
mod source;
mod torch;
mod zip;

pub use error::{FileError, GgufProblem, PickleProblem, Reason};
pub use numbers::Numbers;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ::safetensors::tensor::Dtype;
use candle_core::quantized::GgmlDType;
use source::Source;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JSON header and numbers.
    Safetensors,
    /// torch's pickle, read as data.
    Pickle,
    /// ggml's format, whose tensors may be quantised in blocks.
    Gguf,
}

/// A tensor: where it lies and what it is.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The type of the numbers that [`TensorFile::tensor`] gives.
    pub dtype: Dtype,
    /// Outermost dimension first.
    pub shape: Vec<usize>,
    place: Place,
}

/// How the numbers of a tensor lie in their file.
#[derive(Debug, Clone)]
enum Place {
    /// Row-major.
    Plain(Span),
    /// With these strides, in numbers; the span is what they reach.
    Strided { span: Span, strides: Vec<usize> },
    /// Quantised; the numbers are f32.
    Blocks { span: Span, ggml: GgmlDType },
    /// 8-bit numbers of this type, each multiplied by one of `scales` (one for all, or one per row); the products are f32.
    Scaled { span: Span, stored: Dtype, scales: Box<Entry> },
    /// Several tensors, one below the other.
    Stacked(Vec<Entry>),
}

/// Bytes of one of a [`TensorFile`]'s sources.
#[derive(Debug, Clone)]
struct Span {
    source: usize,
    bytes: Range<usize>,
}

/// What a reader of a format finds.
struct Contents {
    entries: BTreeMap<String, Entry>,
    metadata: BTreeMap<String, String>,
}

/// An open file of tensors, or several that make one. Names, shapes and places have been checked against the file's length.
pub struct TensorFile {
    path: PathBuf,
    format: Format,
    sources: Vec<Source>,
    entries: BTreeMap<String, Entry>,
    metadata: BTreeMap<String, String>,
}

impl TensorFile {
    /// Opens the file at `path` and reads what describes its tensors.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let unreadable = |source| FileError::Io { path: path.to_owned(), source };
        let kind = std::fs::metadata(path).map_err(unreadable)?.file_type();
        if !kind.is_file() && !kind.is_dir() {
            // Opening a pipe waits for somebody who writes.
            return Err(FileError::Damaged { path: path.to_owned(), reason: Reason::Special });
        }
        Self::new(path.to_owned(), Source::open(path).map_err(unreadable)?)
    }

    /// A file that is already in memory; `path` is only used in messages.
    pub fn from_bytes(path: impl Into<PathBuf>, bytes: Vec<u8>) -> Result<Self, FileError> {
        Self::new(path.into(), Source::Memory(bytes))
    }

    fn new(path: PathBuf, source: Source) -> Result<Self, FileError> {
        let read = Self::contents(&path, &source);
        if let Some(error) = source.failure() {
            return Err(error.of(path));
        }
        let (format, Contents { entries, metadata }) = read?;
        let mut file = TensorFile { path, format, sources: vec![source], entries, metadata };
        file.join_scales();
        Ok(file)
    }

    fn contents(path: &Path, source: &Source) -> Result<(Format, Contents), FileError> {
        let path = || path.to_owned();
        let damaged = |reason| FileError::Damaged { path: path(), reason };
        let start = source.start(16);
        if gguf::is_gguf(&start) {
            let contents = gguf::read(source).map_err(|problem| FileError::Gguf { path: path(), problem })?;
            Ok((Format::Gguf, contents))
        } else if torch::is_torch(&start) {
            let contents = torch::read(source).map_err(|problem| FileError::Pickle { path: path(), problem })?;
            Ok((Format::Pickle, contents.ok_or_else(|| damaged(Reason::Archive("zip")))?))
        } else {
            Ok((Format::Safetensors, safetensors::read(source).map_err(damaged)?))
        }
    }

    /// The 8-bit weights whose scales lie beside them are their products; the scales vanish.
    ///
    /// ComfyUI writes `X.scale_weight` or `X.weight_scale` beside `X.weight`, with what it multiplies inputs by
    /// (`scale_input`, `input_scale`) and marks (`comfy_quant`, `scaled_fp8`), which do not change the weight.
    fn join_scales(&mut self) {
        const SCALES: [&str; 2] = [".scale_weight", ".weight_scale"];
        const BESIDE: [&str; 5] = ["scale_input", "input_scale", "comfy_quant", "scale_weight", "weight_scale"];
        let is_8_bit = |entry: &Entry| {
            let plain = matches!(entry.place, Place::Plain(_));
            plain && entry.dtype.bitsize() == 8 && entry.number_type().is_some()
        };
        let scaled: Vec<(String, String)> = self
            .names()
            .filter_map(|scale| {
                let stem = SCALES.iter().find_map(|end| scale.strip_suffix(end))?;
                let weight = format!("{stem}.weight");
                self.entry(&weight).is_some_and(is_8_bit).then(|| (weight, scale.to_owned()))
            })
            .collect();
        for (weight, scale) in scaled {
            let Some(scales) = self.entries.remove(&scale) else { continue };
            let stem = weight.trim_end_matches("weight");
            BESIDE.iter().for_each(|part| drop(self.entries.remove(&format!("{stem}{part}"))));
            if let Some(entry) = self.entries.get_mut(&weight)
                && let Place::Plain(span) = &entry.place
            {
                entry.place = Place::Scaled { span: span.clone(), stored: entry.dtype, scales: Box::new(scales) };
                entry.dtype = Dtype::F32;
            }
        }
        if self.format == Format::Safetensors {
            self.entries.retain(|name, entry| {
                let is_mark = name == "scaled_fp8" || name.ends_with(".scaled_fp8");
                !(is_mark && entry.shape.iter().product::<usize>() <= 2)
            });
        }
    }

    /// The file's path, or the name that bytes in memory were given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file is another one than when it was opened, or was cut short.
    pub fn is_changed(&self) -> bool {
        self.sources.iter().any(Source::is_changed)
    }

    /// How the file is written; of several, the first.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The `__metadata__` of a safetensors header, the texts and numbers beside a pickle's tensors, the texts of a GGUF header.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// In order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Where tensor `name` lies and what it is.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// The shape of tensor `name`, outermost dimension first.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        Some(&self.entries.get(name)?.shape)
    }

    /// Gives all bytes of the file in order, piece by piece, for hashing; of several files, the first.
    pub fn pieces(&self, mut take: impl FnMut(&[u8])) -> Result<(), FileError> {
        const PIECE: usize = 1 << 20;
        let Some(source) = self.sources.first() else { return Ok(()) };
        for start in (0..source.len()).step_by(PIECE) {
            let end = (start + PIECE).min(source.len());
            take(&source.read(start..end).map_err(|error| error.of(self.path.clone()))?);
        }
        Ok(())
    }

    /// The types of tensors that are quantised in blocks: bits that a number takes, and how many tensors are of the type.
    pub fn quantised(&self) -> BTreeMap<String, (f64, usize)> {
        let mut found = BTreeMap::new();
        for entry in self.entries.values() {
            if let Place::Blocks { ggml, .. } = &entry.place {
                let bits = 8.0 * ggml.type_size() as f64 / ggml.block_size() as f64;
                found.entry(entry.type_name()).or_insert((bits, 0)).1 += 1;
            }
        }
        found
    }

    /// What messages call the file.
    pub(super) fn set_path(&mut self, path: PathBuf) {
        self.path = path;
    }

    /// Gives tensors other names; of those that `name` answers `None` for nothing is left.
    pub(super) fn rename(&mut self, name: impl Fn(&str) -> Option<String>) {
        let entries = std::mem::take(&mut self.entries).into_iter();
        self.entries = entries.filter_map(|(old, entry)| Some((name(&old)?, entry))).collect();
    }

    /// Gives tensor `name` another shape with as many numbers.
    pub(super) fn reshape(&mut self, name: &str, shape: Vec<usize>) {
        if let Some(entry) = self.entries.get_mut(name)
            && entry.shape.iter().product::<usize>() == shape.iter().product::<usize>()
            && !matches!(entry.place, Place::Strided { .. } | Place::Stacked(_) | Place::Scaled { .. })
        {
            entry.shape = shape;
        }
    }

    /// Makes matrix `name` its transpose, called `new`.
    pub(super) fn transpose(&mut self, name: &str, new: &str) {
        let Some(mut entry) = self.entries.remove(name) else { return };
        if let ([rows, columns], Place::Plain(span)) = (&entry.shape[..], &entry.place) {
            entry.place = Place::Strided { span: span.clone(), strides: vec![1, *columns] };
            entry.shape = vec![*columns, *rows];
        }
        self.entries.insert(new.to_owned(), entry);
    }

    /// Puts the tensors `parts`, one below the other, in the place of tensor `new`. Nothing is done if they do not fit.
    pub(super) fn stack(&mut self, parts: &[String], new: String) {
        let entries: Option<Vec<&Entry>> = parts.iter().map(|part| self.entry(part)).collect();
        let Some([first, rest @ ..]) = entries.as_deref() else { return };
        let fits = |entry: &&Entry| entry.dtype == first.dtype && entry.shape.get(1..) == first.shape.get(1..);
        if first.shape.is_empty() || !rest.iter().all(fits) {
            return;
        }
        let mut shape = first.shape.clone();
        shape[0] = parts.iter().filter_map(|part| self.shape(part)?.first()).sum();
        let dtype = first.dtype;
        let stacked = parts.iter().filter_map(|part| self.entries.remove(part)).collect();
        self.entries.insert(new, Entry { dtype, shape, place: Place::Stacked(stacked) });
    }

    /// Takes over the tensors of `other`, but for those whose names are here already.
    pub(super) fn take_in(&mut self, other: TensorFile) {
        let offset = self.sources.len();
        self.sources.extend(other.sources);
        for (name, mut entry) in other.entries {
            entry.move_sources(offset);
            self.entries.entry(name).or_insert(entry);
        }
        for (key, value) in other.metadata {
            self.metadata.entry(key).or_insert(value);
        }
    }
}

impl Entry {
    /// The type in which [`TensorFile::numbers`] gives the tensor: f32, f16 or bf16; `None` where it holds no fractions.
    pub fn number_type(&self) -> Option<Dtype> {
        numbers::given_as(self.dtype)
    }

    /// The type of what is stored, in words.
    pub fn type_name(&self) -> String {
        match &self.place {
            Place::Plain(_) | Place::Strided { .. } => format!("{:?}", self.dtype),
            Place::Blocks { ggml, .. } => match format!("{ggml:?}") {
                name if name.ends_with('K') => format!("{}_K", name.trim_end_matches('K')),
                name => name,
            },
            Place::Scaled { stored, .. } => format!("{stored:?} with a scale"),
            Place::Stacked(parts) => parts.first().map(Entry::type_name).unwrap_or_default(),
        }
    }

    fn move_sources(&mut self, offset: usize) {
        match &mut self.place {
            Place::Plain(span) | Place::Strided { span, .. } | Place::Blocks { span, .. } => span.source += offset,
            Place::Scaled { span, scales, .. } => {
                span.source += offset;
                scales.move_sources(offset);
            }
            Place::Stacked(parts) => parts.iter_mut().for_each(|part| part.move_sources(offset)),
        }
    }
}

/// The strides of row-major numbers.
fn contiguous_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i].saturating_mul(shape[i]);
    }
    strides
}
