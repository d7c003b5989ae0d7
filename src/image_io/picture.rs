//! Reading the pixels of a picture that is drawn over.

use std::io::{BufRead, Cursor, Seek};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageReader, Limits};

use super::{Error, Rgb};
use crate::diagnostic::Text;
use crate::picture::Rgba;
use crate::say;

/// Longest side of a picture that is read.
pub(super) const MAX_SIDE: u32 = 16_384;
/// Most pixels of a picture that comes from somebody else.
const MAX_PIXELS: u64 = 64 << 20;
/// What transparent pictures lie on.
const WHITE: [u8; 3] = [255; 3];
/// Memory that decoding may take.
const MEMORY: u64 = 2 << 30;

/// The picture at `path` (PNG, JPEG or WebP) upright, as RGB; what is transparent becomes white, as in webui.
pub fn read_picture(path: &Path) -> Result<Rgb, Error> {
    Ok(read_picture_with_alpha(path)?.flattened(WHITE))
}

/// The same with its transparency.
pub fn read_picture_with_alpha(path: &Path) -> Result<Rgba, Error> {
    let reader = ImageReader::open(path).map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
    decode(path, reader, u64::MAX)
}

/// The same of bytes that somebody sent, of no more than 64 megapixels. They are called `name`.
pub fn picture_of_bytes(name: &str, bytes: &[u8]) -> Result<Rgb, Error> {
    Ok(picture_of_bytes_with_alpha(name, bytes)?.flattened(WHITE))
}

/// The same with its transparency.
pub fn picture_of_bytes_with_alpha(name: &str, bytes: &[u8]) -> Result<Rgba, Error> {
    decode(Path::new(name), ImageReader::new(Cursor::new(bytes)), MAX_PIXELS)
}

fn decode(path: &Path, reader: ImageReader<impl BufRead + Seek>, pixels: u64) -> Result<Rgba, Error> {
    let read = |source| Error::Read { path: path.to_path_buf(), source };
    let damaged = |e: image::ImageError| Error::Damaged { path: path.to_path_buf(), what: Text::same(e) };
    let mut reader = reader.with_guessed_format().map_err(read)?;
    if reader.format().is_none() {
        return Err(Error::UnknownFormat { path: path.to_path_buf() });
    }
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    limits.max_alloc = Some(MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > pixels {
        return Err(too_large(path, width, height));
    }
    let orientation = decoder.orientation().map_err(damaged)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    image.apply_orientation(orientation);
    let rgba = image.into_rgba8();
    let (width, height) = (rgba.width() as usize, rgba.height() as usize);
    Ok(Rgba { width, height, bytes: rgba.into_raw() })
}

pub(super) fn too_large(path: &Path, width: u32, height: u32) -> Error {
    let (side, megapixels) = (MAX_SIDE, MAX_PIXELS >> 20);
    let what = say!(
        "it has {width}x{height} pixels; sides up to {side} and {megapixels} megapixels are read",
        "{width}x{height} 画素あります。読めるのは一辺 {side}、{megapixels} メガ画素までです"
    );
    Error::Damaged { path: path.to_path_buf(), what }
}
