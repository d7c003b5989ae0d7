use std::fs;
use std::path::PathBuf;

use image::{Rgb, RgbImage};
use tempfile::TempDir;

use super::*;

fn image() -> RgbImage {
    RgbImage::from_fn(5, 3, |x, y| Rgb([x as u8, y as u8, 200]))
}

fn folder() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.png");
    (dir, path)
}

/// A chunk with its checksum, to be put before the last chunk of a PNG.
fn insert_before_end(png: &[u8], kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = !0u32;
    for byte in kind.iter().chain(data) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    let (head, end) = png.split_at(png.len() - 12);
    let length = (data.len() as u32).to_be_bytes();
    [head, &length, kind, data, &(!crc).to_be_bytes(), end].concat()
}

/// An EXIF block whose Exif IFD holds nothing but a UserComment.
fn exif_block(comment: &[u8]) -> Vec<u8> {
    let entry = |tag: u16, kind: u16, count: u32, value: u32| {
        [&tag.to_be_bytes()[..], &kind.to_be_bytes(), &count.to_be_bytes(), &value.to_be_bytes()].concat()
    };
    let directory = |entry: Vec<u8>| [&1u16.to_be_bytes()[..], &entry, &[0; 4]].concat();
    [
        b"MM\0\x2a\0\0\0\x08".to_vec(),
        directory(entry(0x8769, 4, 1, 26)),
        directory(entry(0x9286, 7, comment.len() as u32, 44)),
        comment.to_vec(),
    ]
    .concat()
}

fn user_comment(text: &str) -> Vec<u8> {
    let units = text.encode_utf16().flat_map(u16::to_be_bytes);
    b"UNICODE\0".iter().copied().chain(units).collect()
}

#[test]
fn a_png_gives_back_what_it_was_given() {
    for parameters in ["café\nSteps: 20", "桜 🌸\nSteps: 20", ""] {
        let (_dir, path) = folder();
        write_png(&path, &image(), parameters, Some("{\"prompt\":\"桜\"}"), Existing::Keep).unwrap();
        let text = read_text(&path).unwrap();
        assert_eq!(text.parameters.as_deref(), Some(parameters));
        assert_eq!(text.plan.as_deref(), Some("{\"prompt\":\"桜\"}"));
        assert_eq!(image::open(&path).unwrap().to_rgb8(), image());
    }
}

#[test]
fn latin_1_is_written_as_webui_writes_it() {
    let has = |parameters, kind: &[u8; 4]| {
        encode_png(&image(), parameters, None).unwrap().windows(14).any(|w| w == [kind, &b"parameters"[..]].concat())
    };
    assert!(has("café", b"tEXt") && !has("café", b"iTXt"));
    assert!(has("桜", b"iTXt") && !has("桜", b"tEXt"));
}

