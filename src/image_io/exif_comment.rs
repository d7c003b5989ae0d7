//! EXIF's UserComment, where webui puts infotext in files that have no text chunks.

use exif::{Context, Exif, In, Reader, Tag, Value};

use super::budget::{Budget, Problem};
use crate::diagnostic::Text;
use crate::files::limits::EXIF_FIELDS;
use crate::say;

/// The texts of a bare EXIF block, as PNG's eXIf chunk holds it.
pub(super) fn from_tiff(block: Vec<u8>) -> Result<Vec<(String, String)>, Problem> {
    if count(&block) > EXIF_FIELDS {
        return Err(Problem::Damaged(say!(
            "its EXIF block has more than {EXIF_FIELDS} fields",
            "EXIF の項目が {EXIF_FIELDS} 個を超えています"
        )));
    }
    let exif = Reader::new().read_raw(block).map_err(|e| Problem::Damaged(Text::same(e)))?;
    texts(&exif)
}

/// How many directories and fields the block has, counted no further than [`EXIF_FIELDS`]: directories may lie over each other, so that
/// a small block can have any number of them.
fn count(block: &[u8]) -> usize {
    let is_little = block.starts_with(b"II");
    let two = |at: usize| {
        let bytes = *block.get(at..)?.first_chunk()?;
        Some(if is_little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let four = |at: usize| {
        let bytes = *block.get(at..)?.first_chunk()?;
        Some(if is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) } as usize)
    };
    // Where directories begin, those inside others and those that follow.
    let mut directories: Vec<usize> = four(4).into_iter().collect();
    let mut found = 0;
    while let Some(start) = directories.pop() {
        let Some(fields) = two(start).map(usize::from) else { continue };
        found += 1 + fields;
        if found > EXIF_FIELDS {
            break;
        }
        for field in (0..fields).map(|n| start + 2 + 12 * n) {
            let is_inner = two(field).is_some_and(|tag| [0x8769, 0x8825, 0xa005].contains(&tag));
            if is_inner {
                // A number of two or of four bytes.
                let at = if two(field + 2) == Some(3) { two(field + 8).map(usize::from) } else { four(field + 8) };
                directories.extend(at);
            }
        }
        directories.extend(four(start + 2 + 12 * fields).filter(|at| *at != 0));
    }
    found
}

/// A bare EXIF block that holds nothing but this comment, in UTF-16 with the high byte first, as webui writes it.
pub(super) fn block(text: &str) -> Vec<u8> {
    const EXIF_DIRECTORY: u16 = 0x8769;
    const USER_COMMENT: u16 = 0x9286;
    // Each of the two directories is a count, one entry of 12 bytes, and where the next directory is: nowhere.
    const HEAD: u32 = 8;
    const DIRECTORY: u32 = 2 + 12 + 4;
    let entry = |tag: u16, kind: u16, count: u32, value: u32| {
        let (count, value) = (count.to_be_bytes(), value.to_be_bytes());
        [&1u16.to_be_bytes()[..], &tag.to_be_bytes(), &kind.to_be_bytes(), &count, &value, &[0; 4]].concat()
    };
    let units = text.encode_utf16().flat_map(u16::to_be_bytes);
    let comment: Vec<u8> = b"UNICODE\0".iter().copied().chain(units).collect();
    let length = u32::try_from(comment.len()).unwrap_or(u32::MAX);
    let first = entry(EXIF_DIRECTORY, 4, 1, HEAD + DIRECTORY);
    let second = entry(USER_COMMENT, 7, length, HEAD + 2 * DIRECTORY);
    [&b"MM\0\x2a"[..], &HEAD.to_be_bytes(), &first, &second, &comment].concat()
}

