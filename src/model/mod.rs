//! The networks: UNet, VAE and what they are built from.
//!
//! Activations are channels-last, `(batch, height, width, channels)` or `(batch, tokens, channels)`, so that linear layers
//! and 1×1 convolutions need no transposes. Models hold [`Param`]s, not tensors: the [`Weights`] behind them decide what
//! value a parameter has, the checkpoint's own or one with LoRA deltas added.

mod attention;
mod builder;
pub mod esrgan;
mod layers;
mod ledger;
mod merging;
mod meter;
pub mod ops;
mod unet;
#[doc(hidden)]
pub mod vae;
mod watch;
mod weights;

pub use crate::checkpoint::architecture::{
    Architecture, ClipSkip, EmptyText, Heads, Level, Middle, Projection, TextEncoder, TextEncoderKind,
    UnetArchitecture, VaeArchitecture,
};
pub use builder::{Builder, unused_tensors};
pub use layers::Tiling;
#[doc(hidden)]
pub use layers::{LayerNorm, Linear};
pub use ledger::{ActiveNetwork, Factor, MergeError};
pub use ops::{Held, OperatorChoice, OperatorError, Operators, Precision};
pub use unet::{Asked, Unet, timestep_embedding};
pub use vae::Vae;
pub use watch::{ModelError, Progress, Tap, Watch, Watched};
pub use weights::{Param, Weights};
