//! Reading the text of an image.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use super::picture::{MAX_SIDE, too_large};
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
    /// Other texts of a PNG, by their keywords.
    pub others: BTreeMap<String, String>,
}

/// Reads the text of the image at `path`, of the `.txt` beside an image that has none, or a `.txt` file itself.
///
/// An image without any text is no error.
pub fn read_text(path: &Path) -> Result<ImageText, Error> {
    let mut file = open(path)?;
    let start = first_bytes(&mut file).map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
    if !is_image(&start) && has_txt_extension(path) {
        return text_file(path);
    }
    let mut text = of_image(path, &start, &mut BufReader::new(file))?;
    if text.parameters.is_none() {
        let beside = path.with_extension("txt");
        if beside.is_file() {
            text.parameters = text_file(&beside)?.parameters;
        }
    }
    Ok(text)
}

/// Reads the text of an image that is called `name`.
pub fn text_of_bytes(name: &str, bytes: &[u8]) -> Result<ImageText, Error> {
    of_image(Path::new(name), bytes.get(..12).unwrap_or(bytes), &mut Cursor::new(bytes))
}

fn is_image(start: &[u8]) -> bool {
    is_png(start) || has_exif(start)
}

fn is_png(start: &[u8]) -> bool {
    matches!(start, [0x89, b'P', b'N', b'G', ..])
}

/// JPEG and WebP.
fn has_exif(start: &[u8]) -> bool {
    matches!(start, [0xff, 0xd8, ..] | [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P'])
}

fn of_image(path: &Path, start: &[u8], file: &mut (impl BufRead + Seek)) -> Result<ImageText, Error> {
    match start {
        start if is_png(start) => png_text(path, file),
        start if has_exif(start) => exif_text(path, file),
        _ => Err(Error::UnknownFormat { path: path.to_path_buf() }),
    }
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

fn png_text(path: &Path, file: &mut (impl BufRead + Seek)) -> Result<ImageText, Error> {
    let damaged = |e: png::DecodingError| Error::Damaged { path: path.to_path_buf(), what: Text::same(e) };
    let mut options = png::DecodeOptions::default();
    options.set_skip_ancillary_crc_failures(false);
    let mut decoder = png::Decoder::new_with_options(file, options);
    decoder.set_limits(png::Limits { bytes: PNG_LIMIT });
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (width, height) = reader.info().size();
    if width.max(height) > MAX_SIDE {
        return Err(too_large(path, width, height));
    }
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
    let mut others = BTreeMap::new();
    let utf8 = info.utf8_text.iter().map(|chunk| &chunk.keyword);
    for name in utf8.chain(info.uncompressed_latin1_text.iter().map(|chunk| &chunk.keyword)) {
        if let Some(text) = keyword(name)?.filter(|_| ![PARAMETERS, PLAN].contains(&name.as_str())) {
            others.insert(name.clone(), text);
        }
    }
    Ok(ImageText { parameters, plan: keyword(PLAN)?, graph: keyword(GRAPH)?, others })
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

fn exif_text(path: &Path, file: &mut (impl BufRead + Seek)) -> Result<ImageText, Error> {
    let parameters = exif_comment::from_container(file)
        .map_err(|e| Error::Damaged { path: path.to_path_buf(), what: Text::same(e) })?;
    Ok(ImageText { parameters, ..ImageText::default() })
}
