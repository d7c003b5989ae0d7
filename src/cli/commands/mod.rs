//! One file per command: arguments to a wish, the application's answer to words.

pub mod analyze;
pub mod atlas;
pub mod batch;
pub mod bench;
pub mod check;
pub mod completions;
pub mod explain;
pub mod img2img;
pub mod info;
pub mod list;
pub mod lora;
pub mod plan;
pub mod preset;
pub mod run;
#[cfg(feature = "serve")]
pub mod serve;
pub mod tune;
pub mod txt2img;
pub mod upscale;
pub mod worker;
pub mod xyz;
