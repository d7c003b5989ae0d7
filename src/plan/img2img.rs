//! Drawing over a picture.

use serde::{Deserialize, Serialize};

/// The picture that sampling starts from, and how far away from it it may go.
///
/// The plan knows the picture by its pixels, not by a path: who runs the plan brings the picture along.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Img2Img {
    /// SHA-256 in hex of the picture as it was given, before resizing: width and height as little-endian u32, then rows of RGB.
    pub image: String,
    /// 0 keeps the picture, 1 keeps nothing of it.
    pub denoising_strength: f64,
    /// webui's option "with img2img, do exactly the amount of steps the slider specifies".
    #[serde(default)]
    pub fix_steps: bool,
    #[serde(default)]
    pub resize_mode: ResizeMode,
    /// The initial noise is multiplied with this.
    #[serde(default = "one")]
    pub noise_multiplier: f64,
}

fn one() -> f64 {
    1.0
}

/// How the picture is brought to the size of the image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeMode {
    /// Stretched.
    #[default]
    Just,
    /// Scaled until it covers the image; what stands over is cut off.
    Crop,
    /// Scaled until it fits into the image; the rest is filled with its edges.
    Fill,
}
