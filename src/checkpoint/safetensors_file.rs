//! A safetensors file as a table of tensors over its bytes, which stay where they are until asked for.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use half::slice::HalfFloatSliceExt;
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors};

use crate::diagnostic::{Said, Text};
use crate::say;

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum FileError {
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    Pickle {
        path: PathBuf,
    },
    Damaged {
        path: PathBuf,
        reason: Text,
    },
    Dtype {
        path: PathBuf,
        tensor: String,
        dtype: String,
    },
    NotFinite {
        path: PathBuf,
        tensor: String,
        index: usize,
    },
    NoTensor {
        path: PathBuf,
        tensor: String,
    },
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl Said for FileError {
    fn said(&self) -> Text {
        match self {
            FileError::Io { path, source } => {
                let (path, source) = (path.display(), source.said());
                say!("{path}: {source}", "{path}: {source}", with source)
            }
            FileError::Pickle { path } => {
                let path = path.display();
                say!(
                    "{path}: this is a pickle file (.ckpt/.pt), which can run code when it is opened; convert it to .safetensors",
                    "{path}: pickle ファイル (.ckpt/.pt) で、開くだけでコードが動きえます。.safetensors に変換してください"
                )
            }
            FileError::Damaged { path, reason } => {
                let path = path.display();
                say!(
                    "{path}: not a safetensors file, or damaged: {reason}",
                    "{path}: safetensors ファイルではないか、壊れています: {reason}",
                    with reason
                )
            }
            FileError::Dtype { path, tensor, dtype } => {
                let path = path.display();
                say!(
                    "{path}: tensor `{tensor}` has type {dtype}, which is not supported (f32, f16 and bf16 are)",
                    "{path}: テンソル `{tensor}` の型 {dtype} は使えません (使えるのは f32、f16、bf16 です)"
                )
            }
            FileError::NotFinite { path, tensor, index } => {
                let path = path.display();
                say!(
                    "{path}: tensor `{tensor}` holds a NaN or an infinity at element {index}",
                    "{path}: テンソル `{tensor}` の要素 {index} が NaN か無限大です"
                )
            }
            FileError::NoTensor { path, tensor } => {
                let path = path.display();
                say!("{path}: there is no tensor `{tensor}`", "{path}: テンソル `{tensor}` がありません")
            }
            FileError::Candle(error) => error.said(),
        }
    }
}

/// Where a tensor lies and what it is.
#[derive(Debug, Clone)]
pub struct Entry {
    /// As stored.
    pub dtype: Dtype,
    /// Outermost dimension first.
    pub shape: Vec<usize>,
    bytes: Range<usize>,
}

enum Bytes {
    Mapped(memmap2::Mmap),
    Owned(Vec<u8>),
}

/// An open safetensors file. Header and offsets have been checked against the file's length.
pub struct SafetensorsFile {
    path: PathBuf,
    bytes: Bytes,
    entries: BTreeMap<String, Entry>,
    metadata: BTreeMap<String, String>,
}

impl SafetensorsFile {
    /// Maps the file at `path` and reads its header.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let io = |source| FileError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        if file.metadata().map_err(io)?.is_dir() {
            return Err(io(std::io::Error::from(std::io::ErrorKind::IsADirectory)));
        }
        // SAFETY: the map is read-only and private. Another process that truncates the file while it is mapped can end
        // this one with SIGBUS, which is the accepted cost of mapping a file of many gigabytes; it cannot corrupt memory,
        // because all reads are of plain numbers through bounds-checked slices.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(io)?;
        Self::new(path.to_owned(), Bytes::Mapped(map))
    }

    /// A file that is already in memory; `path` is only used in messages.
    pub fn from_bytes(path: impl Into<PathBuf>, bytes: Vec<u8>) -> Result<Self, FileError> {
        Self::new(path.into(), Bytes::Owned(bytes))
    }

    fn new(path: PathBuf, bytes: Bytes) -> Result<Self, FileError> {
        let slice = bytes.as_slice();
        if is_pickle(slice) {
            return Err(FileError::Pickle { path });
        }
        let damaged = |reason: Text| FileError::Damaged { path: path.clone(), reason };
        let (header_len, header) = SafeTensors::read_metadata(slice).map_err(|e| damaged(why_unreadable(slice, &e)))?;
        let data_start = header_len + size_of::<u64>();
        // An empty tensor takes no bytes, so nothing else bounds its other dimensions.
        let is_endless =
            |shape: &[usize]| shape.iter().try_fold(1usize, |n, dim| n.checked_mul((*dim).max(1))).is_none();
        if let Some((name, _)) = header.tensors().into_iter().find(|(_, info)| is_endless(&info.shape)) {
            return Err(damaged(say!(
                "tensor `{name}` has impossible dimensions",
                "テンソル `{name}` の形がありえない大きさです"
            )));
        }
        let entries = header
            .tensors()
            .into_iter()
            .map(|(name, info)| {
                let bytes = data_start + info.data_offsets.0..data_start + info.data_offsets.1;
                (name, Entry { dtype: info.dtype, shape: info.shape.clone(), bytes })
            })
            .collect();
        let metadata = header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        Ok(SafetensorsFile { path, bytes, entries, metadata })
    }

    /// Gives every tensor another name.
    pub(super) fn rename(&mut self, name: impl Fn(&str) -> String) {
        self.entries = std::mem::take(&mut self.entries).into_iter().map(|(old, entry)| (name(&old), entry)).collect();
    }

    /// The file's path, or the name that bytes in memory were given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The `__metadata__` of the header.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The names of all tensors, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// What tensor `name` is, if there is one.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// The shape of tensor `name`, if there is one.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        Some(&self.entries.get(name)?.shape)
    }

    /// The bytes of tensor `name` as they are stored, little-endian and row-major.
    pub fn stored(&self, name: &str) -> Option<&[u8]> {
        Some(&self.bytes.as_slice()[self.entries.get(name)?.bytes.clone()])
    }

    /// [`SafetensorsFile::stored`], after a check that all of it is finite numbers of a supported type.
    pub fn finite(&self, name: &str) -> Result<&[u8], FileError> {
        let bytes = self.stored(name).ok_or_else(|| self.missing(name))?;
        self.check_finite(name, 0, bytes)?;
        Ok(bytes)
    }

    /// Checks `bytes` of tensor `name`, which begin at byte `start` of it.
    fn check_finite(&self, name: &str, start: usize, bytes: &[u8]) -> Result<(), FileError> {
        let path = || self.path.clone();
        let (size, bad) = match self.entries[name].dtype {
            Dtype::F32 => (4, first_non_finite(bytes, |b: [u8; 4]| u32::from_le_bytes(b) & 0x7f80_0000 == 0x7f80_0000)),
            Dtype::F16 => (2, first_non_finite(bytes, |b: [u8; 2]| u16::from_le_bytes(b) & 0x7c00 == 0x7c00)),
            Dtype::BF16 => (2, first_non_finite(bytes, |b: [u8; 2]| u16::from_le_bytes(b) & 0x7f80 == 0x7f80)),
            dtype => {
                let dtype = format!("{dtype:?}");
                return Err(FileError::Dtype { path: path(), tensor: name.to_owned(), dtype });
            }
        };
        match bad {
            Some(index) => {
                Err(FileError::NotFinite { path: path(), tensor: name.to_owned(), index: start / size + index })
            }
            None => Ok(()),
        }
    }

    fn missing(&self, name: &str) -> FileError {
        FileError::NoTensor { path: self.path.clone(), tensor: name.to_owned() }
    }

    /// The whole file, for hashing.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    /// The tensor as f32 on the CPU. NaN and infinities are refused.
    pub fn f32(&self, name: &str) -> Result<Tensor, FileError> {
        let bytes = self.finite(name)?;
        let entry = &self.entries[name];
        let values = numbers(entry.dtype, bytes);
        self.release(name);
        Ok(Tensor::from_vec(values, entry.shape.as_slice(), &Device::Cpu)?)
    }

    /// The `rows` of matrix `name` as f32 on the CPU, (rows, columns). Only these are read, and checked for NaN and infinities.
    pub fn f32_rows(&self, name: &str, rows: &[u32]) -> Result<Tensor, FileError> {
        let bytes = self.stored(name).ok_or_else(|| self.missing(name))?;
        let entry = &self.entries[name];
        let [count, columns] = entry.shape[..] else {
            return Err(candle_core::Error::Msg(format!("{name} has no rows, its shape is {:?}", entry.shape)).into());
        };
        let size = bytes.len() / count.max(1);
        let mut values = Vec::with_capacity(rows.len() * columns);
        for row in rows {
            let row = *row as usize;
            if row >= count {
                return Err(candle_core::Error::Msg(format!("{name} has {count} rows, none of number {row}")).into());
            }
            let bytes = &bytes[row * size..][..size];
            self.check_finite(name, row * size, bytes)?;
            values.append(&mut numbers(entry.dtype, bytes));
        }
        Ok(Tensor::from_vec(values, (rows.len(), columns), &Device::Cpu)?)
    }

    /// Tells the system that the pages of tensor `name` need not stay in this process's memory: they have been converted,
    /// and are read again from the file if a weight must be rebuilt.
    pub fn release(&self, name: &str) {
        #[cfg(unix)]
        if let (Bytes::Mapped(map), Some(Entry { bytes, .. })) = (&self.bytes, self.entries.get(name)) {
            // SAFETY: the mapping is read-only and file-backed, so dropped pages come back with the same contents; no
            // reference into the range is changed or invalidated. Failure only costs memory, so the result is not needed.
            let _ = unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, bytes.start, bytes.len()) };
        }
        #[cfg(not(unix))]
        let _ = name;
    }
}

