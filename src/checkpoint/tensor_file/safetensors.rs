//! The header of a safetensors file, and what a file is that has none.

use std::borrow::Cow;
use std::collections::BTreeMap;

use infer::MatcherType;
use safetensors::tensor::Metadata;

use super::error::Reason;
use super::source::Source;
use super::{Contents, Entry, Place, Span, header};
use crate::diagnostic::Text;
use crate::files::limits::TENSOR_HEADER;
use crate::say;

/// Longer headers are none, as the format has it.
const MAX_HEADER: usize = 100_000_000;

/// The tensors that the header of `source` names. Offsets have been checked against the length.
pub(super) fn read(source: &Source) -> Result<Contents, Reason> {
    let text = text_of_header(source)?;
    let unreadable =
        |error: serde_json::Error| something_else(source).unwrap_or_else(|| Reason::Other(Text::same(error)));
    let counted = header::count(&text).map_err(unreadable)?;
    let tensors = counted.tensors;
    if let Some(refusal) = counted.refusal() {
        return Err(refusal);
    }
    let metadata: Metadata = serde_json::from_slice(&text).map_err(|error| Reason::Other(Text::same(error)))?;
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
    if entries.len() < tensors {
        return Err(Reason::Other(say!(
            "its header names a tensor twice",
            "ヘッダーに同じ名前のテンソルが二つあります"
        )));
    }
    let metadata = metadata.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    Ok(Contents { entries, metadata })
}

/// The text of the header, if its length is one that it can have and it begins as an object does.
fn text_of_header(source: &Source) -> Result<Cow<'_, [u8]>, Reason> {
    let start = source.start(size_of::<u64>() + 1);
    let length = start.first_chunk().copied().map(u64::from_le_bytes).and_then(|length| usize::try_from(length).ok());
    let length = length.filter(|length| *length <= MAX_HEADER && start.get(size_of::<u64>()) == Some(&b'{'));
    let Some(length) = length else { return Err(no_header(source)) };
    if length > TENSOR_HEADER && source.len() - size_of::<u64>() >= length {
        let mib = TENSOR_HEADER >> 20;
        return Err(Reason::Other(say!(
            "its header is longer than {mib} MiB, which no model's is",
            "ヘッダーが {mib} MiB を超えています。そのようなモデルはありません"
        )));
    }
    source.get(size_of::<u64>()..size_of::<u64>() + length).ok_or_else(|| no_header(source))
}

/// What a file without a header looks like.
fn no_header(source: &Source) -> Reason {
    something_else(source).unwrap_or(Reason::CutShort(source.len()))
}

/// What else people find under the name of a model.
fn something_else(source: &Source) -> Option<Reason> {
    /// A download that stopped has its space filled with zeros, at least at the start.
    const LOOKED_AT: usize = 1 << 16;
    let bytes = &*source.start(LOOKED_AT);
    if bytes.is_empty() {
        return Some(Reason::Empty);
    }
    if bytes.starts_with(b"\0\x05\x16\x07") {
        return Some(Reason::AppleDouble);
    }
    if bytes.iter().all(|b| *b == 0) {
        return Some(Reason::Zeros);
    }
    if is_torrent(bytes) {
        return Some(Reason::Torrent);
    }
    by_signature(bytes).or_else(|| words(bytes))
}

/// A dictionary in BitTorrent's notation: its first key is a text with its length before it.
fn is_torrent(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.strip_prefix(b"d") else { return false };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (1..=3).contains(&digits)
        && rest.get(digits) == Some(&b':')
        && rest.windows(6).any(|part| part == b"4:info" || part == b"nounce")
}

/// Files that tell by their first bytes what they are.
fn by_signature(bytes: &[u8]) -> Option<Reason> {
    if bytes.starts_with(b"\x89HDF\r\n") {
        return Some(Reason::Foreign("HDF5"));
    }
    if bytes.starts_with(b"\x93NUMPY") {
        return Some(Reason::Foreign("NumPy"));
    }
    let kind = infer::get(bytes)?;
    let name = kind.extension();
    Some(match kind.matcher_type() {
        // What a text says tells more than that it is one.
        MatcherType::Text => return None,
        MatcherType::Image => Reason::Picture(name),
        MatcherType::App => Reason::Program(name),
        MatcherType::Archive if !["pdf", "rtf", "sqlite", "ps", "eot", "swf"].contains(&name) => Reason::Archive(name),
        _ => Reason::Foreign(name),
    })
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
    let start = text.get(..512).unwrap_or(text).to_ascii_lowercase();
    if start.starts_with('<')
        && ["<!doctype html", "<html", "<head", "<body", "<script"].iter().any(|tag| start.contains(tag))
    {
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