/// Fields that hold what a picture was made with: the comment, wherever it stands and whatever its type; the description; and those in
/// which ComfyUI puts its graphs, with a word in front. No other field is read: each may be as long as the block.
fn texts(exif: &Exif) -> Result<Vec<(String, String)>, Problem> {
    const WANTED: [(u16, &str); 6] = [
        (0x010e, "ImageDescription"),
        (0x010f, "Make"),
        (0x0110, "Model"),
        (0x0131, "Software"),
        (0x9286, "UserComment"),
        (0x9c9c, "XPComment"),
    ];
    let (mut found, mut budget) = (Vec::new(), Budget::default());
    for context in [Context::Exif, Context::Tiff] {
        for (number, name) in WANTED {
            let Some(field) = exif.get_field(Tag(context, number), In::PRIMARY) else { continue };
            let bytes = match &field.value {
                Value::Undefined(bytes, _) | Value::Byte(bytes) => bytes.clone(),
                Value::Ascii(lines) => lines.concat(),
                _ => continue,
            };
            budget.take(bytes.len())?;
            let text = match name {
                "XPComment" => Some(decode_utf16(&bytes).trim_end_matches('\0').to_owned()).filter(|t| !t.is_empty()),
                _ => decode(&bytes),
            };
            found.extend(text.map(|text| named(name, text)));
        }
    }
    Ok(found)
}

/// The text under its field's name, or a graph of ComfyUI under its own.
fn named(name: &str, text: String) -> (String, String) {
    let graph =
        ["prompt", "workflow"].into_iter().find_map(|word| Some((word, text.strip_prefix(word)?.strip_prefix(':')?)));
    match graph {
        Some((word, graph)) if graph.trim_start().starts_with('{') => (word.to_owned(), graph.to_owned()),
        _ => (name.to_owned(), text),
    }
}

/// Eight bytes name the encoding: `UNICODE` is UTF-16, anything else is read as UTF-8, which ASCII is part of.
fn decode(bytes: &[u8]) -> Option<String> {
    let text = match bytes.split_at_checked(8) {
        Some((b"UNICODE\0", text)) => decode_utf16(text),
        Some((b"ASCII\0\0\0" | b"\0\0\0\0\0\0\0\0" | b"JIS\0\0\0\0\0", text)) => String::from_utf8_lossy(text).into(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    };
    let text = text.trim_end_matches('\0').trim_start_matches('\u{feff}');
    (!text.is_empty()).then(|| text.to_string())
}

/// The byte order is not recorded: webui writes the high byte first, others the low one. Infotext always has ASCII in
/// it, so the right order is the one that shows more of it.
fn decode_utf16(bytes: &[u8]) -> String {
    let units = |read: fn([u8; 2]) -> u16| bytes.chunks_exact(2).map(move |pair| read([pair[0], pair[1]]));
    let ascii = |read| units(read).filter(|unit| (1..0x80).contains(unit)).count();
    let order =
        if ascii(u16::from_le_bytes) > ascii(u16::from_be_bytes) { u16::from_le_bytes } else { u16::from_be_bytes };
    char::decode_utf16(units(order)).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        b"UNICODE\0".iter().copied().chain(text.encode_utf16().flat_map(bytes)).collect()
    }

    #[test]
    fn both_byte_orders_and_ascii() {
        for order in [u16::to_be_bytes, u16::to_le_bytes] {
            assert_eq!(decode(&utf16("桜, Steps: 20", order)).as_deref(), Some("桜, Steps: 20"));
        }
        assert_eq!(decode(b"ASCII\0\0\0Steps: 20\0").as_deref(), Some("Steps: 20"));
        assert_eq!(decode(b"Steps").as_deref(), Some("Steps"));
        assert_eq!(decode(b"UNICODE\0"), None);
    }

    #[test]
    fn what_is_written_is_read() {
        for text in ["桜 🌸, Steps: 20", "x"] {
            assert_eq!(from_tiff(block(text)).unwrap(), [("UserComment".to_owned(), text.to_owned())]);
        }
    }

    #[test]
    fn a_broken_block_is_an_error() {
        assert!(from_tiff(b"MM\0*".to_vec()).is_err());
    }
}
