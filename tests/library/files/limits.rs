//! Files that hold more than any of their kind does: each is refused with the limit in words, and takes less memory than the limit
//! allows for what is refused.

use std::fmt::Write as _;
use std::path::Path;

use lbw::checkpoint::TensorFile;
use lbw::files::limits::{METADATA, PICKLE_VALUES, TENSOR_HEADER, TENSORS};
use lbw::image_io::{picture_of_bytes, text_of_bytes};
use lbw::lora::Inspection;

use super::memory::peak;
use super::write::{Block, Pickle, gguf, torch_zip};

/// What a refused file may take.
const REFUSED: usize = 64 << 20;

fn with_header(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
}

/// Opens the file as a model and as a LoRA; the words of its refusal.
fn refusal(path: &Path) -> String {
    let (refused, held) = peak(|| TensorFile::open(path).map(drop).unwrap_err().to_string());
    assert!(held < REFUSED, "{refused}: {held} bytes");
    let (inspected, held) = peak(|| Inspection::of_file(path, None).map(drop).unwrap_err().to_string());
    assert!(held < REFUSED && inspected.contains(&refused), "{refused}: {held} bytes");
    refused
}

fn tensors(count: usize, shape: &str) -> String {
    let mut header = String::from("{");
    for n in 0..count {
        let comma = if n == 0 { "" } else { "," };
        write!(header, r#"{comma}"t{n}":{{"dtype":"F32","shape":{shape},"data_offsets":[0,0]}}"#).unwrap();
    }
    header + "}"
}

#[test]
fn headers_of_more_than_any_model_has() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let padded = format!("{}{}", tensors(1, "[0]"), " ".repeat(TENSOR_HEADER));
    let mut entries = String::from(r#"{"__metadata__":{"#);
    (0..METADATA).for_each(|n| write!(entries, r#""k{n}":"","#).unwrap());
    entries.push_str(r#""last":""}}"#);
    let long = format!("[{}0]", "1,".repeat(32 * TENSORS));
    for (header, limit) in [
        (tensors(TENSORS + 1, "[0]"), format!("more than {TENSORS} tensors")),
        (tensors(1, &long), format!("more than {TENSORS} tensors")),
        (padded, "longer than 16 MiB".to_owned()),
        (entries, format!("more than {METADATA} entries")),
    ] {
        std::fs::write(&path, with_header(&header, 0)).unwrap();
        let said = refusal(&path);
        assert!(said.contains(&limit), "{said}");
    }
    // Said to be as long as the format allows, and not there: cut short, whatever the length.
    std::fs::write(&path, [&99_000_000u64.to_le_bytes()[..], b"{}"].concat()).unwrap();
    assert!(refusal(&path).contains("cut short"));
    // Nothing but brackets is no header, however deep.
    std::fs::write(&path, with_header(&format!("{{\"a\":{}", "[".repeat(1 << 20)), 0)).unwrap();
    refusal(&path);
}

#[test]
fn ggufs_and_pickles_of_more_than_any_model_has() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    let mut file = gguf(&[Block { name: "a".into(), shape: vec![1], kind: 0, bytes: vec![0; 4], original: None }]);
    file[8..16].copy_from_slice(&(TENSORS as u64 + 1).to_le_bytes());
    file.resize(1 << 20, 0);
    std::fs::write(&path, &file).unwrap();
    assert!(refusal(&path).contains(&format!("more than {TENSORS} things")));
    // A text of the metadata that goes on behind the limit.
    let mut file = [b"GGUF", &3u32.to_le_bytes()[..], &0u64.to_le_bytes(), &1u64.to_le_bytes()].concat();
    file.extend([&1u64.to_le_bytes()[..], b"k", &8u32.to_le_bytes(), &(20u64 << 20).to_le_bytes()].concat());
    file.resize(22 << 20, b'x');
    std::fs::write(&path, &file).unwrap();
    assert!(refusal(&path).contains("longer than 16 MiB"));

    let path = folder.path().join("x.ckpt");
    let values = Pickle::new().op(&b"N0".repeat(PICKLE_VALUES)).stop();
    std::fs::write(&path, torch_zip(&values, &[])).unwrap();
    assert!(refusal(&path).contains(&format!("more than {PICKLE_VALUES} values")));
    let long = Pickle::new().op(b"B").op(&(17u32 << 20).to_le_bytes()).op(&vec![0; 17 << 20]).stop();
    std::fs::write(&path, torch_zip(&long, &[])).unwrap();
    refusal(&path);
}

/// A profile of colours that unpacks to 400 MiB, in the largest picture that is read. The picture itself is cut short.
#[test]
fn a_profile_of_a_large_picture_has_no_more_memory_than_one_of_a_small() {
    const SIDE: u32 = 8192;
    let mut packed = flate2::Compress::new(flate2::Compression::fast(), false);
    let mut zeros = Vec::with_capacity(1 << 20);
    packed.compress_vec(&vec![0; 1 << 20], &mut zeros, flate2::FlushCompress::Full).unwrap();
    let profile = [&b"p\0\0\x78\x01"[..], &zeros.repeat(400)].concat();
    let header = [&SIDE.to_be_bytes()[..], &SIDE.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let pixels = [&b"\x78\x01"[..], &zeros].concat();
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in [(b"IHDR", &header), (b"iCCP", &profile), (b"IDAT", &pixels), (b"IEND", &Vec::new())] {
        let checksum = crc32fast::hash(&[&name[..], data].concat());
        png.extend([&(data.len() as u32).to_be_bytes()[..], name, data, &checksum.to_be_bytes()].concat());
    }
    let (refused, held) = peak(|| picture_of_bytes("x", &png).map(drop).unwrap_err());
    assert!(refused.to_string().contains('x'), "{refused}");
    let picture = (3 * SIDE * SIDE) as usize;
    assert!(held < picture + REFUSED, "{held} bytes");
    let (_, held) = peak(|| text_of_bytes("x", &png).map(drop));
    assert!(held < REFUSED, "{held} bytes");
}
