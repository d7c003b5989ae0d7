//! Opening a LoRA file: what it is, what its header says, its tensors.
//!
//! Nothing is allocated from a number in the file before that number has been checked against the file's length, and no
//! tensor leaves this module that is not finite.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use memmap2::Mmap;
use safetensors::tensor::TensorInfo;
use safetensors::{Dtype, SafeTensorError, SafeTensors};

use super::error::LoraError;

/// A memory-mapped LoRA file whose header has been checked.
pub(super) struct LoraFile {
    path: PathBuf,
    map: Mmap,
    /// Where the tensors' bytes begin.
    data: usize,
    pub metadata: BTreeMap<String, String>,
    /// The tensors by name; their offsets lie inside the file and fit their shapes.
    pub tensors: BTreeMap<String, TensorInfo>,
}

impl LoraFile {
    pub(super) fn open(path: &Path) -> Result<Self, LoraError> {
        let io = |source| LoraError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        if !file.metadata().map_err(io)?.is_file() {
            return Err(io(std::io::Error::other("it is not a file")));
        }
        // SAFETY: the map is only read. As with every map, a program that shortens the file meanwhile ends this one.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        if is_pickle(&map) {
            return Err(LoraError::Pickle { path: path.to_owned() });
        }
        let (header_len, header) = SafeTensors::read_metadata(&map).map_err(|error| header_error(path, &map, error))?;
        let metadata = header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        let tensors = header.tensors().into_iter().map(|(name, info)| (name, info.clone())).collect();
        Ok(LoraFile { path: path.to_owned(), map, data: header_len + 8, metadata, tensors })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The tensor `name` as it is stored, on the CPU.
    pub(super) fn read(&self, name: &str, info: &TensorInfo) -> Result<Tensor, LoraError> {
        let (start, end) = info.data_offsets;
        let bytes = &self.map[self.data + start..self.data + end];
        let (dtype, finite) = match info.dtype {
            Dtype::F16 => (DType::F16, is_finite(bytes, |b| u16::from_le_bytes(b) & 0x7C00 != 0x7C00)),
            Dtype::BF16 => (DType::BF16, is_finite(bytes, |b| u16::from_le_bytes(b) & 0x7F80 != 0x7F80)),
            Dtype::F32 => (DType::F32, is_finite(bytes, |b| f32::from_le_bytes(b).is_finite())),
            Dtype::F64 => (DType::F64, is_finite(bytes, |b| f64::from_le_bytes(b).is_finite())),
            Dtype::I64 => (DType::I64, true),
            Dtype::I32 => (DType::I32, true),
            Dtype::U8 | Dtype::BOOL => (DType::U8, true),
            other => {
                let (path, tensor) = (self.path.clone(), name.to_owned());
                return Err(LoraError::Dtype { path, tensor, dtype: format!("{other:?}") });
            }
        };
        if !finite {
            return Err(LoraError::NotFinite { path: self.path.clone(), tensor: name.to_owned() });
        }
        Tensor::from_raw_buffer(bytes, dtype, &info.shape, &Device::Cpu)
            .map_err(|source| LoraError::Tensor { path: self.path.clone(), source })
    }
}

fn is_finite<const N: usize>(bytes: &[u8], finite: impl Fn([u8; N]) -> bool) -> bool {
    let (values, _) = bytes.as_chunks::<N>();
    values.iter().all(|value| finite(*value))
}

/// torch's zip archives and bare pickles.
fn is_pickle(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
        || matches!(bytes, [0x80, protocol @ 1..=5, ..] if *protocol > 0 && !is_small_header(bytes))
}

/// Whether the first eight bytes are a plausible header length with the header's `{` after it. (A header of 0x280 bytes
/// begins like a pickle of protocol 2.)
fn is_small_header(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{')
}

fn header_error(path: &Path, bytes: &[u8], error: SafeTensorError) -> LoraError {
    let path = path.to_owned();
    let not = |why: &str| LoraError::NotSafetensors { path: path.clone(), why: why.to_owned() };
    if bytes.is_empty() {
        return not("it is empty");
    }
    if bytes.starts_with(b"version https://git-lfs") {
        return not("it is a Git LFS pointer; fetch the file itself with `git lfs pull`");
    }
    if bytes.starts_with(b"<") {
        return not("it is a web page, saved in place of the file; download it again");
    }
    match error {
        SafeTensorError::MetadataIncompleteBuffer | SafeTensorError::InvalidHeaderLength => {
            let header = bytes.first_chunk().map_or(0, |len| u64::from_le_bytes(*len)).saturating_add(8);
            let described = header.saturating_add(described_data(bytes).unwrap_or(0));
            LoraError::Truncated { path, described, actual: bytes.len() as u64 }
        }
        SafeTensorError::HeaderTooSmall => not("it is shorter than a header"),
        SafeTensorError::HeaderTooLarge => not("its header is said to be longer than 100 MB"),
        error => not(&error.to_string()),
    }
}

/// Bytes of tensor data that a readable header speaks of.
fn described_data(bytes: &[u8]) -> Option<u64> {
    let len = usize::try_from(u64::from_le_bytes(*bytes.first_chunk()?)).ok()?;
    let header: safetensors::tensor::Metadata = serde_json::from_slice(bytes.get(8..len.checked_add(8)?)?).ok()?;
    Some(header.data_len() as u64)
}
