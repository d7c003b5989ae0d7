//! What is known of a tensor by its key.

use super::super::lenient;

/// Where a tensor belongs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Block(String),
    /// A module of the model that no block weight reaches.
    Outside,
    /// Not of the model: an embedding that is packed into the file.
    Bundled,
    /// A key that is not known.
    Unknown,
}

/// A tensor's module and place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    /// The same for all tensors of a module.
    pub module: String,
    pub place: Place,
    pub element: String,
}

/// A key without the name of its part.
pub(super) fn stem(tensor: &str) -> &str {
    lenient::stem(tensor).unwrap_or_else(|| tensor.split_once('.').map_or(tensor, |(key, _)| key))
}
