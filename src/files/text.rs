//! Text of any encoding that says what it is.

/// Why bytes are no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotText {
    /// The first byte that is not UTF-8.
    pub at: usize,
    /// The encoding that it is most likely in; nothing where it looks like no text at all.
    pub likely: Option<&'static str>,
}

/// UTF-8 with or without a byte order mark, or UTF-16 with one.
pub fn decode(bytes: Vec<u8>) -> Result<String, NotText> {
    // The mark of UTF-32 begins as that of UTF-16 does.
    if bytes.starts_with(b"\xff\xfe\0\0") || bytes.starts_with(b"\0\0\xfe\xff") {
        return Err(NotText { at: 0, likely: Some("UTF-32") });
    }
    if let Some((encoding, mark)) = encoding_rs::Encoding::for_bom(&bytes)
        && encoding != encoding_rs::UTF_8
    {
        let (text, is_broken) = encoding.decode_without_bom_handling(&bytes[mark..]);
        return if is_broken { Err(NotText { at: 0, likely: None }) } else { Ok(text.into_owned()) };
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| NotText { at: error.utf8_error().valid_up_to(), likely: likely(error.as_bytes()) })?;
    // UTF-16 of western letters is valid UTF-8 with a zero after each.
    if let Some(at) = text.find('\0') {
        return Err(NotText { at, likely: likely(text.as_bytes()) });
    }
    Ok(text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_owned))
}

/// So many bytes tell the encoding.
const ENOUGH: usize = 1 << 16;

/// What bytes that are not UTF-8 look like.
fn likely(bytes: &[u8]) -> Option<&'static str> {
    let start = &bytes[..bytes.len().min(ENOUGH)];
    // UTF-16 of western text has a zero in every pair; other text has none.
    let zeros = |at: usize| start.iter().skip(at).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    match even + odd {
        0 => {}
        _ if odd * 4 > start.len() => return Some("UTF-16LE"),
        _ if even * 4 > start.len() => return Some("UTF-16BE"),
        _ => return None,
    }
    let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Deny);
    detector.feed(start, true);
    let encoding = detector.guess(None, chardetng::Utf8Detection::Deny);
    Some(if encoding == encoding_rs::SHIFT_JIS { "CP932 (Shift_JIS)" } else { encoding.name() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_its_encoding_is_read() {
        let utf16 =
            |bytes: fn(u16) -> [u8; 2]| "\u{feff}赤い髪\nred".encode_utf16().flat_map(bytes).collect::<Vec<_>>();
        for bytes in
            ["赤い髪\nred".into(), "\u{feff}赤い髪\nred".into(), utf16(u16::to_le_bytes), utf16(u16::to_be_bytes)]
        {
            assert_eq!(decode(bytes).as_deref(), Ok("赤い髪\nred"));
        }
    }

    #[test]
    fn other_encodings_are_named() {
        let encoded = |encoding: &'static encoding_rs::Encoding, text| encoding.encode(text).0.into_owned();
        let japanese = "赤い髪の少女、笑顔、青い目。夕焼けの空";
        for (bytes, name) in [
            (encoded(encoding_rs::SHIFT_JIS, japanese), "CP932 (Shift_JIS)"),
            (encoded(encoding_rs::EUC_JP, japanese), "EUC-JP"),
            (encoded(encoding_rs::GBK, "一个红头发的女孩，微笑，蓝色的眼睛"), "GBK"),
            (encoded(encoding_rs::WINDOWS_1252, "a café in München, crème brûlée"), "windows-1252"),
            ("red".encode_utf16().flat_map(u16::to_le_bytes).chain([0xd8, 0]).collect(), "UTF-16LE"),
            ("red hair\n".encode_utf16().flat_map(u16::to_le_bytes).collect(), "UTF-16LE"),
            ("red hair\n".encode_utf16().flat_map(u16::to_be_bytes).collect(), "UTF-16BE"),
        ] {
            assert_eq!(decode(bytes).unwrap_err().likely, Some(name), "{name}");
        }
        assert_eq!(decode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x40\0\0".to_vec()).unwrap_err().likely, None);
    }
}
