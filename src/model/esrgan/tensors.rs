//! The tensors of an upscaler's file.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Tensor;

use super::UpscalerFileError;
use crate::checkpoint::{FileError, TensorFile};

/// Larger files are not upscalers.
pub(super) const MAX_BYTES: u64 = 2 << 30;
/// What training programs put before all names.
const PREFIXES: [&str; 2] = ["module.", "netG."];

/// By name, in the file's type.
pub(super) type Tensors = BTreeMap<String, Tensor>;

/// All tensors of the file at `path`. Nothing in a file is ever executed.
pub(super) fn read(path: &Path) -> Result<Tensors, UpscalerFileError> {
    let size = std::fs::metadata(path).map_err(|source| FileError::Io { path: path.to_path_buf(), source })?.len();
    if size > MAX_BYTES {
        return Err(UpscalerFileError::TooLarge { path: path.to_path_buf() });
    }
    let file = TensorFile::open(path)?;
    // Numbers that are not finite are told with everything else that is wrong.
    let tensors = file.names().map(|name| Ok((name.to_owned(), file.unchecked_tensor(name)?)));
    Ok(without_prefix(tensors.collect::<Result<_, FileError>>()?))
}

/// A prefix that all names have is taken away.
fn without_prefix(mut tensors: Tensors) -> Tensors {
    for prefix in PREFIXES {
        if !tensors.is_empty() && tensors.keys().all(|name| name.starts_with(prefix)) {
            tensors = tensors.into_iter().map(|(name, t)| (name[prefix.len()..].to_owned(), t)).collect();
        }
    }
    tensors
}
