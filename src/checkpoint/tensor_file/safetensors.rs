//! The header of a safetensors file, and what a file is that has none.

use std::collections::BTreeMap;

use safetensors::tensor::{SafeTensorError, SafeTensors};
use serde_json::Value;

use super::error::Reason;
use super::{Contents, Entry, Place, Span};
use crate::diagnostic::Text;
use crate::say;

/// The tensors that the header of `bytes` names. Offsets have been checked against the length.
pub(super) fn read(bytes: &[u8]) -> Result<Contents, Reason> {
    let (header_len, header) = SafeTensors::read_metadata(bytes).map_err(|e| why_unreadable(bytes, &e))?;
    let data_start = header_len + size_of::<u64>();
    let mut entries = BTreeMap::new();
    for (name, info) in header.tensors() {
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
    let metadata = header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    Ok(Contents { entries, metadata })
}

/// What a file whose header cannot be read looks like.
fn why_unreadable(bytes: &[u8], error: &SafeTensorError) -> Reason {
    if let Some(header) = header(bytes) {
        return match error {
            SafeTensorError::InvalidHeaderDeserialization(_) => {
                odd_metadata(&header).unwrap_or_else(|| Reason::Other(Text::same(error)))
            }
            SafeTensorError::MetadataIncompleteBuffer => match described_length(&header, bytes) {
                Some(length) if length < bytes.len() => Reason::TooLong(bytes.len() - length),
                _ => Reason::CutShort(bytes.len()),
            },
            error => Reason::Other(Text::same(error)),
        };
    }
    if let Some(reason) = something_else(bytes) {
        return reason;
    }
    match error {
        SafeTensorError::MetadataIncompleteBuffer | SafeTensorError::InvalidHeaderLength => {
            Reason::CutShort(bytes.len())
        }
        error => Reason::Other(Text::same(error)),
    }
}

/// The header, if it is an object in JSON.
fn header(bytes: &[u8]) -> Option<Value> {
    let length = usize::try_from(u64::from_le_bytes(*bytes.first_chunk()?)).ok()?;
    let text = bytes.get(size_of::<u64>()..length.checked_add(size_of::<u64>())?)?;
    serde_json::from_slice::<Value>(text).ok().filter(Value::is_object)
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

/// Where the last tensor that `header` describes ends in the file.
fn described_length(header: &Value, bytes: &[u8]) -> Option<usize> {
    let ends = header.as_object()?.values().filter_map(|tensor| tensor.get("data_offsets")?.get(1)?.as_u64());
    let header_len = u64::from_le_bytes(*bytes.first_chunk()?);
    usize::try_from(header_len.checked_add(8)?.checked_add(ends.max().unwrap_or(0))?).ok()
}

/// What else people find under the name of a model.
fn something_else(bytes: &[u8]) -> Option<Reason> {
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
    // A download that stopped has its space filled with zeros, at least at the start.
    if bytes.iter().take(1 << 16).all(|b| *b == 0) {
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
