//! Which part of a picture is painted anew (inpainting).

use serde::{Deserialize, Serialize};

use super::settings::{MaskedContent, PictureFields};

/// A mask, and how it acts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mask {
    /// SHA-256 in hex of the mask as it was given, like that of the picture.
    pub image: String,
    /// Whether what is *not* masked is painted anew.
    #[serde(default)]
    pub inverted: bool,
    /// Standard deviations of the blur of its edge, across and down, in pixels.
    pub blur: [u32; 2],
    /// What is there before the painting.
    pub content: MaskedContent,
    /// Only the masked part is drawn, at the full size of the image, with so many pixels around it; `None` draws the whole picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_masked: Option<u32>,
    /// Whether the picture is laid over all that is not masked.
    pub overlay: bool,
}

impl PictureFields {
    /// The mask of this id, as the fields say that it acts.
    pub fn mask(&self, image: &str) -> Mask {
        let blur = |own: Option<u32>| own.unwrap_or(self.mask_blur);
        Mask {
            image: image.to_owned(),
            inverted: self.inpainting_mask_invert,
            blur: [blur(self.mask_blur_x), blur(self.mask_blur_y)],
            content: self.inpainting_fill,
            only_masked: self.inpaint_full_res.then_some(self.inpaint_full_res_padding),
            overlay: self.overlay_inpaint,
        }
    }
}
