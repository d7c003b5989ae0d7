//! lbw runs AUTOMATIC1111 webui prompts, LoRA Block Weight included, on its own engine for SDXL and SD1.
//!
//! One prompt goes through the crate in a straight line:
//!
//! 1. [`syntax`] reads text into trees with a source span on every node,
//! 2. [`plan`] lowers a tree, the [`preset`]s and the settings to a [`plan::Plan`]: plain data, every weight a number,
//! 3. [`engine`] executes the plan on a checkpoint and its LoRA files and gives an image.
//!
//! The text half ([`syntax`], [`block`], [`preset`], [`plan`], [`infotext`], [`diagnostic`]) never touches a tensor;
//! the numeric half ([`checkpoint`], [`lora`], [`text`], [`model`], [`sampling`], [`upscale`], [`engine`]) never reads prompt
//! syntax. What is done with bytes of pictures alone is in [`picture`], which knows nothing else. The `Plan` is all that passes
//! between the halves. [`app`] puts both together: it is what front ends use.
//!
//! Features: `engine` (on by default) is the numeric half and [`app`]; `cli` (on by default) is the command line, which the
//! library itself does not need; `serve` (on by default) is the server; without features the crate is the text half alone.

#![warn(missing_docs)]
// Nothing a user gives may end the program. Tests may.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::todo)]

pub mod batch;
pub mod block;
pub mod diagnostic;
pub mod files;
pub mod image_io;
#[allow(missing_docs, reason = "the settings become a table that documents itself")]
pub mod infotext;
pub mod picture;
#[allow(missing_docs, reason = "the settings become a table that documents itself")]
pub mod plan;
pub mod preset;
pub mod study;
pub mod syntax;

#[cfg(feature = "engine")]
pub mod checkpoint;
#[cfg(feature = "engine")]
pub mod engine;
#[cfg(feature = "engine")]
pub mod lora;
#[cfg(feature = "engine")]
pub mod model;
#[cfg(feature = "engine")]
pub mod sampling;
#[cfg(feature = "engine")]
pub mod text;
#[cfg(feature = "engine")]
pub mod upscale;

#[cfg(feature = "engine")]
pub mod app;

// The binary's own.
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "serve")]
#[doc(hidden)]
pub mod server;
