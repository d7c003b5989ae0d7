//! Surgery on LoRA files: apart by blocks ([`split`], [`join`]), several into one ([`merge`]), to another rank ([`resize`]),
//! compared ([`difference`]), and out of two checkpoints ([`extract`]).
//!
//! What a block weight does in webui a file for each block does in any program: every module lies in exactly one of them,
//! so a strength for each file is a weight for each block.

mod blocks;
mod contribution;
mod diff;
mod error;
mod extract;
mod factors;
mod join;
mod keys;
mod matrix;
mod measure;
mod merge;
mod output;
mod partition;
mod place;
mod resize;
mod sketch;
mod split;
mod svd;
mod transformers;

pub use blocks::Blocks;
pub use diff::{BlockDifference, Difference, difference};
pub use error::SurgeryError;
pub use extract::{Extracted, extract};
pub use join::{Joined, join};
pub use measure::BlockError;
pub use merge::{Merge, Merged, Source, merge};
pub use output::Precision;
pub use partition::{BUNDLED, BlockGroup, By, OUTSIDE, Part, PartModule, Partition, REST, UNKNOWN, parts_of};
pub use resize::{Resized, Size, resize};
pub use split::{Piece, Split, split};

pub(super) use output::{Stored, metadata_for, serialize};
