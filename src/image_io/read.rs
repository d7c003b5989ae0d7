//! Reading the text of an image.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::{Error, GRAPH, PARAMETERS, PLAN, exif_comment};
use crate::diagnostic::Text;
use crate::say;

/// Nobody's prompt is longer; what is longer is an attack or a mistake.
const TEXT_LIMIT: u64 = 16 << 20;
/// Memory that reading a PNG may take.
const PNG_LIMIT: usize = 256 << 20;

/// What an image tells about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageText {
    /// webui's infotext.
    pub parameters: Option<String>,
    /// The plan lbw wrote, as JSON.
    pub plan: Option<String>,
    /// The nodes that ComfyUI ran, as JSON.
    pub graph: Option<String>,
}

/// Reads the text of the image at `path`, of the `.txt` beside an image that has none, or a `.txt` file itself.
///
/// An image without any text is no error.
pub fn read_text(path: &Path) -> Result<ImageText, Error> {
    let mut file = open(path)?;
    let start = first_bytes(&mut file).map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
    let mut text = match start.as_slice() {
        [0x89, b'P', b'N', b'G', ..] => png_text(path, file)?,
        [0xff, 0xd8, ..] => exif_text(path, file)?,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P'] => exif_text(path, file)?,
        _ if has_txt_extension(path) => return text_file(path),
        _ => return Err(Error::UnknownFormat { path: path.to_path_buf() }),
    };
    if text.parameters.is_none() {
        let beside = path.with_extension("txt");
        if beside.is_file() {
            text.parameters = text_file(&beside)?.parameters;
        }
    }
    Ok(text)
}

fn open(path: &Path) -> Result<File, Error> {
    let failed = |source| Error::Read { path: path.to_path_buf(), source };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(failed(std::io::ErrorKind::IsADirectory.into()));
    }
    Ok(file)
}

fn first_bytes(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    file.by_ref().take(12).read_to_end(&mut start)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(start)
}

fn has_txt_extension(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("txt"))
}

fn text_file(path: &Path) -> Result<ImageText, Error> {
    let failed = |source| Error::Read { path: path.to_path_buf(), source };
    let mut bytes = Vec::new();
    open(path)?.take(TEXT_LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > TEXT_LIMIT {
        return Err(Error::TooLong { path: path.to_path_buf(), limit: TEXT_LIMIT });
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Error::Damaged {
            path: path.to_path_buf(),
            what: say!("byte {at} is not UTF-8", "{at} バイト目が UTF-8 ではありません"),
        }
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(ImageText { parameters: Some(text.to_string()), ..ImageText::default() })
}

fn png_text(path: &Path, file: File) -> Result<ImageText, Error> {
    let damaged = |e: png::DecodingError| Error::Damaged { path: path.to_path_buf(), what: Text::same(e) };
    let mut options = png::DecodeOptions::default();
    options.set_skip_ancillary_crc_failures(false);
    let mut decoder = png::Decoder::new_with_options(BufReader::new(file), options);
    decoder.set_limits(png::Limits { bytes: PNG_LIMIT });
    let mut reader = decoder.read_info().map_err(damaged)?;
    // Text may follow the pixels.
    reader.finish().map_err(damaged)?;
    let info = reader.info();
    let parameters = png_keyword(info, PARAMETERS).map_err(damaged)?;
    let parameters = match &info.exif_metadata {
        Some(exif) if parameters.is_none() => exif_comment::from_tiff(exif.to_vec())
            .map_err(|e| Error::Damaged { path: path.to_path_buf(), what: Text::same(e) })?,
        _ => parameters,
    };
    let keyword = |keyword| png_keyword(info, keyword).map_err(damaged);
    Ok(ImageText { parameters, plan: keyword(PLAN)?, graph: keyword(GRAPH)? })
}

/// The last text with this keyword, whichever of the three kinds of chunks it stands in.
fn png_keyword(info: &png::Info, keyword: &str) -> Result<Option<String>, png::DecodingError> {
    if let Some(chunk) = info.utf8_text.iter().rfind(|c| c.keyword == keyword) {
        return chunk.get_text().map(Some);
    }
    if let Some(chunk) = info.uncompressed_latin1_text.iter().rfind(|c| c.keyword == keyword) {
        return Ok(Some(chunk.text.clone()));
    }
    match info.compressed_latin1_text.iter().rfind(|c| c.keyword == keyword) {
        Some(chunk) => chunk.get_text().map(Some),
        None => Ok(None),
    }
}

fn exif_text(path: &Path, file: File) -> Result<ImageText, Error> {
    let parameters = exif_comment::from_container(&mut BufReader::new(file))
        .map_err(|e| Error::Damaged { path: path.to_path_buf(), what: Text::same(e) })?;
    Ok(ImageText { parameters, ..ImageText::default() })
}
