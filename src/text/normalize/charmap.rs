//! Single-byte encodings that UTF-8 is commonly mistaken for.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use encoding_rs::{
    ISO_8859_2, MACINTOSH, WINDOWS_1250, WINDOWS_1251, WINDOWS_1252, WINDOWS_1253, WINDOWS_1254, WINDOWS_1257,
};

/// The byte that stands for a U+FFFD whose byte is lost, in the encodings of Windows.
const SUBSTITUTE: u8 = 0x1a;

#[rustfmt::skip]
const CP437: &str = "\
    ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
    └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// One encoding: ASCII and 128 other characters.
pub(super) struct Charmap {
    pub(super) kind: Kind,
    /// The characters of the bytes 0x80–0xff.
    upper: Vec<char>,
    bytes: HashMap<char, u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Latin1,
    /// Bytes without a character stand for the Latin-1 character, byte 0x1a for U+FFFD.
    Windows,
    Mac,
    Other,
}

/// In the order they are tried.
pub(super) static CHARMAPS: LazyLock<Vec<Charmap>> = LazyLock::new(|| {
    let latin_1 = ('\u{80}'..='\u{ff}').collect();
    let mut charmaps = vec![Charmap::new(Kind::Latin1, latin_1)];
    for windows in [WINDOWS_1252, WINDOWS_1251, WINDOWS_1250, WINDOWS_1253, WINDOWS_1254, WINDOWS_1257] {
        charmaps.push(Charmap::new(Kind::Windows, upper_half(windows)));
    }
    charmaps.push(Charmap::new(Kind::Other, upper_half(ISO_8859_2)));
    charmaps.push(Charmap::new(Kind::Mac, upper_half(MACINTOSH)));
    charmaps.push(Charmap::new(Kind::Other, CP437.chars().collect()));
    charmaps
});

fn upper_half(encoding: &'static encoding_rs::Encoding) -> Vec<char> {
    let decode = |byte: u8| encoding.decode_without_bom_handling_and_without_replacement(&[byte])?.chars().next();
    (0x80..=0xff).map(|byte| decode(byte).unwrap_or(char::from(byte))).collect()
}

impl Charmap {
    fn new(kind: Kind, upper: Vec<char>) -> Self {
        let mut bytes: HashMap<char, u8> = upper.iter().copied().zip(0x80..=0xff).collect();
        if kind == Kind::Windows {
            bytes.insert(char::REPLACEMENT_CHARACTER, SUBSTITUTE);
        }
        Charmap { kind, upper, bytes }
    }

    /// The bytes of `text`, if this encoding has all of its characters.
    pub(super) fn encode(&self, text: &str) -> Option<Vec<u8>> {
        text.chars().map(|c| self.byte(c)).collect()
    }

    fn byte(&self, c: char) -> Option<u8> {
        match u8::try_from(c) {
            Ok(SUBSTITUTE) if self.kind == Kind::Windows => None,
            Ok(byte) if byte.is_ascii() => Some(byte),
            _ => self.bytes.get(&c).copied(),
        }
    }
}

/// What the bytes of UTF-8 look like when they are read as Latin-1 or one of Windows' encodings.
pub(super) struct Utf8Bytes {
    pub(super) first_of_2: HashSet<char>,
    pub(super) first_of_3: HashSet<char>,
    pub(super) first_of_4: HashSet<char>,
    /// Including a plain space for the no-break space that it often has become.
    pub(super) continuation: HashSet<char>,
    /// Without what also stands beside such text for itself: spaces, dashes, bullets, quotes, ellipses.
    pub(super) strict_continuation: HashSet<char>,
}

pub(super) static UTF8_BYTES: LazyLock<Utf8Bytes> = LazyLock::new(|| {
    let read_as = |bytes: &[u8]| -> HashSet<char> {
        let maps = CHARMAPS.iter().filter(|map| matches!(map.kind, Kind::Latin1 | Kind::Windows));
        maps.flat_map(|map| bytes.iter().map(|byte| map.upper[usize::from(byte & 0x7f)])).collect()
    };
    let range = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
    let strict_continuation: HashSet<char> =
        read_as(&range(0x80, 0xbf)).into_iter().filter(|c| !"–—―‘’‚“”„•…".contains(*c)).collect();
    let mut continuation = read_as(&range(0x80, 0xbf));
    continuation.insert(' ');
    Utf8Bytes {
        first_of_2: read_as(&range(0xc2, 0xdf)),
        first_of_3: read_as(&range(0xe0, 0xef)),
        // Other planes than those of F0 and F3 are not in use.
        first_of_4: read_as(&[0xf0, 0xf3]),
        continuation,
        strict_continuation,
    }
});
