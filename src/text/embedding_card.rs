//! Pictures that carry a textual-inversion embedding: webui's cards, whose PNG text `sd-ti-embedding` is the embedding as JSON
//! in base 64. Tensors are lists of numbers under the key `TORCHTENSOR`.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};
use std::path::Path;

use candle_core::{Device, Tensor};
use serde_json::Value;

use super::embedding_file::Unusable;
use crate::files;
use crate::files::limits::EMBEDDING_TEXT;
use crate::say;

/// Files that may be such pictures.
pub(super) const EXTENSIONS: &[&str] = &["png"];
const KEY: &[u8] = b"sd-ti-embedding\0";

/// The tensors of a card, f32, by their names in a pickle of the same embedding.
pub(super) type Card = BTreeMap<String, Tensor>;

pub(super) fn is_picture(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

/// The embedding in the picture at `path`; `None` for any other picture.
pub(super) fn read(path: &Path) -> Option<Result<Card, Unusable>> {
    let damaged = || {
        Unusable::Damaged(say!(
            "the embedding in the picture is damaged; get the picture again as it was saved",
            "画像の中の embedding が壊れています。保存されたままの画像を入手し直してください"
        ))
    };
    let text = text(BufReader::new(files::open(path).ok()?))?;
    let json = base64(&text).and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let Some(json) = json else { return Some(Err(damaged())) };
    let mut card = Card::new();
    if tensors(&json, "", &mut card).is_none() {
        return Some(Err(damaged()));
    }
    Some(Ok(card))
}

/// The text of the chunk that holds the embedding, which is passed over where it is not there.
fn text(mut png: impl Read) -> Option<Vec<u8>> {
    let mut signature = [0; 8];
    png.read_exact(&mut signature).ok().filter(|()| signature == *b"\x89PNG\r\n\x1a\n")?;
    loop {
        let mut head = [0; 8];
        png.read_exact(&mut head).ok()?;
        let [a, b, c, d, kind @ ..] = head;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let mut chunk = (&mut png).take(length as u64);
        if matches!(&kind, b"tEXt" | b"iTXt") && length <= EMBEDDING_TEXT {
            let mut bytes = Vec::new();
            chunk.read_to_end(&mut bytes).ok()?;
            if let Some(text) = bytes.strip_prefix(KEY) {
                // An iTXt chunk has flags, a language and a translated key before its text; compressed ones are not written.
                let text = if &kind == b"iTXt" { text.rsplit(|b| *b == 0).next()? } else { text };
                return Some(text.to_vec());
            }
        }
        if &kind == b"IEND" {
            return None;
        }
        // What is left of the chunk, and its checksum.
        let rest = chunk.limit() + 4;
        let skipped = std::io::copy(&mut (&mut png).take(rest), &mut std::io::sink()).ok()?;
        if skipped < rest {
            return None;
        }
    }
}

fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for letter in text.iter().filter(|b| !b.is_ascii_whitespace() && **b != b'=') {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

/// Adds the tensors in `json`, named by the keys that lead to them; `None` where one is none.
fn tensors(json: &Value, path: &str, card: &mut Card) -> Option<()> {
    let Value::Object(pairs) = json else { return Some(()) };
    if let Some(lists) = pairs.get("TORCHTENSOR") {
        let (mut shape, mut values) = (Vec::new(), Vec::new());
        numbers(lists, 0, &mut shape, &mut values)?;
        card.insert(path.to_owned(), Tensor::from_vec(values, shape, &Device::Cpu).ok()?);
        return Some(());
    }
    for (key, value) in pairs {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        tensors(value, &path, card)?;
    }
    Some(())
}

/// The numbers of nested lists, all of a depth as long as each other.
fn numbers(json: &Value, depth: usize, shape: &mut Vec<usize>, values: &mut Vec<f32>) -> Option<()> {
    const MAX_DIMS: usize = 4;
    match json {
        Value::Array(items) if depth < MAX_DIMS => {
            if shape.len() == depth {
                // The first number says how deep numbers lie.
                values.is_empty().then(|| shape.push(items.len()))?;
            }
            (shape[depth] == items.len()).then_some(())?;
            items.iter().try_for_each(|item| numbers(item, depth + 1, shape, values))
        }
        Value::Number(number) if shape.len() == depth => {
            let value = number.as_f64()? as f32;
            value.is_finite().then(|| values.push(value))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        for (kind, bytes) in chunks.iter().copied().chain([(b"IEND", &b""[..])]) {
            file.extend([&(bytes.len() as u32).to_be_bytes()[..], kind, bytes, &[0; 4]].concat());
        }
        file
    }

    fn open(bytes: &[u8]) -> Option<Result<Card, Unusable>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.png");
        std::fs::write(&path, bytes).unwrap();
        read(&path)
    }

    fn card(json: &str) -> Vec<u8> {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = b"sd-ti-embedding\0".to_vec();
        for chunk in json.as_bytes().chunks(3) {
            let bits = chunk.iter().fold(0u32, |bits, b| bits << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
            text.extend((0..=chunk.len()).map(|i| LETTERS[(bits >> (18 - 6 * i)) as usize & 63]));
        }
        png(&[(b"IHDR", &[0; 13]), (b"tEXt", b"parameters\0x"), (b"tEXt", &text)])
    }

    #[test]
    fn cards_carry_tensors_and_other_pictures_do_not() {
        let json = r#"{"name":"x","string_to_param":{"*":{"TORCHTENSOR":[[1.5,-2.0],[0.25,4]]}}}"#;
        let card = open(&card(json)).unwrap().unwrap();
        assert_eq!(card["string_to_param.*"].to_vec2::<f32>().unwrap(), [[1.5, -2.0], [0.25, 4.0]]);
        assert!(open(&png(&[(b"IHDR", &[0; 13])])).is_none());
        assert!(open(b"no picture").is_none());
    }

    #[test]
    fn a_thousand_mutations_of_a_card_do_no_harm() {
        let whole = card(r#"{"name":"x","string_to_param":{"*":{"TORCHTENSOR":[[1.5,-2.0],[0.25,4]]}}}"#);
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut below = |end: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % end as u64) as usize
        };
        for _ in 0..1000 {
            let mut bytes = whole.clone();
            for _ in 0..=below(3) {
                let at = below(bytes.len());
                match below(3) {
                    0 => bytes[at] = below(256) as u8,
                    1 => bytes.truncate(at.max(1)),
                    _ => bytes[at..].iter_mut().take(4).for_each(|b| *b = 0xff),
                }
            }
            if let Some(Ok(card)) = open(&bytes) {
                assert!(card.values().all(|tensor| tensor.elem_count() <= bytes.len()));
            }
        }
    }

    #[test]
    fn damaged_cards_are_said_to_be() {
        for json in [
            r#"{"a":{"TORCHTENSOR":[[1],[2,3]]}}"#,
            r#"{"a":{"TORCHTENSOR":[1,[2]]}}"#,
            r#"{"a":{"TORCHTENSOR":"x"}}"#,
            r#"{"a":{"TORCHTENSOR":[1e999]}}"#,
            r#"{"a":"#,
        ] {
            assert!(matches!(open(&card(json)), Some(Err(Unusable::Damaged(_)))), "{json}");
        }
    }
}
