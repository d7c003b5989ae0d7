//! Comments of JPEG and GIF files, where some programs keep infotext, and the XMP of JPEG.

use std::io::{BufRead, Read, Seek};

use super::TEXT_LIMIT;

/// How XMP begins in a JPEG's application segment.
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// The comments of a JPEG and its XMP by their keywords. A file that ends early has those before the end.
pub(super) fn of_jpeg(file: &mut (impl BufRead + Seek)) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let _ = walk_jpeg(file, &mut found);
    found
}

fn walk_jpeg(file: &mut (impl BufRead + Seek), found: &mut Vec<(String, String)>) -> std::io::Result<()> {
    let mut size = 0;
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
            0xd8 | 0xd0..=0xd7 | 0x01 | 0x00 => continue,
            // The pixels, and the end.
            0xda | 0xd9 => return Ok(()),
            _ => {}
        }
        let length = (usize::from(byte(file)?) << 8 | usize::from(byte(file)?)).saturating_sub(2);
        if !matches!(marker, 0xfe | 0xe1) {
            file.seek_relative(length as i64)?;
            continue;
        }
        let mut segment = Vec::new();
        file.by_ref().take(length as u64).read_to_end(&mut segment)?;
        size += segment.len();
        if segment.len() < length || size as u64 > TEXT_LIMIT {
            return Ok(());
        }
        match (marker, segment.strip_prefix(XMP)) {
            (0xe1, Some(xmp)) => found.push(("XML:com.adobe.xmp".to_owned(), text(xmp))),
            (0xfe, _) => found.push(("comment".to_owned(), text(&segment))),
            _ => {}
        }
    }
}

/// The comments of a GIF.
pub(super) fn of_gif(file: &mut impl BufRead) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let _ = walk_gif(file, &mut found);
    found
}

fn walk_gif(file: &mut impl BufRead, found: &mut Vec<(String, String)>) -> std::io::Result<()> {
    let mut header = [0; 13];
    file.read_exact(&mut header)?;
    skip_colours(file, header[10])?;
    let mut size = 0;
    loop {
        match byte(file)? {
            0x21 => {
                let is_comment = byte(file)? == 0xfe;
                let mut comment = Vec::new();
                blocks(file, |block| {
                    size += block.len();
                    if is_comment && size as u64 <= TEXT_LIMIT {
                        comment.extend_from_slice(block);
                    }
                })?;
                if is_comment {
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
fn skip_colours(file: &mut impl BufRead, flags: u8) -> std::io::Result<()> {
    if flags & 0x80 == 0 {
        return Ok(());
    }
    let mut table = vec![0; 3 << ((flags & 7) + 1)];
    file.read_exact(&mut table)
}

/// The blocks up to the empty one.
fn blocks(file: &mut impl BufRead, mut each: impl FnMut(&[u8])) -> std::io::Result<()> {
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

fn byte(file: &mut impl Read) -> std::io::Result<u8> {
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
