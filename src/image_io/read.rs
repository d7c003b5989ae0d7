//! Reading the text of an image.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use super::picture::{MAX_SIDE, too_large};
use super::{Error, PARAMETERS, PLAN, PNG_LIMIT, TEXT_LIMIT, comments, exif_comment, stealth};
use crate::diagnostic::Text;
use crate::files::{self, NotText};
use crate::say;

/// What an image tells about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageText {
    /// webui's infotext, or what another program put in its place.
    pub parameters: Option<String>,
    /// The plan lbw wrote, as JSON.
    pub plan: Option<String>,
    /// All texts by their keywords.
    pub texts: Vec<(String, String)>,
    /// Width and height, where they were read.
    pub size: Option<(u32, u32)>,
}

impl ImageText {
    /// The last text of this keyword.
    pub fn get(&self, keyword: &str) -> Option<&str> {
        self.texts.iter().rfind(|(known, _)| known == keyword).map(|(_, text)| text.as_str())
    }

    /// The infotext is the first of these fields that holds anything; what cameras and sites write is none.
    fn with_parameters(mut self, keywords: &[&str]) -> Self {
        let is_made = |text: &str| text.contains("Steps: ") || text.trim_start().starts_with('{');
        let texts = keywords.iter().filter_map(|keyword| Some((*keyword, self.get(keyword)?)));
        let infotext = texts.into_iter().find(|(keyword, text)| *keyword == EXIF[0] || is_made(text));
        self.parameters = infotext.map(|(_, text)| text.to_owned());
        self
    }
}

/// Reads the text of the image at `path`, of the `.txt` beside an image that has none, or a `.txt` file itself.
///
/// An image without any text is no error.
pub fn read_text(path: &Path) -> Result<ImageText, Error> {
    let mut file = open(path)?;
    let start = first_bytes(&mut file).map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
    if has_txt_extension(path) && !is_image(&start) {
        return text_file(path);
    }
    let mut text = of_image(path, &start, &mut BufReader::new(file))?;
    if text.parameters.is_none() && text.texts.is_empty() {
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

/// Where EXIF holds infotext, the likeliest first.
const EXIF: [&str; 3] = ["UserComment", "XPComment", "ImageDescription"];

const PNG: [u8; 4] = [0x89, b'P', b'N', b'G'];

fn is_image(start: &[u8]) -> bool {
    start.starts_with(&PNG) || start.starts_with(&[0xff, 0xd8]) || start.starts_with(b"GIF8") || holds_exif(start)
}

/// WebP and AVIF.
fn holds_exif(start: &[u8]) -> bool {
    matches!(
        start,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P'] | [_, _, _, _, b'f', b't', b'y', b'p', ..]
    )
}

fn of_image(path: &Path, start: &[u8], file: &mut (impl BufRead + Seek)) -> Result<ImageText, Error> {
    match start {
        _ if start.starts_with(&PNG) => png_text(path, file),
        [0xff, 0xd8, ..] => jpeg_text(path, file),
        [b'G', b'I', b'F', b'8', ..] => {
            Ok(ImageText { texts: comments::of_gif(file), ..ImageText::default() }.with_parameters(&["comment"]))
        }
        _ if holds_exif(start) => Ok(exif_text(path, file)?.with_parameters(&EXIF)),
        _ => Err(Error::UnknownFormat { path: path.to_path_buf() }),
    }
}

fn rewind(path: &Path, file: &mut impl Seek) -> Result<(), Error> {
    file.rewind().map_err(|source| Error::Read { path: path.to_path_buf(), source })
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
    let text = files::decode(bytes).map_err(|NotText { at, .. }| Error::Damaged {
        path: path.to_path_buf(),
        what: say!("byte {at} is not UTF-8", "{at} バイト目が UTF-8 ではありません"),
    })?;
    Ok(ImageText { parameters: Some(text), ..ImageText::default() })
}

fn png_text(path: &Path, file: &mut (impl BufRead + Seek)) -> Result<ImageText, Error> {
    let damaged = |e: png::DecodingError| Error::Damaged { path: path.to_path_buf(), what: Text::same(e) };
    let mut options = png::DecodeOptions::default();
    options.set_skip_ancillary_crc_failures(false);
    let mut decoder = png::Decoder::new_with_options(&mut *file, options);
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
    let mut text = ImageText {
        plan: png_keyword(info, PLAN).map_err(damaged)?,
        texts: png_texts(info),
        size: Some(info.size()),
        parameters,
    };
    if let Some(exif) = info.exif_metadata.as_ref().filter(|_| text.parameters.is_none()) {
        let fields = exif_comment::from_tiff(exif.to_vec())
            .map_err(|e| Error::Damaged { path: path.to_path_buf(), what: Text::same(e) })?;
        text.texts.extend(fields);
        text = text.with_parameters(&EXIF);
    }
    if text.parameters.is_none() && text.texts.is_empty() {
        drop(reader);
        rewind(path, file)?;
        text.parameters = stealth::hidden_text(file);
    }
    Ok(text)
}

/// All texts of a PNG; those that cannot be unpacked are left out.
fn png_texts(info: &png::Info) -> Vec<(String, String)> {
    let latin1 = info.uncompressed_latin1_text.iter().map(|c| (c.keyword.clone(), as_utf8(&c.text)));
    let packed =
        info.compressed_latin1_text.iter().filter_map(|c| Some((c.keyword.clone(), as_utf8(&c.get_text().ok()?))));
    let utf8 = info.utf8_text.iter().filter_map(|c| Some((c.keyword.clone(), c.get_text().ok()?)));
    latin1.chain(packed).chain(utf8).collect()
}

/// Text that was read as Latin-1, and that some programs wrote as UTF-8 all the same.
fn as_utf8(text: &str) -> String {
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c as u32).ok()).collect();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| text.to_owned())
}

/// The last text with this keyword, whichever of the three kinds of chunks it stands in.
fn png_keyword(info: &png::Info, keyword: &str) -> Result<Option<String>, png::DecodingError> {
    if let Some(chunk) = info.utf8_text.iter().rfind(|c| c.keyword == keyword) {
        return chunk.get_text().map(Some);
    }
    if let Some(chunk) = info.uncompressed_latin1_text.iter().rfind(|c| c.keyword == keyword) {
        return Ok(Some(as_utf8(&chunk.text)));
    }
    match info.compressed_latin1_text.iter().rfind(|c| c.keyword == keyword) {
        Some(chunk) => chunk.get_text().map(|text| Some(as_utf8(&text))),
        None => Ok(None),
    }
}

fn jpeg_text(path: &Path, file: &mut (impl BufRead + Seek)) -> Result<ImageText, Error> {
    let mut text = exif_text(path, file)?;
    rewind(path, file)?;
    text.texts.extend(comments::of_jpeg(file));
    Ok(text.with_parameters(&[EXIF[0], EXIF[1], "comment", EXIF[2]]))
}

fn exif_text(path: &Path, file: &mut (impl BufRead + Seek)) -> Result<ImageText, Error> {
    let texts = exif_comment::from_container(file)
        .map_err(|e| Error::Damaged { path: path.to_path_buf(), what: Text::same(e) })?;
    Ok(ImageText { texts, ..ImageText::default() })
}
