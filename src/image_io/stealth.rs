//! Text hidden in the lowest bits of a PNG's pixels, column by column: NovelAI's alpha channel, and the extension "stealth pnginfo".

use std::io::{BufRead, Read, Seek};

use super::{PNG_LIMIT, TEXT_LIMIT};

/// A mark, whether it stands in the colours and not in the alpha channel, and whether what follows is packed.
const MARKS: [(&[u8; 15], bool, bool); 4] = [
    (b"stealth_pnginfo", false, false),
    (b"stealth_pngcomp", false, true),
    (b"stealth_rgbinfo", true, false),
    (b"stealth_rgbcomp", true, true),
];

/// The hidden text, if there is one. A file that cannot be decoded has none.
pub(super) fn hidden_text(file: &mut (impl BufRead + Seek)) -> Option<String> {
    let mut decoder = png::Decoder::new(file);
    decoder.set_limits(png::Limits { bytes: PNG_LIMIT });
    let mut reader = decoder.read_info().ok()?;
    let (kind, depth) = reader.output_color_type();
    let channels = kind.samples();
    if depth != png::BitDepth::Eight || channels < 3 {
        return None;
    }
    let size = reader.output_buffer_size().filter(|size| *size <= PNG_LIMIT)?;
    let mut pixels = vec![0; size];
    let frame = reader.next_frame(&mut pixels).ok()?;
    let (width, height) = (frame.width as usize, frame.height as usize);
    of_pixels(&pixels, width, height, channels)
}

/// The text in the pixels of rows from top to bottom.
fn of_pixels(pixels: &[u8], width: usize, height: usize, channels: usize) -> Option<String> {
    MARKS.iter().filter(|(_, in_colours, _)| *in_colours || channels == 4).find_map(|(mark, in_colours, is_packed)| {
        let places = if *in_colours { 0..3 } else { 3..4 };
        let mut bits =
            (0..width).flat_map(move |x| (0..height).map(move |y| (y * width + x) * channels)).flat_map(|at| {
                let places = places.clone();
                places.map(move |place| pixels.get(at + place).map_or(0, |value| value & 1))
            });
        let mut take = |count: usize| -> Option<Vec<u8>> {
            let mut bytes = Vec::new();
            for _ in 0..count {
                let mut byte = 0;
                for _ in 0..8 {
                    byte = byte << 1 | bits.next()?;
                }
                bytes.push(byte);
            }
            Some(bytes)
        };
        if take(mark.len())? != *mark {
            return None;
        }
        let length = take(4)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)) / 8;
        if length as u64 > TEXT_LIMIT {
            return None;
        }
        let bytes = take(length)?;
        let bytes = if *is_packed { unpacked(&bytes)? } else { bytes };
        String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
    })
}

fn unpacked(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(bytes).take(TEXT_LIMIT + 1).read_to_end(&mut text).ok()?;
    (text.len() as u64 <= TEXT_LIMIT).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// Pixels of this width that hide a text.
    fn hide(mark: &[u8], payload: &[u8], channels: usize, width: usize) -> (Vec<u8>, usize) {
        let length = (payload.len() as u32 * 8).to_be_bytes();
        let bits: Vec<u8> =
            [mark, &length, payload].concat().iter().flat_map(|b| (0..8).rev().map(move |n| b >> n & 1)).collect();
        let in_colours = mark.starts_with(b"stealth_rgb");
        let each = if in_colours { 3 } else { 1 };
        let height = bits.len().div_ceil(each).div_ceil(width) + 1;
        let mut pixels = vec![254u8; width * height * channels];
        for (n, bit) in bits.iter().enumerate() {
            let (pixel, place) = (n / each, n % each);
            let (x, y) = (pixel / height, pixel % height);
            pixels[(y * width + x) * channels + if in_colours { place } else { 3 }] |= bit;
        }
        (pixels, height)
    }

    #[test]
    fn what_is_hidden_is_found() {
        let text = "桜, cat\nSteps: 20, Sampler: Euler a, Seed: 1";
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(text.as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        for (mark, payload, channels) in [
            (b"stealth_pnginfo", text.as_bytes(), 4),
            (b"stealth_pngcomp", packed.as_slice(), 4),
            (b"stealth_rgbinfo", text.as_bytes(), 3),
            (b"stealth_rgbcomp", packed.as_slice(), 4),
        ] {
            let (pixels, height) = hide(mark, payload, channels, 17);
            assert_eq!(of_pixels(&pixels, 17, height, channels).as_deref(), Some(text));
            // Cut short, or of a length beyond the picture, it is no text.
            assert_eq!(of_pixels(&pixels[..pixels.len() / 2], 17, height / 2, channels), None);
        }
        assert_eq!(of_pixels(&[255; 4000], 25, 40, 4), None);
    }
}
