//! What stands in segments, chunks and blocks: comments of JPEG and GIF files, where some programs keep infotext, the XMP of JPEG,
//! and the EXIF block of JPEG and WebP.

use std::io::{self, BufRead, Read, Seek};

use super::budget::{Budget, Problem};
use crate::files::limits::PICTURE_BLOCK;
use crate::say;

/// How XMP begins in a JPEG's application segment.
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// What a file has beside its pixels.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// Texts by their keywords.
    pub texts: Vec<(String, String)>,
    /// The EXIF block.
    pub exif: Option<Vec<u8>>,
}

/// What a JPEG has before its pixels. A file that ends early has what stands before its end; one that ends before it begins is cut
/// short.
pub(super) fn of_jpeg(file: &mut (impl BufRead + Seek)) -> Result<Beside, Problem> {
    let mut found = Beside::default();
    match walk_jpeg(file, &mut found) {
        Err(Problem::TooLong) => Err(Problem::TooLong),
        Err(error) if found.texts.is_empty() && found.exif.is_none() => Err(error),
        _ => Ok(found),
    }
}

fn walk_jpeg(file: &mut (impl BufRead + Seek), found: &mut Beside) -> Result<(), Problem> {
    let mut budget = Budget::default();
    while let Some((marker, length)) = next_segment(file)? {
        if !matches!(marker, 0xfe | 0xe1) {
            file.seek_relative(length as i64)?;
            continue;
        }
        let segment = exactly(file, length)?;
        if let (0xe1, Some(exif), None) = (marker, segment.strip_prefix(b"Exif\0\0"), &found.exif) {
            found.exif = Some(exif.to_vec());
        }
        let (keyword, bytes) = match (marker, segment.strip_prefix(XMP)) {
            (0xe1, Some(xmp)) => ("XML:com.adobe.xmp", xmp),
            (0xfe, _) => ("comment", &segment[..]),
            _ => continue,
        };
        budget.take(bytes.len())?;
        found.texts.push((keyword.to_owned(), text(bytes)));
    }
    Ok(())
}

/// Width and height of a JPEG, and whether its pixels have an end.
pub(super) fn size_of_jpeg(file: &mut (impl BufRead + Seek)) -> Result<((u32, u32), bool), Problem> {
    let mut size = None;
    while let Some((marker, length)) = next_segment(file)? {
        // A frame, of whichever of the thirteen kinds: its precision, its height, its width.
        let is_frame = matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
        if !is_frame || length < FRAME || size.is_some() {
            file.seek_relative(length as i64)?;
            continue;
        }
        let [_, a, b, c, d] = *exactly(file, FRAME)?.first_chunk().unwrap_or(&[0; FRAME]);
        size = Some((u16::from_be_bytes([c, d]).into(), u16::from_be_bytes([a, b]).into()));
        file.seek_relative((length - FRAME) as i64)?;
    }
    match size {
        Some(size) => Ok((size, has_end_of_jpeg(file)?)),
        None => Err(Problem::Damaged(say!("it has no pixels", "画素がありません"))),
    }
}

/// Bytes of a frame's size.
const FRAME: usize = 5;

/// Whether the pixels that begin here in a JPEG have an end. Decoders paint what is missing grey.
fn has_end_of_jpeg(file: &mut impl BufRead) -> io::Result<bool> {
    let mut last = 0;
    loop {
        let bytes = file.fill_buf()?;
        let Some(end) = bytes.last().copied() else { return Ok(false) };
        if (last == 0xff && bytes[0] == 0xd9) || bytes.windows(2).any(|pair| pair == [0xff, 0xd9]) {
            return Ok(true);
        }
        last = end;
        let length = bytes.len();
        file.consume(length);
    }
}