impl Bytes {
    fn as_slice(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Owned(bytes) => bytes,
        }
    }
}

/// torch's zip archives and bare pickles. (A safetensors header of 640 bytes begins like a pickle of protocol 2, but its
/// ninth byte opens the JSON.)
fn is_pickle(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || (matches!(bytes, [0x80, 1..=5, ..]) && bytes.get(8) != Some(&b'{'))
}

/// What a file whose header cannot be read looks like, in words that help.
fn why_unreadable(bytes: &[u8], error: &SafeTensorError) -> Text {
    if bytes.is_empty() {
        return say!("it is empty", "空のファイルです");
    }
    if bytes.starts_with(b"version https://git-lfs") {
        return say!(
            "it is a Git LFS pointer; fetch the file itself with `git lfs pull`",
            "Git LFS のポインターです。`git lfs pull` で本体を取得してください"
        );
    }
    if bytes.starts_with(b"<") && bytes.get(8) != Some(&b'{') {
        return say!(
            "it is a web page that was saved in place of the file; download it again",
            "ファイルの代わりに保存されたウェブページです。ダウンロードし直してください"
        );
    }
    match error {
        SafeTensorError::MetadataIncompleteBuffer | SafeTensorError::InvalidHeaderLength => {
            let size = bytes.len();
            say!(
                "its header does not describe its {size} bytes; it may have been cut short",
                "ヘッダーが全 {size} バイトと合いません。途中で切れているのかもしれません"
            )
        }
        error => Text::same(error),
    }
}

