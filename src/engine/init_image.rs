//! The picture that img2img draws over.

use candle_core::{Device, Result, Tensor};
use sha2::{Digest, Sha256};

use super::from_rgb8;
use crate::files::hex;
use crate::picture::{Fit, Rgb, lanczos};
use crate::plan::ResizeMode;

/// A picture that plans name by its pixels.
#[derive(Debug, Clone)]
pub struct InitImage {
    picture: Rgb,
    id: String,
}

impl InitImage {
    /// Names `picture` by the sha256 of its size and bytes.
    pub fn new(picture: Rgb) -> Self {
        let mut hash = Sha256::new();
        for side in [picture.width, picture.height] {
            hash.update((side as u32).to_le_bytes());
        }
        hash.update(&picture.bytes);
        InitImage { picture, id: hex(&hash.finalize()) }
    }

    /// The size of an image that is drawn over it where none is asked for: its own in whole multiples of 8.
    pub fn size_for_model(&self) -> (u32, u32) {
        let side = |length: usize| (u32::try_from(length).unwrap_or(u32::MAX) / 8 * 8).max(8);
        (side(self.picture.width), side(self.picture.height))
    }

    /// What [`crate::plan::Start::Picture`] holds.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The picture as it was given.
    pub fn picture(&self) -> &Rgb {
        &self.picture
    }

    /// The picture at the size of the image, (1, 3, height, width) in −1…1.
    pub(super) fn tensor(&self, mode: ResizeMode, width: usize, height: usize, device: &Device) -> Result<Tensor> {
        from_rgb8(&lanczos(&self.picture, fit(mode), width, height), device)
    }
}

fn fit(mode: ResizeMode) -> Fit {
    match mode {
        ResizeMode::Just => Fit::Stretch,
        ResizeMode::Crop => Fit::Crop,
        ResizeMode::Fill => Fit::Fill,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripes(width: usize, height: usize) -> Rgb {
        let bytes = (0..width * height).flat_map(|i| [(i % width) as u8 * 10, (i / width) as u8 * 10, 7]).collect();
        Rgb { width, height, bytes }
    }

    #[test]
    fn the_id_depends_on_size_and_pixels() {
        let id = |p: Rgb| InitImage::new(p).id().to_owned();
        assert_eq!(id(stripes(4, 6)), id(stripes(4, 6)));
        let turned = Rgb { width: 6, height: 4, ..stripes(4, 6) };
        assert_ne!(id(stripes(4, 6)), id(turned));
    }
}
