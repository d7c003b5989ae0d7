//! Reading the pixels of a picture that is drawn over.

use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageReader, Limits};

use super::{Error, Rgb};
use crate::diagnostic::Text;

/// Longest side of a picture that is read.
const MAX_SIDE: u32 = 16_384;
/// Memory that decoding may take.
const MEMORY: u64 = 2 << 30;

/// The picture at `path` (PNG, JPEG or WebP) upright, as RGB; what is transparent becomes white, as in webui.
pub fn read_picture(path: &Path) -> Result<Rgb, Error> {
    let read = |source| Error::Read { path: path.to_path_buf(), source };
    let damaged = |e: image::ImageError| Error::Damaged { path: path.to_path_buf(), what: Text::same(e) };
    let mut reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format).map_err(read)?;
    if reader.format().is_none() {
        return Err(Error::UnknownFormat { path: path.to_path_buf() });
    }
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    limits.max_alloc = Some(MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let orientation = decoder.orientation().map_err(damaged)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    image.apply_orientation(orientation);
    let rgba = image.into_rgba8();
    let (width, height) = (rgba.width() as usize, rgba.height() as usize);
    let on_white = |value: u8, alpha: u8| {
        let sum = u32::from(value) * u32::from(alpha) + 255 * (255 - u32::from(alpha));
        // The rounded quotient by 255.
        ((sum + 127) / 255) as u8
    };
    let bytes = rgba.pixels().flat_map(|p| [0, 1, 2].map(|c| on_white(p.0[c], p.0[3]))).collect();
    Ok(Rgb { width, height, bytes })
}
