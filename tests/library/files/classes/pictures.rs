//! Pictures: their texts and their pixels.

use flate2::Compression;
use flate2::write::ZlibEncoder;
use image::{ImageFormat, RgbImage};
use lbw::image_io::{picture_of_bytes, text_of_bytes};
use std::io::{Cursor, Write};

use super::{Class, Told, bad, mangled, odd, tried};

/// Its texts, then its pixels.
fn read(bytes: &[u8]) -> Told {
    text_of_bytes("x", bytes)?;
    picture_of_bytes("x", bytes)?;
    Ok(Vec::new())
}

fn picture(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    RgbImage::from_fn(9, 7, |x, y| image::Rgb([x as u8 * 20, y as u8 * 30, 90])).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let checksum = crc32fast::hash(&[&name[..], data].concat());
    [&(data.len() as u32).to_be_bytes()[..], name, data, &checksum.to_be_bytes()].concat()
}

fn png(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let chunks = chunks.iter().flat_map(|(name, data)| chunk(name, data));
    b"\x89PNG\r\n\x1a\n".iter().copied().chain(chunks).collect()
}

fn ihdr(width: u32, height: u32, rest: [u8; 5]) -> Vec<u8> {
    [&width.to_be_bytes()[..], &height.to_be_bytes(), &rest].concat()
}

