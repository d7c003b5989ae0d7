//! The texts of a PNG, read chunk by chunk and without its pixels.
//!
//! The png crate, which reads the pixels, unpacks a text to whatever it becomes, and the colour profile with it; here each byte that
//! is kept or unpacked comes out of one [`Budget`].

use std::io::{self, BufRead, Read};

use flate2::read::ZlibDecoder;

use super::budget::{Budget, Problem};
use super::{PARAMETERS, PLAN};
use crate::files::limits::PICTURE_BLOCK;
use crate::say;

/// What a PNG holds beside its pixels.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    /// Width and height.
    pub size: (u32, u32),
    /// Texts by their keywords; of several of one keyword the one that counts comes last.
    pub texts: Vec<(String, String)>,
    /// The EXIF block.
    pub exif: Option<Vec<u8>>,
}

/// The three kinds of text chunks, the one whose text counts last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Packed,
    Latin1,
    Utf8,
}

/// Reads all chunks of the PNG that begins here, each against its checksum. Text may follow the pixels.
pub(super) fn read(file: &mut impl BufRead) -> Result<Chunks, Problem> {
    io::copy(&mut file.by_ref().take(SIGNATURE), &mut io::sink())?;
    let (mut chunks, mut budget) = (Chunks::default(), Budget::default());
    let mut texts = Vec::new();
    let mut has_pixels = false;
    for number in 0u32.. {
        let mut head = [0; 8];
        file.read_exact(&mut head)?;
        let [a, b, c, d, name @ ..] = head;
        let length = u32::from_be_bytes([a, b, c, d]);
        let mut chunk = Chunk::new(file, length, name);
        match &name {
            b"IHDR" if number == 0 && length == 13 => {
                let data = chunk.data(13)?;
                let side = |at: usize| data[at..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
                chunks.size = (side(0), side(4));
            }
            _ if number == 0 => {
                return Err(Problem::Damaged(say!("it does not begin with its size", "画像の大きさがありません")));
            }
            b"tEXt" | b"zTXt" | b"iTXt" => {
                let data = chunk.data(budget.left())?;
                texts.extend(text(&name, &data, &mut budget)?);
            }
            b"eXIf" if chunks.exif.is_none() => chunks.exif = Some(chunk.data(PICTURE_BLOCK)?),
            b"IDAT" => has_pixels = true,
            _ => {}
        }
        chunk.end()?;
        if name == *b"IEND" {
            break;
        }
    }
    if !has_pixels {
        return Err(Problem::Damaged(say!("it has no pixels", "画素がありません")));
    }
    texts.sort_by_key(|(kind, ..)| *kind);
    chunks.texts = texts.into_iter().map(|(_, keyword, text)| (keyword, text)).collect();
    Ok(chunks)
}

/// Bytes before the first chunk.
const SIGNATURE: u64 = 8;

/// A chunk that is being read.
struct Chunk<'a, R> {
    file: &'a mut R,
    left: u32,
    name: [u8; 4],
    checksum: crc32fast::Hasher,
}

impl<'a, R: BufRead> Chunk<'a, R> {
    fn new(file: &'a mut R, left: u32, name: [u8; 4]) -> Self {
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&name);
        Chunk { file, left, name, checksum }
    }

    /// All of it, if it is no longer than `most`.
    fn data(&mut self, most: usize) -> Result<Vec<u8>, Problem> {
        if self.left as usize > most {
            return Err(Problem::TooLong);
        }
        let mut data = Vec::new();
        self.file.by_ref().take(u64::from(self.left)).read_to_end(&mut data)?;
        if data.len() < self.left as usize {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        self.checksum.update(&data);
        self.left = 0;
        Ok(data)
    }

    /// Passes over the rest and looks whether all of it is what was written.
    fn end(mut self) -> Result<(), Problem> {
        while self.left > 0 {
            let bytes = self.file.fill_buf()?;
            let some = bytes.len().min(self.left as usize);
            if some == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            self.checksum.update(&bytes[..some]);
            self.file.consume(some);
            self.left -= some as u32;
        }
        let mut written = [0; 4];
        self.file.read_exact(&mut written)?;
        if u32::from_be_bytes(written) != self.checksum.finalize() {
            let name = self.name.escape_ascii();
            return Err(Problem::Damaged(say!(
                "the checksum of its chunk `{name}` is wrong",
                "チャンク `{name}` のチェックサムが違います"
            )));
        }
        Ok(())
    }
}

/// The text in a chunk with its keyword. What cannot be read is left out, unless lbw is to read it.
fn text(name: &[u8; 4], data: &[u8], budget: &mut Budget) -> Result<Option<(Kind, String, String)>, Problem> {
    let parts = parts(name, data);
    let Some((kind, keyword, packed, bytes)) = parts else { return Ok(None) };
    let keyword = latin_1(keyword);
    let unreadable = |keyword: &str| match keyword {
        PARAMETERS | PLAN => Err(Problem::Damaged(say!(
            "its text `{keyword}` cannot be unpacked",
            "テキスト `{keyword}` が展開できません"
        ))),
        _ => Ok(None),
    };
    let unpacked = match packed {
        true => {
            let mut unpacked = Vec::new();
            let most = budget.left();
            let read = ZlibDecoder::new(bytes).take(most as u64 + 1).read_to_end(&mut unpacked);
            if unpacked.len() > most {
                return Err(Problem::TooLong);
            }
            // What was unpacked in vain has cost the same.
            budget.take(unpacked.len())?;
            if read.is_err() {
                return unreadable(&keyword);
            }
            unpacked
        }
        false => {
            budget.take(bytes.len())?;
            bytes.to_vec()
        }
    };
    // Some programs write UTF-8 where Latin-1 is due.
    match (String::from_utf8(unpacked), kind) {
        (Ok(text), _) => Ok(Some((kind, keyword, text))),
        (Err(_), Kind::Utf8) => unreadable(&keyword),
        (Err(error), _) => Ok(Some((kind, keyword, latin_1(error.as_bytes())))),
    }
}

/// Kind, keyword, whether the text is packed, and the text. Nothing for a chunk that is not as it should be.
fn parts<'a>(name: &[u8; 4], data: &'a [u8]) -> Option<(Kind, &'a [u8], bool, &'a [u8])> {
    const KEYWORD: usize = 79;
    let (keyword, rest) = split(data)?;
    if keyword.is_empty() || keyword.len() > KEYWORD {
        return None;
    }
    match (name, rest) {
        (b"tEXt", text) => Some((Kind::Latin1, keyword, false, text)),
        (b"zTXt", [0, text @ ..]) => Some((Kind::Packed, keyword, true, text)),
        (b"iTXt", [packed @ (0 | 1), 0, rest @ ..]) => {
            let (_language, rest) = split(rest)?;
            let (_translated, text) = split(rest)?;
            Some((Kind::Utf8, keyword, *packed == 1, text))
        }
        _ => None,
    }
}

/// What stands before and behind the first zero.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == 0)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

fn latin_1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}
