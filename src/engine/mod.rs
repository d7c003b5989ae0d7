//! Executes plans.

mod image;

pub use image::to_rgb8;
