//! The networks: UNet, VAE and what they are built from.
//!
//! Activations are channels-last, `(batch, height, width, channels)` or `(batch, tokens, channels)`, so that linear layers
//! and 1×1 convolutions need no transposes. Models hold [`Param`]s, not tensors: the [`Weights`] behind them decide what
//! value a parameter has, the checkpoint's own or one with LoRA deltas added.

mod attention;
mod builder;
#[doc(hidden)]
pub mod kernels;
mod layers;
mod ledger;
mod unet;
#[doc(hidden)]
pub mod vae;
mod weights;

pub use ledger::MergeError;
pub use weights::Held;

// For the engine, tests and benches.
#[doc(hidden)]
pub use builder::{Builder, unused_tensors};
#[doc(hidden)]
pub use layers::{LayerNorm, Linear};
#[doc(hidden)]
pub use ledger::{ActiveNetwork, Factor};
#[doc(hidden)]
pub use unet::{Unet, UnetConfig, timestep_embedding};
#[doc(hidden)]
pub use vae::Vae;
#[doc(hidden)]
pub use weights::{Param, Weights};
