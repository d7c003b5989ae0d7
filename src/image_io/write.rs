//! Writing PNG files.

use std::io::Write;
use std::path::Path;

use image::RgbImage;
use tempfile::NamedTempFile;

use super::{Error, PARAMETERS, PLAN};

/// What to do when the file exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Fail and leave it alone.
    Keep,
    Replace,
}

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

/// Writes a file under a temporary name beside `path`, brings it to the disk and gives it its name.
pub fn write_file(path: &Path, bytes: &[u8], existing: Existing) -> Result<(), Error> {
    let failed = |source| Error::Write { path: path.to_path_buf(), source };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = new_file_in(folder).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    let renamed = match existing {
        Existing::Keep => file.persist_noclobber(path),
        Existing::Replace => file.persist(path),
    };
    match renamed {
        Ok(_) => Ok(()),
        Err(e) if e.error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Error::Exists { path: path.to_path_buf() })
        }
        Err(e) => Err(failed(e.error)),
    }
}

/// A temporary file that others may read as they may read any new file; temporary files are private otherwise.
fn new_file_in(folder: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".lbw-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}
