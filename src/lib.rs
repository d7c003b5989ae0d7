//! lbw runs AUTOMATIC1111 webui prompts, LoRA Block Weight included, on its own SDXL engine.
//!
//! One prompt goes through the crate in a straight line:
//!
//! 1. [`syntax`] reads text into trees with a source span on every node,
//! 2. [`plan`] lowers a tree, the [`preset`]s and the settings to a [`plan::Plan`]: plain data, every weight a number,
//! 3. [`engine`] executes the plan on a checkpoint and its LoRA files and gives an image.
//!
//! The text half ([`syntax`], [`block`], [`preset`], [`plan`], [`infotext`], [`diagnostic`]) never touches a tensor;
//! the numeric half ([`checkpoint`], [`lora`], [`text`], [`model`], [`sampling`], [`engine`]) never reads prompt syntax.
//! The `Plan` is all that passes between them.

#![warn(missing_docs)]
// Nothing a user gives may end the program. Tests may.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::todo)]

pub mod batch;
pub mod block;
pub mod diagnostic;
#[allow(missing_docs, reason = "the settings become a table that documents itself")]
pub mod infotext;
#[allow(missing_docs, reason = "the settings become a table that documents itself")]
pub mod plan;
pub mod preset;
pub mod study;
pub mod syntax;

pub mod checkpoint;
pub mod engine;
pub mod lora;
pub mod model;
pub mod sampling;
pub mod text;

pub mod app;

// The binary's own.
#[doc(hidden)]
pub mod cli;
pub mod files;
pub mod image_io;