/// The marker and the length of the next segment before the pixels and the end.
fn next_segment(file: &mut impl BufRead) -> Result<Option<(u8, usize)>, Problem> {
    loop {
        let mut marker = byte(file)?;
        while marker != 0xff {
            marker = byte(file)?;
        }
        while marker == 0xff {
            marker = byte(file)?;
        }
        match marker {
            // Without a length: the start, restarts, and a stuffed zero.
            0xd8 | 0xd0..=0xd7 | 0x01 | 0x00 => {}
            0xda | 0xd9 => return Ok(None),
            _ => {
                let length = usize::from(byte(file)?) << 8 | usize::from(byte(file)?);
                return Ok(Some((marker, length.saturating_sub(2))));
            }
        }
    }
}

/// The EXIF block of a WebP.
pub(super) fn exif_of_webp(file: &mut (impl BufRead + Seek)) -> Result<Option<Vec<u8>>, Problem> {
    let mut head = [0; 12];
    file.read_exact(&mut head)?;
    let mut left = u64::from(little(&head[4..])).saturating_sub(4);
    while left >= 8 {
        let mut chunk = [0; 8];
        file.read_exact(&mut chunk)?;
        let length = little(&chunk[4..]);
        if chunk.starts_with(b"EXIF") {
            return match length as usize {
                0..=PICTURE_BLOCK => Ok(Some(exactly(file, length as usize)?)),
                _ => Err(Problem::TooLong),
            };
        }
        let padded = i64::from(length) + i64::from(length % 2);
        file.seek_relative(padded)?;
        left = left.saturating_sub(8 + padded as u64);
    }
    Ok(None)
}

fn little(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// So many bytes, for which memory is taken as they come.
pub(super) fn exactly(file: &mut impl BufRead, length: usize) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    file.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(bytes)
}

/// The comments of a GIF; of a file that ends early those before its end.
pub(super) fn of_gif(file: &mut impl BufRead) -> Result<Vec<(String, String)>, Problem> {
    let mut found = Vec::new();
    match walk_gif(file, &mut found) {
        Err(Problem::TooLong) => Err(Problem::TooLong),
        _ => Ok(found),
    }
}

fn walk_gif(file: &mut impl BufRead, found: &mut Vec<(String, String)>) -> Result<(), Problem> {
    let mut header = [0; 13];
    file.read_exact(&mut header)?;
    skip_colours(file, header[10])?;
    let mut budget = Budget::default();
    loop {
        match byte(file)? {
            0x21 => {
                let is_comment = byte(file)? == 0xfe;
                let (mut comment, most) = (Vec::new(), budget.left());
                blocks(file, |block| {
                    if is_comment && comment.len() <= most {
                        comment.extend_from_slice(block);
                    }
                })?;
                if is_comment {
                    budget.take(comment.len())?;
                    found.push(("comment".to_owned(), text(&comment)));
                }
            }
            0x2c => {
                let mut descriptor = [0; 9];
                file.read_exact(&mut descriptor)?;
                skip_colours(file, descriptor[8])?;
                byte(file)?;
                blocks(file, |_| {})?;
            }
            _ => return Ok(()),
        }
    }
}

/// Passes over a table of colours, where the flags say that there is one.
fn skip_colours(file: &mut impl BufRead, flags: u8) -> io::Result<()> {
    if flags & 0x80 == 0 {
        return Ok(());
    }
    let mut table = vec![0; 3 << ((flags & 7) + 1)];
    file.read_exact(&mut table)
}

/// The blocks up to the empty one.
fn blocks(file: &mut impl BufRead, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let mut block = [0; 255];
    loop {
        let length = usize::from(byte(file)?);
        if length == 0 {
            return Ok(());
        }
        file.read_exact(&mut block[..length])?;
        each(&block[..length]);
    }
}

fn byte(file: &mut impl Read) -> io::Result<u8> {
    let mut byte = [0];
    file.read_exact(&mut byte).map(|()| byte[0])
}

/// UTF-8, UTF-16 where a mark says so, or else Latin-1.
pub(super) fn text(bytes: &[u8]) -> String {
    if [b"\xff\xfe", b"\xfe\xff"].iter().any(|mark| bytes.starts_with(*mark))
        && let Ok(text) = crate::files::decode(bytes.to_vec())
    {
        return text;
    }
    let text =
        std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().map(|b| char::from(*b)).collect(), str::to_owned);
    text.trim_end_matches('\0').to_owned()
}
