//! Reading a LoRA file's tensors as they are stored.

use candle_core::Tensor;

use crate::checkpoint::{FileError, TensorFile};

/// The tensor `name` of `file` on the CPU, in its own type. NaN and infinities are refused.
pub(super) fn read(file: &TensorFile, name: &str) -> Result<Tensor, FileError> {
    file.tensor(name)
}