#[test]
fn png_files() {
    let head = ihdr(4, 4, [8, 2, 0, 0, 0]);
    let rows = packed(&[0; 13 * 4]);
    let with = |chunks: &[(&[u8; 4], &[u8])]| {
        png(&[&[(b"IHDR", &head[..])], chunks, &[(b"IDAT", &rows), (b"IEND", b"")]].concat())
    };
    let of_header = |header: &[u8]| png(&[(b"IHDR", header), (b"IDAT", &rows), (b"IEND", b"")]);
    let exif_loop = b"MM\0\x2a\0\0\0\x08\0\0\0\0\0\x08";
    let mut classes = mangled(&picture(ImageFormat::Png));
    classes.extend([
        bad("a header of no width", of_header(&ihdr(0, 4, [8, 2, 0, 0, 0]))),
        bad("a header of no height", of_header(&ihdr(4, 0, [8, 2, 0, 0, 0]))),
        bad("more pixels than there are numbers", of_header(&ihdr(u32::MAX, u32::MAX, [16, 6, 0, 0, 1]))),
        bad("three bits", of_header(&ihdr(4, 4, [3, 2, 0, 0, 0]))),
        bad("a kind of colours that there is not", of_header(&ihdr(4, 4, [8, 5, 0, 0, 0]))),
        bad("a way of packing that there is not", of_header(&ihdr(4, 4, [8, 2, 9, 0, 0]))),
        bad("a way of interlacing that there is not", of_header(&ihdr(4, 4, [8, 2, 0, 0, 7]))),
        bad("a long header", of_header(&[&head[..], &[0; 100]].concat())),
        bad("a short header", of_header(&head[..8])),
        bad("no pixels", png(&[(b"IHDR", &head), (b"IEND", b"")])),
        bad("pixels first", png(&[(b"IDAT", &rows), (b"IHDR", &head), (b"IEND", b"")])),
        odd("two headers", with(&[(b"IHDR", &head)])),
        bad("colours of a palette that is not there", of_header(&ihdr(4, 4, [8, 3, 0, 0, 0]))),
        odd("a palette of 300 colours", with(&[(b"PLTE", &[7; 900])])),
        odd("a palette of a colour and a third", with(&[(b"PLTE", &[7; 4])])),
        bad("pixels that are not packed", png(&[(b"IHDR", &head), (b"IDAT", b"not packed"), (b"IEND", b"")])),
        bad("pixels that are cut", png(&[(b"IHDR", &head), (b"IDAT", &rows[..6]), (b"IEND", b"")])),
        odd(
            "gigabytes of pixels for sixteen",
            png(&[(b"IHDR", &head), (b"IDAT", &packed(&vec![0; 32 << 20])), (b"IEND", b"")]),
        ),
        bad("a filter that there is not", png(&[(b"IHDR", &head), (b"IDAT", &packed(&[9; 52])), (b"IEND", b"")])),
        bad(
            "a chunk that is longer than the file",
            [&png(&[(b"IHDR", &head)])[..], &[0x7f, 0xff, 0xff, 0xff], b"zTXtx"].concat(),
        ),
        bad(
            "a text that unpacks to 20 MiB",
            with(&[(b"zTXt", &[b"parameters\0\0", &packed(&vec![b'a'; 20 << 20])[..]].concat())]),
        ),
        bad("a text that is not packed", with(&[(b"zTXt", b"parameters\0\0not packed")])),
        odd("a text packed in another way", with(&[(b"zTXt", b"parameters\0\x07abc")])),
        odd("a text of no keyword", with(&[(b"tEXt", b"no end")])),
        odd("a keyword of a megabyte", with(&[(b"tEXt", &[&vec![b'k'; 1 << 20][..], b"\0x"].concat())])),
        odd("an iTXt of a keyword alone", with(&[(b"iTXt", b"parameters\0")])),
        odd("a text of bytes that are none", with(&[(b"iTXt", b"parameters\0\0\0\0\0\xff\xfe\x80")])),
        odd("a text that speaks to a terminal", with(&[(b"tEXt", b"parameters\0\x1b]0;x\x07\x1b[2J")])),
        odd("100,000 chunks of nothing", with(&vec![(b"abCd", &b""[..]); 100_000])),
        odd("a name of no letters", with(&[(b"\0\xff\x01\x02", b"x")])),
        odd("four billion frames", with(&[(b"acTL", &[0xff; 8])])),
        odd("a frame outside of the picture", with(&[(b"acTL", &[0, 0, 0, 1, 0, 0, 0, 0]), (b"fcTL", &[0xff; 26])])),
        odd("an EXIF that leads to itself", with(&[(b"eXIf", exif_loop)])),
        odd("a profile of nothing", with(&[(b"iCCP", b"p\0\0")])),
        odd("a transparent colour that there is not", with(&[(b"tRNS", &[1; 300])])),
        odd("no light", with(&[(b"gAMA", &[0; 4]), (b"cHRM", &[0; 32])])),
        odd("two hundred embeddings", with(&vec![(b"tEXt", &b"sd-ti-embedding\0e30="[..]); 200])),
    ]);
    tried("PNG", &with(&[(b"tEXt", b"parameters\0a cat")]), classes, read);
}

/// A JPEG of these segments in front of what a good one has.
fn jpeg(segments: &[(u8, &[u8])]) -> Vec<u8> {
    let good = picture(ImageFormat::Jpeg);
    let segments = segments.iter().flat_map(|(marker, data)| {
        let length = (data.len() as u16 + 2).to_be_bytes();
        [&[0xff, *marker][..], &length, data].concat()
    });
    good[..2].iter().copied().chain(segments).chain(good[2..].iter().copied()).collect()
}