/// Stored numbers of a type that was checked.
fn numbers(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
    match dtype {
        Dtype::F16 => widen(bytes, half::f16::from_le_bytes),
        Dtype::BF16 => widen(bytes, half::bf16::from_le_bytes),
        _ => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
    }
}

/// Converts half-precision numbers in runs that the processor's conversion instructions can take at once.
fn widen<T>(bytes: &[u8], read: impl Fn([u8; 2]) -> T) -> Vec<f32>
where
    [T]: HalfFloatSliceExt,
    T: Copy,
{
    const RUN: usize = 4096;
    let count = bytes.len() / 2;
    let mut values = vec![0f32; count];
    let mut run = Vec::with_capacity(RUN);
    for (bytes, values) in bytes.chunks(2 * RUN).zip(values.chunks_mut(RUN)) {
        run.clear();
        run.extend(bytes.chunks_exact(2).map(|b| read([b[0], b[1]])));
        run.as_slice().convert_to_f32_slice(values);
    }
    values
}

/// The index of the first number of N bytes that `is_bad`.
fn first_non_finite<const N: usize>(bytes: &[u8], is_bad: impl Fn([u8; N]) -> bool) -> Option<usize> {
    const RUN: usize = 4096;
    let (numbers, _) = bytes.as_chunks::<N>();
    // Without an early exit the check of a run vectorises.
    let run = numbers.chunks(RUN).position(|run| run.iter().fold(false, |bad, b| bad | is_bad(*b)))?;
    numbers[run * RUN..].iter().position(|b| is_bad(*b)).map(|i| run * RUN + i)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_of_the_whole_and_only_they_are_checked() {
        let values: Vec<f32> = (0..12).map(|i| if i == 5 { f32::NAN } else { i as f32 / 8.0 }).collect();
        let table = Tensor::from_vec(values, (4, 3), &Device::Cpu).unwrap();
        for dtype in [candle_core::DType::F32, candle_core::DType::F16, candle_core::DType::BF16] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("table.safetensors");
            let stored = table.to_dtype(dtype).unwrap();
            candle_core::safetensors::save(&[("table", stored)].into_iter().collect(), &path).unwrap();
            let file = SafetensorsFile::open(&path).unwrap();
            let rows = file.f32_rows("table", &[3, 0, 3]).unwrap().to_vec2::<f32>().unwrap();
            assert_eq!(rows, [[1.125, 1.25, 1.375], [0.0, 0.125, 0.25], [1.125, 1.25, 1.375]]);
            assert!(matches!(file.f32_rows("table", &[0, 1]), Err(FileError::NotFinite { index: 5, .. })));
            assert!(matches!(file.f32_rows("table", &[4]), Err(FileError::Candle(_))));
            assert!(matches!(file.f32_rows("no", &[0]), Err(FileError::NoTensor { .. })));
        }
    }
}
