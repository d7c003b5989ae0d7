//! Text hidden in the lowest bits of a PNG's pixels, column by column: NovelAI's alpha channel, and the extension "stealth pnginfo".

use std::io::{BufRead, Read, Seek};

use crate::files::limits::{HIDDEN_PIXELS, HIDDEN_TEXT};

/// Before the text stand the mark and its length in bits.
const HEAD: usize = 15 + 4;

/// The lowest bits of a picture's first columns, one byte for each pixel: red in the highest of three, and above it alpha.
struct Bits {
    /// Row by row.
    bits: Vec<u8>,
    width: usize,
    height: usize,
}

/// The hidden text, if there is one. A file that cannot be decoded has none.
pub(super) fn hidden_text(file: &mut (impl BufRead + Seek)) -> Option<String> {
    let head = first_columns(file, HEAD * 8)?;
    let (hidden, length) = Hidden::ALL.into_iter().find_map(|hidden| Some((hidden, hidden.length(&head)?)))?;
    file.rewind().ok()?;
    hidden.text(&first_columns(file, (HEAD + length) * 8)?, length)
}

/// As many columns of the picture as hold so many bits in one channel, read row by row: the whole is never in memory.
fn first_columns(file: &mut (impl BufRead + Seek), bits: usize) -> Option<Bits> {
    let mut decoder = png::Decoder::new_with_limits(file, png::Limits { bytes: HIDDEN_PIXELS });
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_ignore_text_chunk(true);
    let mut reader = decoder.read_info().ok()?;
    let (kind, depth) = reader.output_color_type();
    let channels = kind.samples();
    let size = reader.output_buffer_size().filter(|size| *size <= HIDDEN_PIXELS)?;
    // Programs that hide text write no interlaced pictures.
    if depth != png::BitDepth::Eight || channels < 3 || reader.info().interlaced || size == 0 {
        return None;
    }
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    let width = width.min(bits.div_ceil(height));
    // Where the first column has room for all of it, the rows below say nothing: most pictures hide nothing, and are not unpacked.
    let mut kept = Vec::new();
    for _ in 0..height.min(bits) {
        let Some(row) = reader.next_row().ok()? else { break };
        kept.extend(row.data().chunks_exact(channels).take(width).map(lowest));
    }
    Some(Bits { bits: kept, width, height })
}

/// The lowest bits of a pixel.
fn lowest(pixel: &[u8]) -> u8 {
    let bit = |channel: usize| pixel.get(channel).map_or(0, |value| value & 1);
    bit(3) << 3 | bit(0) << 2 | bit(1) << 1 | bit(2)
}

/// A way to hide text.
#[derive(Clone, Copy)]
struct Hidden {
    mark: &'static [u8; 15],
    /// Whether it stands in the colours and not in the alpha channel.
    in_colours: bool,
    is_packed: bool,
}

impl Hidden {
    const ALL: [Hidden; 4] = [
        Hidden { mark: b"stealth_pnginfo", in_colours: false, is_packed: false },
        Hidden { mark: b"stealth_pngcomp", in_colours: false, is_packed: true },
        Hidden { mark: b"stealth_rgbinfo", in_colours: true, is_packed: false },
        Hidden { mark: b"stealth_rgbcomp", in_colours: true, is_packed: true },
    ];

    /// Bytes of the hidden text, where the picture begins with the mark.
    fn length(self, bits: &Bits) -> Option<usize> {
        let head = self.bytes(bits, 0, HEAD)?;
        let (mark, length) = head.split_at(self.mark.len());
        let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)) / 8;
        (mark == self.mark && length <= HIDDEN_TEXT).then_some(length)
    }

    fn text(self, bits: &Bits, length: usize) -> Option<String> {
        let bytes = self.bytes(bits, HEAD, length)?;
        let bytes = if self.is_packed { unpacked(&bytes)? } else { bytes };
        String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
    }

    /// `count` bytes behind `skipped`, column by column.
    fn bytes(self, bits: &Bits, skipped: usize, count: usize) -> Option<Vec<u8>> {
        let places = if self.in_colours { 0..3 } else { 0..1 };
        let shift = |place: usize| if self.in_colours { 2 - place } else { 3 };
        let pixels = (0..bits.width).flat_map(|x| (0..bits.height).map(move |y| y * bits.width + x));
        let all = pixels
            .flat_map(|at| places.clone().map(move |place| bits.bits.get(at).map_or(0, |b| b >> shift(place) & 1)));
        let mut all = all.skip(skipped * 8);
        let mut byte = || (0..8).try_fold(0, |byte, _| Some(byte << 1 | all.next()?));
        (0..count).map(|_| byte()).collect()
    }
}

fn unpacked(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(bytes).take(HIDDEN_TEXT as u64 + 1).read_to_end(&mut text).ok()?;
    (text.len() <= HIDDEN_TEXT).then_some(text)
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

    /// The text in a PNG of these pixels.
    fn of_pixels(pixels: &[u8], width: usize, height: usize, channels: usize) -> Option<String> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
        encoder.set_color(if channels == 4 { png::ColorType::Rgba } else { png::ColorType::Rgb });
        encoder.write_header().unwrap().write_image_data(pixels).unwrap();
        hidden_text(&mut std::io::Cursor::new(file))
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
            // In wide pictures the mark takes several columns, in high ones a part of the first.
            for width in [17, 2] {
                let (pixels, height) = hide(mark, payload, channels, width);
                assert_eq!(of_pixels(&pixels, width, height, channels).as_deref(), Some(text));
                // Cut short, or of a length beyond the picture, it is no text.
                assert_eq!(of_pixels(&pixels[..width * (height / 2) * channels], width, height / 2, channels), None);
            }
        }
        assert_eq!(of_pixels(&[255; 4000], 25, 40, 4), None);
    }
}
