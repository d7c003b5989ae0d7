//! Reading the pixels of a picture that is drawn over.

use std::io::{BufRead, BufReader, Cursor, Seek, SeekFrom};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::budget::Problem;
use super::{Error, Rgb, comments};
use crate::diagnostic::Text;
use crate::files;
use crate::files::limits::{PICTURE_PIXELS, PICTURE_SIDE, PICTURE_TEXT};
use crate::picture::Rgba;
use crate::say;

/// Pixels that a byte of a JPEG may stand for: of each 64 pixels there is a bit at least.
const JPEG: u64 = 1024;

/// What transparent pictures lie on.
const WHITE: [u8; 3] = [255; 3];

/// The picture at `path` (PNG, JPEG or WebP) upright, as RGB; what is transparent becomes white, as in webui.
pub fn read_picture(path: &Path) -> Result<Rgb, Error> {
    Ok(opaque(decode_file(path)?))
}

/// The same with its transparency.
pub fn read_picture_with_alpha(path: &Path) -> Result<Rgba, Error> {
    Ok(with_alpha(decode_file(path)?))
}

/// The same of bytes that somebody sent. They are called `name`.
pub fn picture_of_bytes(name: &str, bytes: &[u8]) -> Result<Rgb, Error> {
    Ok(opaque(decode(Path::new(name), Cursor::new(bytes))?))
}

/// The same with its transparency.
pub fn picture_of_bytes_with_alpha(name: &str, bytes: &[u8]) -> Result<Rgba, Error> {
    Ok(with_alpha(decode(Path::new(name), Cursor::new(bytes))?))
}

fn with_alpha(image: DynamicImage) -> Rgba {
    let rgba = image.into_rgba8();
    let (width, height) = (rgba.width() as usize, rgba.height() as usize);
    Rgba { width, height, bytes: rgba.into_raw() }
}

/// On white. A picture of 64 megapixels without transparency is not copied for it.
fn opaque(image: DynamicImage) -> Rgb {
    if image.color().has_alpha() {
        return with_alpha(image).flattened(WHITE);
    }
    let rgb = image.into_rgb8();
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    Rgb { width, height, bytes: rgb.into_raw() }
}

fn decode_file(path: &Path) -> Result<DynamicImage, Error> {
    let failed = |source| Error::Read { path: path.to_path_buf(), source };
    decode(path, BufReader::new(files::open_named(path).map_err(failed)?))
}

fn decode(path: &Path, mut file: impl BufRead + Seek) -> Result<DynamicImage, Error> {
    let read = |source| Error::Read { path: path.to_path_buf(), source };
    let damaged = |memory| move |e| Error::Damaged { path: path.to_path_buf(), what: undecodable(&e, memory) };
    let (width, height) = size(path, &mut file)?;
    let pixels = u64::from(width) * u64::from(height);
    if width.max(height) > PICTURE_SIDE || pixels > PICTURE_PIXELS {
        return Err(Error::TooLarge { path: path.to_path_buf(), width, height });
    }
    let length = file.seek(SeekFrom::End(0)).map_err(read)?;
    // Some decoders read the whole file, whatever is in it.
    if length > memory(pixels) {
        let mib = memory(pixels) >> 20;
        let what = say!(
            "a picture of {width}x{height} pixels has no file of more than {mib} MiB",
            "{width}x{height} 画素の画像のファイルが {mib} MiB を超えることはありません"
        );
        return Err(Error::Damaged { path: path.to_path_buf(), what });
    }
    file.rewind().map_err(read)?;
    let most = memory(pixels);
    // What stands before the pixels has little memory, however many they are: a profile of colours unpacks to what it likes.
    let mut decoder = reader(path, &mut file, memory(0))?.into_decoder().map_err(damaged(memory(0)))?;
    decoder.set_limits(limits(most)).map_err(damaged(most))?;
    let orientation = decoder.orientation().map_err(damaged(most))?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged(most))?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// Width and height of the picture at `path`, without its pixels.
pub fn picture_size(path: &Path) -> Result<(u32, u32), Error> {
    let failed = |source| Error::Read { path: path.to_path_buf(), source };
    size(path, &mut BufReader::new(files::open_named(path).map_err(failed)?))
}

/// Width and height. A profile of colours is unpacked before they are known: there is little memory for it.
fn size(path: &Path, file: &mut (impl BufRead + Seek)) -> Result<(u32, u32), Error> {
    let damaged = |what| Error::Damaged { path: path.to_path_buf(), what };
    let read = |source| Error::Read { path: path.to_path_buf(), source };
    let reader = reader(path, file, memory(0))?;
    match reader.format() {
        Some(ImageFormat::Jpeg) => {
            let mut file = reader.into_inner();
            let (size, is_whole) = comments::size_of_jpeg(&mut file).map_err(|problem| match problem {
                Problem::Damaged(what) => damaged(what),
                Problem::TooLong => Error::TooLong { path: path.to_path_buf(), limit: PICTURE_TEXT as u64 },
            })?;
            if !is_whole {
                return Err(damaged(say!("it is cut short", "途中で切れています")));
            }
            let (width, height) = size;
            let length = file.seek(SeekFrom::End(0)).map_err(read)?;
            if length < u64::from(width) * u64::from(height) / JPEG {
                return Err(damaged(say!(
                    "a JPEG of {width}x{height} pixels has no file of {length} bytes",
                    "{width}x{height} 画素の JPEG のファイルが {length} バイトということはありません"
                )));
            }
            Ok(size)
        }
        _ => Ok(reader.into_decoder().map_err(|e| damaged(undecodable(&e, memory(0))))?.dimensions()),
    }
}

/// Why the picture cannot be decoded, in words.
fn undecodable(error: &ImageError, memory: u64) -> Text {
    match error {
        ImageError::Limits(_) => {
            let mib = memory >> 20;
            say!(
                "decoding it takes more than {mib} MiB, which no picture of its size does",
                "デコードに {mib} MiB を超えるメモリーが要ります。この大きさの画像ではありえません"
            )
        }
        error => Text::same(error),
    }
}

/// Memory for what stands before the pixels, and for each pixel 16 bits of four channels and as much for tables and rows.
fn memory(pixels: u64) -> u64 {
    (24 << 20) + 16 * pixels
}

fn reader<F: BufRead + Seek>(path: &Path, file: F, memory: u64) -> Result<ImageReader<F>, Error> {
    let read = |source| Error::Read { path: path.to_path_buf(), source };
    let mut reader = ImageReader::new(file).with_guessed_format().map_err(read)?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP)) {
        return Err(Error::NoPicture { path: path.to_path_buf() });
    }
    reader.limits(limits(memory));
    Ok(reader)
}

fn limits(memory: u64) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(memory);
    limits
}
