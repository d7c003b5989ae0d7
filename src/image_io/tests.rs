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
    assert_eq!(read_text(&path).unwrap(), ImageText::default());
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