#[test]
fn an_existing_file_stays() {
    let (dir, path) = folder();
    fs::write(&path, "mine").unwrap();
    let refused = write_png(&path, &image(), "x", None, Existing::Keep);
    assert!(matches!(refused, Err(Error::Exists { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    write_png(&path, &image(), "x", None, Existing::Replace).unwrap();
    assert_eq!(read_text(&path).unwrap().parameters.as_deref(), Some("x"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn a_missing_folder_is_named() {
    let error = write_png("no/such/folder/a.png".as_ref(), &image(), "", None, Existing::Keep).unwrap_err();
    assert!(error.to_string().contains("no/such/folder/a.png"), "{error}");
}

#[test]
fn text_may_stand_behind_the_pixels() {
    let (_dir, path) = folder();
    let plain = encode_png(&image(), "first", None).unwrap();
    fs::write(&path, insert_before_end(&plain, b"tEXt", b"parameters\0last caf\xe9")).unwrap();
    assert_eq!(read_text(&path).unwrap().parameters.as_deref(), Some("last café"));
    fs::write(&path, insert_before_end(&plain, b"iTXt", "parameters\0\0\0\0\0桜".as_bytes())).unwrap();
    assert_eq!(read_text(&path).unwrap().parameters.as_deref(), Some("桜"));
}

#[test]
fn exif_comments_are_read() {
    let (dir, path) = folder();
    let block = exif_block(&user_comment("桜\nSteps: 20"));
    let mut bare = Vec::new();
    image().write_to(&mut std::io::Cursor::new(&mut bare), image::ImageFormat::Png).unwrap();
    fs::write(&path, insert_before_end(&bare, b"eXIf", &block)).unwrap();
    assert_eq!(read_text(&path).unwrap().parameters.as_deref(), Some("桜\nSteps: 20"));

    let segment = [b"Exif\0\0".to_vec(), block.clone()].concat();
    let length = (segment.len() as u16 + 2).to_be_bytes();
    let jpeg = [&b"\xff\xd8\xff\xe1"[..], &length, &segment, b"\xff\xda\0\x02\xff\xd9"].concat();
    let path = dir.path().join("a.jpg");
    fs::write(&path, jpeg).unwrap();
    assert_eq!(read_text(&path).unwrap().parameters.as_deref(), Some("桜\nSteps: 20"));

    let chunk = [b"EXIF".to_vec(), (block.len() as u32).to_le_bytes().to_vec(), block].concat();
    let webp = [&b"RIFF"[..], &(chunk.len() as u32 + 4).to_le_bytes(), b"WEBP", &chunk].concat();
    let path = dir.path().join("a.webp");
    fs::write(&path, webp).unwrap();
    assert_eq!(read_text(&path).unwrap().parameters.as_deref(), Some("桜\nSteps: 20"));
}

#[test]
fn the_text_file_beside_an_image() {
    let (dir, path) = folder();
    let mut bare = Vec::new();
    image().write_to(&mut std::io::Cursor::new(&mut bare), image::ImageFormat::Png).unwrap();
    fs::write(&path, bare).unwrap();
    assert_eq!(read_text(&path).unwrap().parameters, None);
    let beside = dir.path().join("a.txt");
    fs::write(&beside, "\u{feff}a\nSteps: 20").unwrap();
    assert_eq!(read_text(&path).unwrap().parameters.as_deref(), Some("a\nSteps: 20"));
    assert_eq!(read_text(&beside).unwrap().parameters.as_deref(), Some("a\nSteps: 20"));
    fs::write(&beside, b"a\xff").unwrap();
    assert!(read_text(&path).unwrap_err().to_string().contains("byte 1 is not UTF-8"));
}

#[test]
fn damaged_files_are_errors() {
    let (dir, path) = folder();
    let whole = encode_png(&image(), "a long enough text", None).unwrap();
    for length in 8..whole.len() - 12 {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(read_text(&path), Err(Error::Damaged { .. })), "cut at {length}");
    }
    let at = whole.windows(4).position(|w| w == b"long").unwrap();
    let mut flipped = whole.clone();
    flipped[at] = b'L';
    fs::write(&path, flipped).unwrap();
    assert!(matches!(read_text(&path), Err(Error::Damaged { .. })));

    for junk in [&b""[..], b"junk", b"\x89PN", b"RIFF\0\0\0\0WAVE"] {
        fs::write(&path, junk).unwrap();
        assert!(matches!(read_text(&path), Err(Error::UnknownFormat { .. })), "{junk:?}");
    }
    assert!(matches!(read_text(&dir.path().join("none.png")), Err(Error::Read { .. })));
    assert!(matches!(read_text(dir.path()), Err(Error::Read { .. })));
}

/// A JPEG of these segments and no picture.
fn jpeg(segments: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8];
    for (marker, data) in segments {
        bytes.extend([0xff, *marker]);
        bytes.extend((data.len() as u16 + 2).to_be_bytes());
        bytes.extend(*data);
    }
    bytes.extend(b"\xff\xda\0\x02\xff\xd9");
    bytes
}

/// An EXIF block with one field in its first directory.
fn first_directory(tag: u16, kind: u16, data: &[u8]) -> Vec<u8> {
    let entry = [&tag.to_be_bytes()[..], &kind.to_be_bytes(), &(data.len() as u32).to_be_bytes(), &26u32.to_be_bytes()]
        .concat();
    [&b"MM\0\x2a\0\0\0\x08\0\x01"[..], &entry, &[0; 4], data].concat()
}

const INFOTEXT: &str = "桜, a cat\nSteps: 20, Sampler: Euler a, Seed: 1";

#[test]
fn comments_wherever_programs_put_them() {
    let (dir, _) = folder();
    let parameters = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        let text = read_text(&path).unwrap();
        (text.parameters.clone(), text)
    };
    // A comment of JPEG.
    let (read, _) = parameters("a.jpg", &jpeg(&[(0xe0, b"JFIF\0"), (0xfe, INFOTEXT.as_bytes())]));
    assert_eq!(read.as_deref(), Some(INFOTEXT));
    for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
        let comment: Vec<u8> = format!("\u{feff}{INFOTEXT}").encode_utf16().flat_map(bytes).collect();
        assert_eq!(parameters("a.jpg", &jpeg(&[(0xfe, &comment)])).0.as_deref(), Some(INFOTEXT));
    }
    // The comment field in the first directory, as bytes, and Windows' own field.
    for (tag, kind, data) in [
        (0x9286, 1, user_comment(INFOTEXT)),
        (0x9286, 7, user_comment(INFOTEXT)),
        (0x9c9c, 1, INFOTEXT.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        (0x010e, 2, [INFOTEXT.as_bytes(), b"\0"].concat()),
    ] {
        let block = [b"Exif\0\0".to_vec(), first_directory(tag, kind, &data)].concat();
        let (read, _) = parameters("a.jpg", &jpeg(&[(0xe1, &block)]));
        assert_eq!(read.as_deref(), Some(INFOTEXT), "{tag:x} {kind}");
    }
    // What cameras write is no infotext.
    let camera = [b"Exif\0\0".to_vec(), first_directory(0x010e, 2, b"OLYMPUS DIGITAL CAMERA\0")].concat();
    assert_eq!(parameters("a.jpg", &jpeg(&[(0xe1, &camera), (0xfe, b"made with a camera")])).0, None);
    // A comment of GIF, in two blocks, behind a picture.
    let (head, tail) = INFOTEXT.as_bytes().split_at(20);
    let block = |part: &[u8]| [&[part.len() as u8], part].concat();
    let pixel = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
    let gif = [
        &b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff"[..],
        pixel,
        b"\x21\xfe",
        &block(head),
        &block(tail),
        b"\0\x3b",
    ]
    .concat();
    assert_eq!(parameters("a.gif", &gif).0.as_deref(), Some(INFOTEXT));
    // ComfyUI's graph in WebP, with a word in front.
    let graph = br#"prompt:{"3": {"class_type": "KSampler"}}"#;
    let block = first_directory(0x0110, 2, &[&graph[..], b"\0"].concat());
    let chunk = [b"EXIF".to_vec(), (block.len() as u32).to_le_bytes().to_vec(), block].concat();
    let webp = [&b"RIFF"[..], &(chunk.len() as u32 + 4).to_le_bytes(), b"WEBP", &chunk].concat();
    let (_, text) = parameters("a.webp", &webp);
    assert_eq!(text.get("prompt"), Some(r#"{"3": {"class_type": "KSampler"}}"#));
    // XMP of JPEG, and every text of a PNG by its keyword.
    let xmp = [&b"http://ns.adobe.com/xap/1.0/\0"[..], b"<x:xmpmeta/>"].concat();
    assert_eq!(parameters("a.jpg", &jpeg(&[(0xe1, &xmp)])).1.get("XML:com.adobe.xmp"), Some("<x:xmpmeta/>"));
    let png = insert_before_end(&encode_png(&image(), "x", None).unwrap(), b"tEXt", b"Software\0NovelAI");
    let (_, text) = parameters("a.png", &png);
    assert_eq!((text.get("Software"), text.size), (Some("NovelAI"), Some((5, 3))));
}

#[test]
fn avif_is_read_like_every_container_with_exif() {
    let (dir, _) = folder();
    let exif = [&[0, 0, 0, 0][..], &exif_block(&user_comment(INFOTEXT))].concat();
    let sized = |kind: &[u8], data: &[u8]| [&(data.len() as u32 + 8).to_be_bytes()[..], kind, data].concat();
    let ftyp = sized(b"ftyp", b"avif\0\0\0\0avifmif1miaf");
    let infe = sized(b"infe", b"\x02\0\0\0\0\x01\0\0Exif\0");
    let iinf = sized(b"iinf", &[b"\0\0\0\0\0\x01", infe.as_slice()].concat());
    // One item of one extent, at an offset in the file.
    let iloc = |at: u32| {
        let item = [b"\0\x01\0\0\0\x01".as_slice(), &at.to_be_bytes(), &(exif.len() as u32).to_be_bytes()].concat();
        sized(b"iloc", &[b"\0\0\0\0\x44\0\0\x01".as_slice(), &item].concat())
    };
    let meta = |at: u32| sized(b"meta", &[b"\0\0\0\0".as_slice(), &iinf, &iloc(at)].concat());
    let at = (ftyp.len() + meta(0).len() + 8) as u32;
    let path = dir.path().join("a.avif");
    let whole = [ftyp.clone(), meta(at), sized(b"mdat", &exif)].concat();
    fs::write(&path, &whole).unwrap();
    assert_eq!(read_text(&path).unwrap().parameters.as_deref(), Some(INFOTEXT));
    // Beside the description instead of behind it.
    let item = [b"\0\x01\0\x01\0\0\0\x01\0\0\0\0".as_slice(), &(exif.len() as u32).to_be_bytes()].concat();
    let iloc = sized(b"iloc", &[b"\x01\0\0\0\x44\0\0\x01".as_slice(), &item].concat());
    let inside = sized(b"meta", &[b"\0\0\0\0".as_slice(), &iinf, &iloc, &sized(b"idat", &exif)].concat());
    assert_eq!(text_of_bytes("x", &[ftyp.clone(), inside].concat()).unwrap().parameters.as_deref(), Some(INFOTEXT));
    // Cut anywhere, or of sizes that lie, it is no reason to stop.
    for length in 0..whole.len() {
        let _ = text_of_bytes("x", &whole[..length]);
        for size in [0, 0xff] {
            let mut lies = whole.clone();
            lies[length] = size;
            let _ = text_of_bytes("x", &lies);
        }
    }
    // Directories without end are refused here, too.
    let bomb = [&[0, 0, 0, 0][..], &b"MM\0\x2a\0\0\0\x08"[..], &5000u16.to_be_bytes(), &[0; 60_004]].concat();
    let item = [b"\0\x01\0\x01\0\0\0\x01\0\0\0\0".as_slice(), &(bomb.len() as u32).to_be_bytes()].concat();
    let iloc = sized(b"iloc", &[b"\x01\0\0\0\x44\0\0\x01".as_slice(), &item].concat());
    let meta = sized(b"meta", &[b"\0\0\0\0".as_slice(), &iinf, &iloc, &sized(b"idat", &bomb)].concat());
    assert!(text_of_bytes("x", &[ftyp, meta].concat()).unwrap_err().to_string().contains("fields"));
}

#[test]
fn utf_8_in_a_chunk_of_latin_1() {
    let (_dir, path) = folder();
    let mut bare = Vec::new();
    image().write_to(&mut std::io::Cursor::new(&mut bare), image::ImageFormat::Png).unwrap();
    fs::write(&path, insert_before_end(&bare, b"tEXt", format!("parameters\0{INFOTEXT}").as_bytes())).unwrap();
    assert_eq!(read_text(&path).unwrap().parameters.as_deref(), Some(INFOTEXT));
    fs::write(&path, insert_before_end(&bare, b"tEXt", b"parameters\0caf\xe9")).unwrap();
    assert_eq!(read_text(&path).unwrap().parameters.as_deref(), Some("café"));
}

#[test]
fn utf_16_beside_an_image() {
    let (dir, path) = folder();
    let mut bare = Vec::new();
    image().write_to(&mut std::io::Cursor::new(&mut bare), image::ImageFormat::Png).unwrap();
    fs::write(&path, bare).unwrap();
    let text: Vec<u8> = format!("\u{feff}{INFOTEXT}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(dir.path().join("a.txt"), text).unwrap();
    assert_eq!(read_text(&path).unwrap().parameters.as_deref(), Some(INFOTEXT));
}

#[test]
fn hostile_containers_end() {
    let (dir, _) = folder();
    let whole = jpeg(&[(0xfe, INFOTEXT.as_bytes()), (0xe1, b"Exif\0\0MM")]);
    let gif = b"GIF89a\x01\0\x01\0\x87\0\0".to_vec();
    for (name, bytes) in
        [("a.jpg", whole), ("b.jpg", vec![0xff; 1 << 20]), ("a.gif", gif), ("a.avif", b"\0\0\0\x08ftyp".to_vec())]
    {
        let path = dir.path().join(name);
        for length in [bytes.len(), bytes.len() / 2, 3] {
            fs::write(&path, &bytes[..length.min(bytes.len())]).unwrap();
            let _ = read_text(&path);
        }
    }
}

/// A chunk of text that is packed: `kept` bytes at first, then nothing but zeros.
fn packed(zeros: usize) -> Vec<u8> {
    use std::io::Write;
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    let piece = vec![0; 1 << 16];
    (0..zeros >> 16).for_each(|_| packed.write_all(&piece).unwrap());
    packed.finish().unwrap()
}

fn bare() -> Vec<u8> {
    let mut bare = Vec::new();
    image().write_to(&mut std::io::Cursor::new(&mut bare), image::ImageFormat::Png).unwrap();
    bare
}

#[test]
fn texts_that_unpack_to_too_much_are_refused() {
    let zeros = packed(17 << 20);
    let small = packed(6 << 20);
    let chunk = |keyword: &str, head: &[u8], zeros: &[u8]| [keyword.as_bytes(), b"\0", head, zeros].concat();
    let with = |chunks: &[(&[u8; 4], Vec<u8>)]| {
        chunks.iter().fold(bare(), |png, (name, data)| insert_before_end(&png, name, data))
    };
    let many: Vec<_> = (0..3).map(|n| (b"zTXt", chunk(&format!("k{n}"), b"\0", &small))).collect();
    let empty: Vec<_> = (0..200_000u32).map(|n| [&n.to_le_bytes()[..], b"k\0"].concat()).collect();
    let mut empties = bare();
    let end = empties.split_off(empties.len() - 12);
    for text in &empty {
        let text: Vec<u8> = text.iter().map(|byte| byte | 1).collect();
        let text = [&text[..4], b"\0x"].concat();
        empties.extend((text.len() as u32).to_be_bytes());
        let mut crc = crc32fast::Hasher::new();
        crc.update(b"tEXt");
        crc.update(&text);
        empties.extend([&b"tEXt"[..], &text, &crc.finalize().to_be_bytes()].concat());
    }
    empties.extend(end);
    for (what, png) in [
        ("zTXt", with(&[(b"zTXt", chunk("parameters", b"\0", &zeros))])),
        ("iTXt", with(&[(b"iTXt", chunk("parameters", b"\x01\0\0\0", &zeros))])),
        ("a plan", with(&[(b"iTXt", chunk("lbw", b"\x01\0\0\0", &zeros))])),
        ("another's", with(&[(b"zTXt", chunk("workflow", b"\0", &zeros))])),
        ("several", with(&many)),
        ("as it is", with(&[(b"tEXt", chunk("parameters", b"", &vec![b'a'; 17 << 20]))])),
        ("empty ones", empties),
    ] {
        assert!(matches!(text_of_bytes("x", &png), Err(Error::TooLong { .. })), "{what}");
    }
    // What lbw has no use for and cannot be unpacked is left out; its own text is missed.
    let torn = b"x\x9c\xff\xff";
    assert!(text_of_bytes("x", &with(&[(b"zTXt", chunk("other", b"\0", torn))])).unwrap().texts.is_empty());
    let own = with(&[(b"zTXt", chunk("parameters", b"\0", torn))]);
    assert!(matches!(text_of_bytes("x", &own), Err(Error::Damaged { .. })));
    // A profile is nobody's text.
    let profile = with(&[(b"iCCP", chunk("p", b"\0", &zeros)), (b"tEXt", b"parameters\0a cat".to_vec())]);
    assert_eq!(text_of_bytes("x", &profile).unwrap().parameters.as_deref(), Some("a cat"));
}

#[test]
fn the_kind_of_chunk_that_counts() {
    let png =
        [(b"iTXt", &b"parameters\0\0\0\0\0utf-8"[..]), (b"tEXt", b"parameters\0latin"), (b"zTXt", b"parameters\0\0x")]
            .iter()
            .fold(bare(), |png, (name, data)| insert_before_end(&png, name, data));
    // The last one cannot be unpacked, and would not count.
    assert!(matches!(text_of_bytes("x", &png), Err(Error::Damaged { .. })));
    let png = [(b"iTXt", &b"parameters\0\0\0\0\0utf-8"[..]), (b"tEXt", b"parameters\0latin")]
        .iter()
        .fold(bare(), |png, (name, data)| insert_before_end(&png, name, data));
    assert_eq!(text_of_bytes("x", &png).unwrap().parameters.as_deref(), Some("utf-8"));
}

/// A PNG of this size and kind, of which nothing is there but the first bytes.
fn header(width: u32, height: u32, depth: u8, kind: u8, interlaced: u8) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let size = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, kind, 0, 0, interlaced]].concat();
    for (name, data) in [(b"IHDR", size), (b"IDAT", packed(1 << 16)), (b"IEND", Vec::new())] {
        let mut crc = crc32fast::Hasher::new();
        crc.update(name);
        crc.update(&data);
        png.extend([&(data.len() as u32).to_be_bytes()[..], name, &data, &crc.finalize().to_be_bytes()].concat());
    }
    png
}

#[test]
fn pictures_of_too_many_pixels_are_refused_unread() {
    for (width, height, depth, kind, interlaced) in [
        (16_384, 16_384, 8, 2, 0),
        (16_384, 16_384, 16, 6, 0),
        (16_384, 16_384, 8, 2, 1),
        (8192, 8193, 8, 2, 0),
        (1, 16_385, 8, 0, 0),
        (u32::MAX / 2, 2, 1, 0, 0),
    ] {
        let refused = picture_of_bytes("x", &header(width, height, depth, kind, interlaced)).unwrap_err();
        let said = refused.to_string();
        assert!(said.contains("megapixels") || said.contains("MiB"), "{width}x{height}: {said}");
    }
    // A picture of a size that is read, and of too little.
    assert!(matches!(picture_of_bytes("x", &header(64, 4096, 8, 2, 0)), Err(Error::Damaged { .. })));
    // A profile that unpacks to more than any has is passed over.
    let profile = [&b"p\0\0"[..], &packed(33 << 20)].concat();
    let mut png = bare();
    let rest = png.split_off(33);
    let mut crc = crc32fast::Hasher::new();
    crc.update(b"iCCP");
    crc.update(&profile);
    png.extend(
        [&(profile.len() as u32).to_be_bytes()[..], b"iCCP", &profile, &crc.finalize().to_be_bytes(), &rest].concat(),
    );
    assert_eq!(picture_of_bytes("x", &png).unwrap().bytes, picture_of_bytes("x", &bare()).unwrap().bytes);
    // A JPEG tells its size before its pixels, and one with a gigabyte behind them is none.
    let frame = [&[8][..], &20_000u16.to_be_bytes(), &20_000u16.to_be_bytes(), &[1, 1, 0x11, 0]].concat();
    let refused = picture_of_bytes("x", &jpeg(&[(0xe0, b"JFIF\0\x01\x02\0\0\x01\0\x01\0\0"), (0xc0, &frame)]));
    assert!(refused.unwrap_err().to_string().contains("20000x20000"));
    // Decoders paint grey what a JPEG has not.
    let mut whole = std::io::Cursor::new(Vec::new());
    image().write_to(&mut whole, image::ImageFormat::Jpeg).unwrap();
    let whole = whole.into_inner();
    assert_eq!(picture_of_bytes("x", &[&whole[..], b"behind it"].concat()).unwrap().width, 5);
    for cut in [whole.len() - 1, whole.len() - 10] {
        assert!(picture_of_bytes("x", &whole[..cut]).unwrap_err().to_string().contains("it is cut short"), "{cut}");
    }
    let at = whole.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    let mut claims = whole;
    claims[at + 5..at + 9].copy_from_slice(&[0x0f, 0xa0, 0x0f, 0xa0]);
    let refused = picture_of_bytes("x", &claims).unwrap_err().to_string();
    assert!(refused.contains("a JPEG of 4000x4000 pixels has no file of"), "{refused}");
    let (_dir, path) = folder();
    fs::write(&path, bare()).unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1 << 30).unwrap();
    assert!(read_picture(&path).unwrap_err().to_string().contains("no file of more than"));
}

#[test]
fn exif_that_goes_on_and_on_is_refused() {
    // Directories that lie over each other, each with many fields, and each naming the next one.
    let mut block = b"MM\0\x2a\0\0\0\x08".to_vec();
    let (count, fields) = (500usize, 100usize);
    block.resize(8 + 4 * count + 2 + 12 * fields + 4, 0);
    for n in 0..count {
        let at = 8 + 4 * n;
        block[at..at + 2].copy_from_slice(&(fields as u16).to_be_bytes());
        let next = at + 2 + 12 * fields;
        if next + 4 <= block.len() {
            block[next..next + 4].copy_from_slice(&(at as u32 + 4).to_be_bytes());
        }
    }
    let refused = text_of_bytes("x", &jpeg(&[(0xe1, &[b"Exif\0\0", &block[..]].concat())])).unwrap_err();
    assert!(refused.to_string().contains("fields"), "{refused}");
    // A thousand fields, each with all of the block; of those that are read there is one.
    let mut block = b"II\x2a\0\x08\0\0\0".to_vec();
    block.extend(1000u16.to_le_bytes());
    for n in 0..1000u16 {
        let length = 40_000u32;
        block.extend([&(0x100 + n).to_le_bytes()[..], &[7, 0], &length.to_le_bytes(), &0u32.to_le_bytes()].concat());
    }
    block.resize(60_000, 0);
    text_of_bytes("x", &jpeg(&[(0xe1, &[b"Exif\0\0", &block[..]].concat())])).unwrap();
}

#[test]
fn gifs_and_jpegs_of_comments_alone_are_refused() {
    let gif = [&b"GIF89a\x01\0\x01\0\0\0\0"[..], &b"\x21\xfe\0".repeat(200_000), b"\x3b"].concat();
    assert!(matches!(text_of_bytes("x", &gif), Err(Error::TooLong { .. })));
    let comments: Vec<(u8, &[u8])> = vec![(0xfe, b""); 200_000];
    assert!(matches!(text_of_bytes("x", &jpeg(&comments)), Err(Error::TooLong { .. })));
    let webp = [&b"RIFF\xff\xff\xff\0WEBPEXIF"[..], &(5u32 << 20).to_le_bytes(), &vec![0; 5 << 20]].concat();
    assert!(matches!(text_of_bytes("x", &webp), Err(Error::TooLong { .. })));
}
