//! The picture that img2img draws over.

use sha2::{Digest, Sha256};

use crate::files::hex;
use crate::picture::{Gray, Rgb};

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

    /// A mask, which plans name likewise.
    pub fn of_mask(mask: &Gray) -> Self {
        InitImage::new(mask.map(|[value]| [value; 3]))
    }

    /// Its pixels.
    pub fn picture(&self) -> &Rgb {
        &self.picture
    }

    /// The mask that it is: its red.
    pub(super) fn as_mask(&self) -> Gray {
        self.picture.map(|[red, ..]| [red])
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
