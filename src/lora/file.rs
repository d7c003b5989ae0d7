//! Reading a LoRA file's tensors as they are stored.

use candle_core::{DType, Device, Tensor};
use safetensors::Dtype;

use crate::checkpoint::{FileError, SafetensorsFile};

/// The tensor `name` of `file` on the CPU, in its own type. NaN and infinities are refused.
pub(super) fn read(file: &SafetensorsFile, name: &str) -> Result<Tensor, FileError> {
    let path = || file.path().to_owned();
    let (Some(entry), Some(bytes)) = (file.entry(name), file.stored(name)) else {
        return Err(FileError::NoTensor { path: path(), tensor: name.to_owned() });
    };
    let (dtype, not_finite) = match entry.dtype {
        Dtype::F16 => (DType::F16, find(bytes, |b| u16::from_le_bytes(b) & 0x7C00 == 0x7C00)),
        Dtype::BF16 => (DType::BF16, find(bytes, |b| u16::from_le_bytes(b) & 0x7F80 == 0x7F80)),
        Dtype::F32 => (DType::F32, find(bytes, |b| !f32::from_le_bytes(b).is_finite())),
        Dtype::F64 => (DType::F64, find(bytes, |b| !f64::from_le_bytes(b).is_finite())),
        Dtype::I64 => (DType::I64, None),
        Dtype::I32 => (DType::I32, None),
        Dtype::U8 | Dtype::BOOL => (DType::U8, None),
        dtype => {
            return Err(FileError::Dtype { path: path(), tensor: name.to_owned(), dtype: format!("{dtype:?}") });
        }
    };
    match not_finite {
        Some(index) => Err(FileError::NotFinite { path: path(), tensor: name.to_owned(), index }),
        None => Ok(Tensor::from_raw_buffer(bytes, dtype, &entry.shape, &Device::Cpu)?),
    }
}

/// The index of the first value that is `bad`.
fn find<const N: usize>(bytes: &[u8], bad: impl Fn([u8; N]) -> bool) -> Option<usize> {
    bytes.as_chunks::<N>().0.iter().position(|value| bad(*value))
}
