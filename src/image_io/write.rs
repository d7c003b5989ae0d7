//! Writing PNG files.

use std::io::Write;
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ImageEncoder, RgbImage};

use super::{Error, PARAMETERS, PLAN, exif_comment};
use crate::diagnostic::Text;
use crate::files::{self, Existing};

/// Writes `image` to `path` with its infotext and its plan (JSON). The file is whole or absent at any moment.
pub fn write_png(
    path: &Path,
    image: &RgbImage,
    parameters: &str,
    plan: Option<&str>,
    existing: Existing,
) -> Result<(), Error> {
    write_file(path, &encode_png(image, parameters, plan)?, existing)
}

/// The bytes of an 8-bit RGB PNG. As in webui, `parameters` is a tEXt chunk if it is Latin-1, else iTXt.
pub fn encode_png(image: &RgbImage, parameters: &str, plan: Option<&str>) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, image.width(), image.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    // NUL would end the text early for other programs.
    let parameters = parameters.replace('\0', "");
    if parameters.chars().all(|c| c as u32 <= 0xff) {
        encoder.add_text_chunk(PARAMETERS.to_string(), parameters)?;
    } else {
        encoder.add_itxt_chunk(PARAMETERS.to_string(), parameters)?;
    }
    if let Some(plan) = plan {
        encoder.add_itxt_chunk(PLAN.to_string(), plan.to_string())?;
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(image.as_raw())?;
    writer.finish()?;
    Ok(bytes)
}

/// How a picture is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// With all its texts.
    Png,
    /// With the infotext in EXIF, as webui writes it.
    Jpeg {
        /// 1 to 100.
        quality: u8,
    },
    /// Likewise; without loss.
    Webp,
}

impl Format {
    /// What the file is called on the way.
    pub fn media(self) -> &'static str {
        match self {
            Format::Png => "image/png",
            Format::Jpeg { .. } => "image/jpeg",
            Format::Webp => "image/webp",
        }
    }
}

/// The bytes of a picture in this format.
pub fn encode(image: &RgbImage, parameters: &str, plan: Option<&str>, format: Format) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let (width, height) = image.dimensions();
    let exif = exif_comment::block(parameters);
    let failed = |e: image::ImageError| Error::Other(Text::same(e));
    let colour = image::ExtendedColorType::Rgb8;
    match format {
        Format::Png => return encode_png(image, parameters, plan),
        Format::Jpeg { quality } => {
            let mut encoder = JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100));
            // An EXIF block of more than 64 KiB has no place in a JPEG: the picture is worth more than its text.
            if exif.len() < usize::from(u16::MAX) - 16 {
                encoder.set_exif_metadata(exif).map_err(|e| Error::Other(Text::same(e)))?;
            }
            encoder.write_image(image.as_raw(), width, height, colour).map_err(failed)?;
        }
        Format::Webp => {
            let mut encoder = WebPEncoder::new_lossless(&mut bytes);
            encoder.set_exif_metadata(exif).map_err(|e| Error::Other(Text::same(e)))?;
            encoder.write_image(image.as_raw(), width, height, colour).map_err(failed)?;
        }
    }
    Ok(bytes)
}

/// Writes `bytes` to `path`. The file is whole or absent at any moment.
pub fn write_file(path: &Path, bytes: &[u8], existing: Existing) -> Result<(), Error> {
    files::write(path, existing, |file| file.write_all(bytes)).map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => Error::Exists { path: path.to_path_buf() },
        _ => Error::Write { path: path.to_path_buf(), source },
    })
}
