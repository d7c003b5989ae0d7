//! The picture that img2img draws over.

use candle_core::{Device, Result, Tensor};
use sha2::{Digest, Sha256};

use crate::files::hex;
use crate::image_io::Rgb;
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

    /// The picture at the size of the image, (1, 3, height, width) in −1…1.
    pub(super) fn tensor(&self, mode: ResizeMode, width: usize, height: usize, device: &Device) -> Result<Tensor> {
        let resized = resize(&self.picture, mode, width, height);
        let values = resized.bytes.iter().map(|b| f32::from(*b) / 255.0 * 2.0 - 1.0).collect();
        Tensor::from_vec(values, (1, height, width, 3), device)?.permute((0, 3, 1, 2))?.contiguous()
    }
}

/// webui's resize modes.
fn resize(picture: &Rgb, mode: ResizeMode, width: usize, height: usize) -> Rgb {
    let wider = width * picture.height > picture.width * height;
    let fit_width = |p: &Rgb| (width, (p.height * width / p.width).max(1));
    let fit_height = |p: &Rgb| ((p.width * height / p.height).max(1), height);
    let (w, h) = match mode {
        ResizeMode::Just => return picture.resize(width, height),
        ResizeMode::Crop if wider => fit_width(picture),
        ResizeMode::Crop => fit_height(picture),
        ResizeMode::Fill if wider => fit_height(picture),
        ResizeMode::Fill => fit_width(picture),
    };
    centered(&picture.resize(w, h), width, height)
}

/// `picture` in the middle of a `width` × `height` one: what stands over is cut off, what is missing is filled with the
/// nearest edge. As in webui the two fillings are equally wide, so that a last odd row or column stays black.
fn centered(picture: &Rgb, width: usize, height: usize) -> Rgb {
    let mut bytes = Vec::with_capacity(3 * width * height);
    // The picture's pixel at `i` of an axis; None is black.
    let source = |i: usize, to: usize, from: usize| -> Option<usize> {
        let i = i as i64 - (to as i64 / 2 - from as i64 / 2);
        let fill = (to / 2).saturating_sub(from / 2) as i64;
        match i {
            i if i < 0 => Some(0),
            i if i < from as i64 => Some(i as usize),
            i if i < from as i64 + fill => Some(from - 1),
            _ => None,
        }
    };
    for y in 0..height {
        for x in 0..width {
            match (source(x, width, picture.width), source(y, height, picture.height)) {
                (Some(x), Some(y)) => bytes.extend_from_slice(picture.pixel(x, y)),
                _ => bytes.extend_from_slice(&[0; 3]),
            }
        }
    }
    Rgb { width, height, bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripes(width: usize, height: usize) -> Rgb {
        let bytes = (0..width * height).flat_map(|i| [(i % width) as u8 * 10, (i / width) as u8 * 10, 7]).collect();
        Rgb { width, height, bytes }
    }

    #[test]
    fn every_mode_gives_the_asked_size() {
        for (w, h) in [(8, 8), (16, 8), (8, 24), (7, 9)] {
            for mode in [ResizeMode::Just, ResizeMode::Crop, ResizeMode::Fill] {
                let resized = resize(&stripes(10, 6), mode, w, h);
                assert_eq!((resized.width, resized.height, resized.bytes.len()), (w, h, 3 * w * h), "{mode:?}");
            }
        }
    }

    #[test]
    fn filling_repeats_the_edges_and_cropping_keeps_the_middle() {
        let filled = resize(&stripes(4, 4), ResizeMode::Fill, 8, 4);
        let row: Vec<u8> = (0..8).map(|x| filled.pixel(x, 0)[0]).collect();
        assert_eq!(row, [0, 0, 0, 10, 20, 30, 30, 30]);
        let cropped = resize(&stripes(8, 4), ResizeMode::Crop, 4, 4);
        let row: Vec<u8> = (0..4).map(|x| cropped.pixel(x, 0)[0]).collect();
        assert_eq!(row, [20, 30, 40, 50]);
    }

    #[test]
    fn the_id_depends_on_size_and_pixels() {
        let id = |p: Rgb| InitImage::new(p).id().to_owned();
        assert_eq!(id(stripes(4, 6)), id(stripes(4, 6)));
        let turned = Rgb { width: 6, height: 4, ..stripes(4, 6) };
        assert_ne!(id(stripes(4, 6)), id(turned));
    }
}
