//! The bytes of a new LoRA file: tensors of old files as they are stored, and new ones.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use candle_core::Tensor;
use safetensors::Dtype;
use serde_json::{Map, Value, json};

use super::SurgeryError;
use crate::checkpoint::{FileError, TensorFile};
use crate::files::{self, Existing};

/// Metadata that hold for the old tensors only.
const HASHES: [&str; 2] = ["sshs_model_hash", "sshs_legacy_hash"];

/// A tensor of a new file.
pub(in crate::lora) enum Stored<'f> {
    /// As the tensor of this name in an old file.
    InFile(&'f TensorFile, String),
    New {
        dtype: Dtype,
        shape: Vec<usize>,
        bytes: Vec<u8>,
    },
}

/// The tensors of a new file by name.
pub(in crate::lora) type Tensors<'f> = BTreeMap<String, Stored<'f>>;

impl Stored<'_> {
    /// `None` where the number is too large for f32.
    pub(in crate::lora) fn number(value: f64) -> Option<Self> {
        let value = value as f32;
        let stored = || Stored::New { dtype: Dtype::F32, shape: Vec::new(), bytes: value.to_le_bytes().to_vec() };
        value.is_finite().then(stored)
    }

    /// `values` in this precision, row-major.
    pub(super) fn numbers(shape: &[usize], values: &[f32], precision: Precision) -> Self {
        let bytes = match precision {
            Precision::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Precision::F16 => values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect(),
            Precision::Bf16 => values.iter().flat_map(|v| half::bf16::from_f32(*v).to_le_bytes()).collect(),
        };
        Stored::New { dtype: precision.dtype(), shape: shape.to_vec(), bytes }
    }

    pub(super) fn tensor(tensor: &Tensor, precision: Precision) -> Result<Self, FileError> {
        let values = tensor.to_dtype(candle_core::DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        Ok(Self::numbers(tensor.dims(), &values, precision))
    }

    /// Type and shape; nothing for a tensor that its file does not have.
    fn kind(&self) -> Option<(Dtype, &[usize])> {
        match self {
            Stored::New { dtype, shape, .. } => Some((*dtype, shape)),
            Stored::InFile(file, name) => file.entry(name).map(|entry| (entry.dtype, entry.shape.as_slice())),
        }
    }

    fn bytes(&self) -> Result<Cow<'_, [u8]>, FileError> {
        match self {
            Stored::New { bytes, .. } => Ok(Cow::Borrowed(bytes)),
            Stored::InFile(file, name) => file.bytes(name),
        }
    }
}

/// How new factors are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Exact.
    #[default]
    F32,
    /// Half precision.
    F16,
    /// The upper half of f32.
    Bf16,
}

impl Precision {
    fn dtype(self) -> Dtype {
        match self {
            Precision::F32 => Dtype::F32,
            Precision::F16 => Dtype::F16,
            Precision::Bf16 => Dtype::BF16,
        }
    }

    /// That of a stored tensor; f32 for types that are none of the three.
    pub(super) fn of(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F16 => Precision::F16,
            Dtype::BF16 => Precision::Bf16,
            _ => Precision::F32,
        }
    }

    /// `value` as it comes back from the file.
    pub(super) fn round(self, value: f32) -> f32 {
        match self {
            Precision::F32 => value,
            Precision::F16 => half::f16::from_f32(value).to_f32(),
            Precision::Bf16 => half::bf16::from_f32(value).to_f32(),
        }
    }
}

/// A safetensors file. Equal contents give equal bytes: tensors lie by type, the widest first, and by name.
pub(in crate::lora) fn serialize(tensors: &Tensors, metadata: &BTreeMap<String, String>) -> Result<Vec<u8>, FileError> {
    let mut order: Vec<_> = tensors.iter().filter_map(|(name, tensor)| Some((name, tensor, tensor.kind()?))).collect();
    order.sort_by(|(left, _, l), (right, _, r)| r.0.cmp(&l.0).then(left.cmp(right)));
    let mut header = Map::new();
    if !metadata.is_empty() {
        header.insert("__metadata__".to_owned(), json!(metadata));
    }
    let mut offset = 0;
    for (name, _, (dtype, shape)) in &order {
        let end = offset + shape.iter().product::<usize>() * dtype.bitsize() / 8;
        header.insert((*name).clone(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [offset, end] }));
        offset = end;
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    // Data begin at a multiple of eight bytes.
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = Vec::with_capacity(8 + header.len() + offset);
    file.extend((header.len() as u64).to_le_bytes());
    file.extend(header);
    for (_, tensor, _) in order {
        file.extend_from_slice(&tensor.bytes()?);
    }
    Ok(file)
}

/// Writes a new file, whole or not at all.
pub(super) fn write(
    path: &Path,
    tensors: &Tensors,
    metadata: &BTreeMap<String, String>,
    existing: Existing,
) -> Result<(), SurgeryError> {
    refuse_existing(path, existing)?;
    let bytes = serialize(tensors, metadata)?;
    files::write(path, existing, |file| file.write_all(&bytes)).map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => SurgeryError::Exists { path: path.to_owned() },
        _ => SurgeryError::Write { path: path.to_owned(), source },
    })
}

/// Fails where something would be overwritten, before any work is done.
pub(super) fn refuse_existing(path: &Path, existing: Existing) -> Result<(), SurgeryError> {
    match existing {
        Existing::Keep if path.exists() => Err(SurgeryError::Exists { path: path.to_owned() }),
        _ => Ok(()),
    }
}

/// The old metadata for a new file at `path`: without the hashes, which are of the old tensors, and with the file's own
/// name as the output name, which is an alias in prompts.
pub(in crate::lora) fn metadata_for(old: &BTreeMap<String, String>, path: &Path) -> BTreeMap<String, String> {
    let mut metadata = old.clone();
    HASHES.iter().for_each(|hash| drop(metadata.remove(*hash)));
    if let (Some(name), Some(stem)) = (metadata.get_mut("ss_output_name"), path.file_stem()) {
        *name = stem.to_string_lossy().into_owned();
    }
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_back_as_it_was_written() {
        let mut tensors = Tensors::new();
        tensors.insert("b".into(), Stored::numbers(&[3], &[1.0, -2.5, 0.1], Precision::F16));
        tensors.insert("a".into(), Stored::numbers(&[1, 2], &[0.1, 3e30], Precision::F32));
        tensors.insert("alpha".into(), Stored::number(0.5).unwrap());
        let metadata = BTreeMap::from([("ss_ü\n".to_owned(), "\"x\"".to_owned())]);
        let bytes = serialize(&tensors, &metadata).unwrap();
        let file = TensorFile::from_bytes("x", bytes.clone()).unwrap();
        assert_eq!(file.metadata(), &metadata);
        assert_eq!(file.f32("a").unwrap().to_vec2::<f32>().unwrap(), [[0.1, 3e30]]);
        let rounded = file.f32("b").unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(rounded, [1.0, -2.5, Precision::F16.round(0.1)]);
        // The format's own library reads it as well, and copies are the same bytes.
        assert_eq!(safetensors::SafeTensors::deserialize(&bytes).unwrap().len(), 3);
        let copy: Tensors = file.names().map(|n| (n.to_owned(), Stored::InFile(&file, n.to_owned()))).collect();
        assert_eq!(serialize(&copy, &metadata).unwrap(), bytes);
    }
}
