//! Writing PNG files.

use std::io::Write;
use std::path::Path;

use image::RgbImage;

use super::{Error, PARAMETERS, PLAN};
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

/// Writes `bytes` to `path`. The file is whole or absent at any moment.
pub fn write_file(path: &Path, bytes: &[u8], existing: Existing) -> Result<(), Error> {
    files::write(path, existing, |file| file.write_all(bytes)).map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => Error::Exists { path: path.to_path_buf() },
        _ => Error::Write { path: path.to_path_buf(), source },
    })
}