#[test]
fn jpeg_files() {
    let exif = |tiff: &[u8]| jpeg(&[(0xe1, &[b"Exif\0\0", tiff].concat())]);
    let comment = |kind: u8, count: u32, at: u32| {
        let field = [&[0x92, 0x86, 0, kind][..], &count.to_be_bytes(), &at.to_be_bytes()].concat();
        exif(
            &[&b"MM\0\x2a\0\0\0\x08\0\x01\x87\x69\0\x04\0\0\0\x01\0\0\0\x1a\0\0\0\0\0\x01"[..], &field, &[0; 40]]
                .concat(),
        )
    };
    let frame = |height: u16, width: u16, parts: u8| {
        let size = [&[8][..], &height.to_be_bytes(), &width.to_be_bytes(), &[parts]].concat();
        [&b"\xff\xd8\xff\xc0\0\x0b"[..], &size, &[1, 0x11, 0], b"\xff\xd9"].concat()
    };
    let mut classes = mangled(&picture(ImageFormat::Jpeg));
    classes.retain(|class| !class.name.starts_with("all but the last"));
    classes.extend([
        bad("beginning and end", b"\xff\xd8\xff\xd9".to_vec()),
        bad("a segment of no length", b"\xff\xd8\xff\xe0\0\0\xff\xd9".to_vec()),
        bad("a segment of half a length", b"\xff\xd8\xff\xe0\0".to_vec()),
        bad("a segment that is longer than the file", b"\xff\xd8\xff\xfe\xff\xffx".to_vec()),
        bad("a megabyte of fill bytes", [&b"\xff\xd8"[..], &vec![0xff; 1 << 20]].concat()),
        bad("a frame of nothing", frame(0, 0, 1)),
        bad("a frame of four billion pixels", frame(65_535, 65_535, 1)),
        bad("a frame of 255 parts", frame(8, 8, 255)),
        bad("a frame and no scan", frame(8, 8, 1)),
        odd("a thousand frames", jpeg(&vec![(0xc1, &[8, 0, 8, 0, 8, 1, 1, 0x11, 0][..]); 1000])),
        odd("a thousand tables of nothing", jpeg(&vec![(0xc4, &b""[..]); 1000])),
        odd("a thousand comments", jpeg(&vec![(0xfe, &b"a"[..]); 1000])),
        odd("a comment that speaks to a terminal", jpeg(&[(0xfe, b"\x1b[2J\x1b]0;x\x07")])),
        odd("an EXIF of no order", exif(b"XX\0\x2a\0\0\0\x08")),
        odd("an EXIF of nothing", exif(b"")),
        odd("an EXIF that leads to itself", exif(b"MM\0\x2a\0\0\0\x08\0\0\0\0\0\x08")),
        odd("an EXIF that leads out", exif(b"MM\0\x2a\xff\xff\xff\xf0")),
        odd("an EXIF of 65,535 fields", exif(&[&b"MM\0\x2a\0\0\0\x08\xff\xff"[..], &[0; 100]].concat())),
        odd("a comment of four billion letters", comment(7, u32::MAX, 8)),
        odd("a comment that lies outside", comment(7, 40, 0xffff_fff0)),
        odd("a comment of a kind that there is not", comment(99, 8, 40)),
        odd("a comment of half a letter", comment(7, 9, 40)),
        odd("parts of a profile that is not there", jpeg(&[(0xe2, b"ICC_PROFILE\0\xff\xffx")])),
        odd(
            "an XMP that names things that name things",
            jpeg(&[(0xe1, b"http://ns.adobe.com/xap/1.0/\0<!DOCTYPE a [<!ENTITY b \"&b;&b;\">]><a>&b;</a>")]),
        ),
        odd("a restart of every pixel", jpeg(&[(0xdd, b"\0\x01")])),
    ]);
    tried("JPEG", &picture(ImageFormat::Jpeg), classes, read);
}

