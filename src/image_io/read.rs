//! Reading the text of an image.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use super::budget::Problem;
use super::comments::Beside;
use super::{Error, PARAMETERS, PLAN, avif, chunks, comments, exif_comment, stealth};
use crate::files::limits::{PICTURE_SIDE, PICTURE_TEXT};
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
    if text.parameters.is_none() && text.texts.is_empty() && !files::is_standard_input(path) {
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
    let text = match start {
        _ if start.starts_with(&PNG) => return png_text(path, file),
        [0xff, 0xd8, ..] => jpeg_text(file).map(|text| text.with_parameters(&[EXIF[0], EXIF[1], "comment", EXIF[2]])),
        [b'G', b'I', b'F', b'8', ..] => {
            comments::of_gif(file).map(|texts| of_texts(texts).with_parameters(&["comment"]))
        }
        _ if holds_exif(start) => {
            let exif = if start.starts_with(b"RIFF") { comments::exif_of_webp(file) } else { avif::exif(file) };
            exif.and_then(exif_text).map(|text| text.with_parameters(&EXIF))
        }
        _ => return Err(Error::UnknownFormat { path: path.to_path_buf() }),
    };
    text.map_err(|problem| error(path, problem))
}

fn error(path: &Path, problem: Problem) -> Error {
    let path = path.to_path_buf();
    match problem {
        Problem::Damaged(what) => Error::Damaged { path, what },
        Problem::TooLong => Error::TooLong { path, limit: PICTURE_TEXT as u64 },
    }
}

fn of_texts(texts: Vec<(String, String)>) -> ImageText {
    ImageText { texts, ..ImageText::default() }
}

fn rewind(path: &Path, file: &mut impl Seek) -> Result<(), Error> {
    file.rewind().map_err(|source| Error::Read { path: path.to_path_buf(), source })
}

fn open(path: &Path) -> Result<File, Error> {
    files::open_named(path).map_err(|source| Error::Read { path: path.to_path_buf(), source })
}

/// Whether what the caller names is a picture by its first bytes; a file that cannot be read is none.
pub fn is_picture(path: &Path) -> bool {
    open(path).is_ok_and(|mut file| first_bytes(&mut file).is_ok_and(|start| is_image(&start)))
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
    open(path)?.take(PICTURE_TEXT as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > PICTURE_TEXT {
        return Err(error(path, Problem::TooLong));
    }
    let text = files::decode(bytes).map_err(|NotText { at, .. }| Error::Damaged {
        path: path.to_path_buf(),
        what: say!("byte {at} is not UTF-8", "{at} バイト目が UTF-8 ではありません"),
    })?;
    Ok(ImageText { parameters: Some(text), ..ImageText::default() })
}

fn png_text(path: &Path, file: &mut (impl BufRead + Seek)) -> Result<ImageText, Error> {
    let chunks = chunks::read(file).map_err(|problem| error(path, problem))?;
    let (width, height) = chunks.size;
    if width.max(height) > PICTURE_SIDE {
        return Err(Error::TooLarge { path: path.to_path_buf(), width, height });
    }
    let mut text = ImageText { size: Some(chunks.size), ..of_texts(chunks.texts) };
    text.parameters = text.get(PARAMETERS).map(str::to_owned);
    text.plan = text.get(PLAN).map(str::to_owned);
    if let Some(exif) = chunks.exif.filter(|_| text.parameters.is_none()) {
        text.texts.extend(exif_comment::from_tiff(exif).map_err(|problem| error(path, problem))?);
        text = text.with_parameters(&EXIF);
    }
    if text.parameters.is_none() && text.texts.is_empty() {
        rewind(path, file)?;
        text.parameters = stealth::hidden_text(file);
    }
    Ok(text)
}

fn jpeg_text(file: &mut (impl BufRead + Seek)) -> Result<ImageText, Problem> {
    let Beside { texts, exif } = comments::of_jpeg(file)?;
    let mut text = exif_text(exif)?;
    text.texts.extend(texts);
    Ok(text)
}

fn exif_text(block: Option<Vec<u8>>) -> Result<ImageText, Problem> {
    Ok(of_texts(block.map(exif_comment::from_tiff).transpose()?.unwrap_or_default()))
}
