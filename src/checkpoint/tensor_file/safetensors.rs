//! The header of a safetensors file, and what a file is that has none.

use std::borrow::Cow;
use std::collections::BTreeMap;

use safetensors::tensor::Metadata;
use serde_json::Value;

use super::error::Reason;
use super::source::Source;
use super::{Contents, Entry, Place, Span};
use crate::diagnostic::Text;
use crate::say;

/// Longer headers are refused, as the format has it.
const MAX_HEADER: usize = 100_000_000;

/// The tensors that the header of `source` names. Offsets have been checked against the length.
pub(super) fn read(source: &Source) -> Result<Contents, Reason> {
    let text = header(source).ok_or_else(|| no_header(source))?;
    let metadata: Metadata = serde_json::from_slice(&text).map_err(|error| why_unreadable(source, &text, &error))?;
    let data_start = size_of::<u64>() + text.len();
    match data_start.checked_add(metadata.data_len()) {
        Some(length) if length == source.len() => {}
        Some(length) if length < source.len() => return Err(Reason::TooLong(source.len() - length)),
        _ => return Err(Reason::CutShort(source.len())),
    }
    let mut entries = BTreeMap::new();
    for (name, info) in metadata.tensors() {
        // An empty tensor takes no bytes, so nothing else bounds its other dimensions.
        if info.shape.iter().try_fold(1usize, |n, dim| n.checked_mul((*dim).max(1))).is_none() {
            return Err(Reason::Other(say!(
                "tensor `{name}` has impossible dimensions",
                "テンソル `{name}` の形がありえません"
            )));
        }
        let bytes = data_start + info.data_offsets.0..data_start + info.data_offsets.1;
        let place = Place::Plain(Span { source: 0, bytes });
        entries.insert(name, Entry { dtype: info.dtype, shape: info.shape.clone(), place });
    }
    let metadata = metadata.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    Ok(Contents { entries, metadata })
}

/// The text of the header, if its length is one that it can have and it begins as an object does.
fn header(source: &Source) -> Option<Cow<'_, [u8]>> {
    let length = u64::from_le_bytes(*source.start(size_of::<u64>()).first_chunk()?);
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_HEADER)?;
    let text = source.get(size_of::<u64>()..size_of::<u64>() + length)?;
    text.starts_with(b"{").then_some(text)
}

/// What a file without a header looks like.
fn no_header(source: &Source) -> Reason {
    something_else(source).unwrap_or(Reason::CutShort(source.len()))
}

/// Why the header `text` is none.
fn why_unreadable(source: &Source, text: &[u8], error: &serde_json::Error) -> Reason {
    match serde_json::from_slice::<Value>(text) {
        Ok(header) => odd_metadata(&header).unwrap_or_else(|| Reason::Other(Text::same(error))),
        Err(_) => something_else(source).unwrap_or_else(|| Reason::Other(Text::same(error))),
    }
}

/// What stands in the metadata in place of a text.
fn odd_metadata(header: &Value) -> Option<Reason> {
    let kind = |value: &Value| match value {
        Value::String(_) => None,
        Value::Number(_) => Some(say!("a number", "数値")),
        Value::Object(_) => Some(say!("an object", "オブジェクト")),
        Value::Array(_) => Some(say!("a list", "リスト")),
        Value::Bool(_) => Some(say!("true or false", "真偽値")),
        Value::Null => Some(say!("null", "null ")),
    };
    let metadata = header.get("__metadata__")?;
    let found = match metadata {
        Value::Object(texts) => texts.values().find_map(kind),
        Value::Null => None,
        other => kind(other).or_else(|| Some(say!("a text", "裸の文字列"))),
    };
    found.map(Reason::Metadata)
}

/// What else people find under the name of a model.
fn something_else(source: &Source) -> Option<Reason> {
    /// A download that stopped has its space filled with zeros, at least at the start.
    const LOOKED_AT: usize = 1 << 16;
    let bytes = &*source.start(LOOKED_AT);
    const ARCHIVES: [(&[u8], &str); 6] = [
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"Rar!\x1a\x07", "RAR"),
        (b"\x1f\x8b", "gzip"),
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
    ];
    const PICTURES: [(&[u8], &str); 4] =
        [(b"\x89PNG\r\n", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"GIF8", "GIF"), (b"RIFF", "WebP")];
    let starts = |(start, name): &(&[u8], &'static str)| bytes.starts_with(start).then_some(*name);
    if bytes.is_empty() {
        return Some(Reason::Empty);
    }
    if bytes.starts_with(b"\0\x05\x16\x07") {
        return Some(Reason::AppleDouble);
    }
    if let Some(name) = ARCHIVES.iter().find_map(starts) {
        return Some(Reason::Archive(name));
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return Some(Reason::Archive("tar"));
    }
    if let Some(name) = PICTURES.iter().find_map(starts) {
        return Some(Reason::Picture(name));
    }
    if bytes.iter().all(|b| *b == 0) {
        return Some(Reason::Zeros);
    }
    words(bytes)
}

/// Texts that servers send in place of a file.
fn words(bytes: &[u8]) -> Option<Reason> {
    const LOOKED_AT: usize = 4096;
    const SHOWN: usize = 80;
    let start = bytes.get(..LOOKED_AT).unwrap_or(bytes);
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        // The end of what is looked at may cut a letter.
        Err(error) if error.error_len().is_none() && bytes.len() > LOOKED_AT => {
            std::str::from_utf8(&start[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.starts_with("version https://git-lfs") {
        return Some(Reason::LfsPointer);
    }
    if text.starts_with('<') {
        return Some(Reason::WebPage);
    }
    let is_text = !text.is_empty() && text.chars().all(|c| !c.is_control() || c.is_whitespace());
    is_text.then(|| {
        let mut shown: String = text.chars().take(SHOWN).collect::<String>().escape_debug().collect();
        if text.chars().count() > SHOWN {
            shown.push('…');
        }
        Reason::Answer(shown)
    })
}