#[test]
fn gif_files() {
    let text_of = |bytes: &[u8]| text_of_bytes("x", bytes).map(|_| Vec::new()).map_err(Into::into);
    let head = b"GIF89a\x01\0\x01\0\0\0\0";
    let with = |blocks: &[u8]| [&head[..], blocks, b"\x3b"].concat();
    let comment = |text: &[u8]| with(&[&[0x21, 0xfe, text.len() as u8], text, b"\0"].concat());
    let good = comment(b"a cat\nSteps: 1, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 8x8");
    let mut classes: Vec<Class> = mangled(&good);
    // A GIF is read as far as it goes: what is missing at its end tells nothing.
    let is_read =
        |name: &str| ["all but", "its first half", "seven bytes", "zeros"].iter().any(|part| name.contains(part));
    classes.iter_mut().for_each(|class| class.is_refused &= !is_read(&class.name));
    classes.extend([
        odd("nothing but a head", head.to_vec()),
        odd("another version", good.iter().copied().map(|b| if b == b'9' { b'z' } else { b }).collect::<Vec<_>>()),
        odd("a table of colours that is cut", b"GIF89a\x01\0\x01\0\x87\0\0abc".to_vec()),
        odd("a comment that has no end", [&head[..], b"\x21\xfe\xffabc"].concat()),
        bad("200,000 comments of nothing", with(&b"\x21\xfe\0".repeat(200_000))),
        bad(
            "a comment of 20 MiB",
            with(&[&b"\x21\xfe"[..], &[&[255][..], &[b'a'; 255]].concat().repeat(82_000), b"\0"].concat()),
        ),
        odd("an extension that there is not", with(b"\x21\x07\x01x\0")),
        odd("a block that there is not", with(b"\x99\x98\x97")),
        odd("a comment that speaks to a terminal", comment(b"\x1b[2J\x1b]0;x\x07")),
        odd("a comment of bytes that are none", comment(b"\xff\xfe\x80\x81")),
        odd("a picture of no size", with(b"\x2c\0\0\0\0\0\0\0\0\0\x02\0")),
        odd("a picture outside of it", with(b"\x2c\xff\xff\xff\xff\xff\xff\xff\xff\0\x02\x01x\0")),
        odd("10,000 pictures", with(&b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0".repeat(10_000))),
        odd("the end at once", with(b"")),
        odd("what is behind the end", [&with(b"")[..], &comment(b"x")].concat()),
    ]);
    tried("GIF", &good, classes, text_of);
}

#[test]
fn webp_files() {
    let riff = |chunks: &[(&[u8; 4], &[u8])]| {
        let body: Vec<u8> = chunks
            .iter()
            .flat_map(|(name, data)| {
                [&name[..], &(data.len() as u32).to_le_bytes(), data, &vec![0; data.len() % 2]].concat()
            })
            .collect();
        [&b"RIFF"[..], &(body.len() as u32 + 4).to_le_bytes(), b"WEBP", &body].concat()
    };
    let good = picture(ImageFormat::WebP);
    let large = [&[0; 4][..], &[0xff; 6]].concat();
    let lossless = |bits: [u8; 4]| [&[0x2f][..], &bits, &[0; 40]].concat();
    let mut classes = mangled(&good);
    classes.iter_mut().for_each(|class| class.is_refused &= !class.name.contains("all but"));
    classes.extend([
        bad("no chunks", riff(&[])),
        bad("a canvas and nothing on it", riff(&[(b"VP8X", &[0; 10])])),
        bad("a canvas of 2^48 pixels", riff(&[(b"VP8X", &large)])),
        bad("a canvas that is cut", riff(&[(b"VP8X", &[0; 3])])),
        bad("a picture of nothing", riff(&[(b"VP8 ", b"")])),
        bad("a picture that is cut", riff(&[(b"VP8 ", &[0x30, 1, 0, 0x9d, 1, 0x2a, 8, 0, 8, 0])])),
        bad("a lossless picture of no signature", riff(&[(b"VP8L", &[0; 40])])),
        bad("a lossless picture of 2^28 pixels", riff(&[(b"VP8L", &lossless([0xff, 0xff, 0xff, 0x0f]))])),
        odd("a lossless picture of a version that there is not", riff(&[(b"VP8L", &lossless([7, 0, 0, 0xe0]))])),
        bad("a chunk that is longer than the file", b"RIFF\x14\0\0\0WEBPEXIF\xff\xff\xff\xffabcd".to_vec()),
        bad("an EXIF of 5 MiB", riff(&[(b"EXIF", &vec![0; 5 << 20])])),
        bad("an XMP of 20 MiB", riff(&[(b"VP8X", &[4, 0, 0, 0, 8, 0, 0, 6, 0, 0]), (b"XMP ", &vec![b'a'; 20 << 20])])),
        bad("100,000 chunks of nothing", riff(&vec![(b"abcd", &b""[..]); 100_000])),
        bad("transparency of nothing", riff(&[(b"ALPH", &[9; 9])])),
        bad("frames and no canvas", riff(&vec![(b"ANMF", &[0; 24][..]); 100])),
        odd("two canvases", riff(&[(b"VP8X", &[0; 10]), (b"VP8X", &large)])),
        odd("an EXIF that leads to itself", riff(&[(b"EXIF", b"MM\0\x2a\0\0\0\x08\0\0\0\0\0\x08")])),
        odd("an EXIF of no order", riff(&[(b"EXIF", b"XX\0\0\0\0")])),
    ]);
    tried("WebP", &good, classes, read);
}

#[test]
fn avif_files() {
    let text_of = |bytes: &[u8]| text_of_bytes("x", bytes).map(|_| Vec::new()).map_err(Into::into);
    let part = |name: &[u8; 4], data: &[u8]| [&(data.len() as u32 + 8).to_be_bytes()[..], name, data].concat();
    let kind = part(b"ftyp", b"avif\0\0\0\0mif1avif");
    let meta = |parts: &[u8]| [&kind[..], &part(b"meta", &[&[0; 4], parts].concat())].concat();
    let item = part(b"iinf", &[&[0, 0, 0, 0, 0, 1][..], &part(b"infe", b"\x02\0\0\0\0\x01\0\0Exif\0")].concat());
    let place = |sizes: [u8; 2], rest: &[u8]| part(b"iloc", &[&[0; 4], &sizes[..], rest].concat());
    let at = |offset: u32, length: u32| {
        let rest = [&[0, 1, 0, 1, 0, 0, 0, 1][..], &offset.to_be_bytes(), &length.to_be_bytes()].concat();
        meta(&[&item[..], &place([0x44, 0], &rest)].concat())
    };
    let good = meta(&[]);
    let mut classes = mangled(&good);
    classes
        .iter_mut()
        .for_each(|class| class.is_refused = class.name == "nothing" || class.name.contains("first byte"));
    classes.extend([
        odd("a kind alone", kind.clone()),
        odd("no kind", part(b"meta", &[0; 4])),
        odd("a part of seven bytes", [&kind[..], &[0, 0, 0, 7], b"meta"].concat()),
        odd("a part of 2^64 bytes", [&kind[..], &[0, 0, 0, 1], b"meta", &[0xff; 8]].concat()),
        odd("a part to the end", [&kind[..], &[0, 0, 0, 0], b"meta"].concat()),
        odd("100,000 parts of nothing", [&kind[..], &part(b"free", b"").repeat(100_000)].concat()),
        odd("parts in parts", (0..1000).fold(kind.clone(), |inner, _| part(b"meta", &[&[0; 4], &inner[..]].concat()))),
        odd("65,535 items of nothing", meta(&part(b"iinf", &[0, 0, 0, 0, 0xff, 0xff]))),
        odd("an item of no name", meta(&part(b"iinf", &[&[0, 0, 0, 0, 0, 1][..], &part(b"infe", &[])].concat()))),
        odd("places of nothing", meta(&place([0x44, 0], &[]))),
        odd("places of fifteen bytes", meta(&[&item[..], &place([0xff, 0xff], &[0, 1, 0, 1, 0, 0, 0, 1])].concat())),
        odd("an EXIF outside", at(u32::MAX - 4, 100)),
        odd("an EXIF of four gigabytes", at(0, u32::MAX)),
        odd("an EXIF of nothing", at(0, 0)),
        odd("an EXIF that is the file", at(0, 40)),
    ]);
    tried("AVIF", &good, classes, text_of);
}
