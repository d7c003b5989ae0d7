//! A thousand mutations of a file of each format: none makes the reader panic or take more memory than the file justifies.

use lbw::checkpoint::{Checkpoint, FileError, GgufProblem, TensorFile};

use super::memory::peak;
use super::write::{Block, Pickle, Stored, gguf, old_torch, safetensors, torch, torch_zip};

/// xorshift
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

/// A few changes of `file`: bytes, lengths, cuts, repeats.
fn mutated(file: &[u8], random: &mut Random) -> Vec<u8> {
    const WORDS: [u64; 8] = [0, 1, 0x7f, 0xff, 0xffff_ffff, 0x7fff_ffff, u64::MAX, 1 << 40];
    let mut file = file.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(file.len());
        match random.below(6) {
            0 => file[at] = random.below(256) as u8,
            1 => file[at] ^= 1 << random.below(8),
            2 => {
                let word = WORDS[random.below(WORDS.len())].to_le_bytes();
                let width = [1, 2, 4, 8][random.below(4)];
                file[at..].iter_mut().zip(&word[..width]).for_each(|(byte, new)| *byte = *new);
            }
            3 => file.truncate(at.max(1)),
            4 => {
                let part = file[at..(at + random.below(40)).min(file.len())].to_vec();
                let to = random.below(file.len());
                file.splice(to..to, part);
            }
            _ => {
                let end = (at + random.below(20)).min(file.len());
                file.drain(at..end);
                if file.is_empty() {
                    file.push(0);
                }
            }
        }
    }
    file
}

/// Opens the file and reads all of it, as far as it can be.
fn read_all(bytes: Vec<u8>) {
    let Ok(file) = TensorFile::from_bytes("x", bytes) else { return };
    let names: Vec<String> = file.names().map(str::to_owned).collect();
    for name in &names {
        let entry = file.entry(name).unwrap();
        let _ = (file.tensor(name), file.numbers(name).is_ok(), file.f32_rows(name, &[0]), entry.type_name());
        if let Ok(bytes) = file.bytes(name) {
            assert_eq!(bytes.len() * 8, entry.shape.iter().product::<usize>() * entry.dtype.bitsize(), "{name}");
        }
    }
}

fn mutate(name: &str, file: &[u8]) {
    read_all(file.to_vec());
    let mut random = Random(0x9E37_79B9_7F4A_7C15 ^ name.len() as u64);
    for round in 0..1000 {
        let bytes = mutated(file, &mut random);
        let length = bytes.len();
        let ((), held) = peak(|| read_all(bytes.clone()));
        assert!(held < 64 * length + (1 << 20), "{name}, round {round}: {held} bytes for a file of {length}");
        // The same bytes as a model are refused without a panic.
        let _ = Checkpoint::from_bytes("x", bytes).map(drop);
    }
}

fn tensors() -> Vec<Stored> {
    let wave = |n: usize| (0..n).map(|i| (i as f32).sin());
    vec![
        Stored::f32("model.diffusion_model.input_blocks.0.0.weight", &[8, 4, 3, 3], wave(288)),
        Stored::raw("first.weight", "F8_E4M3", &[4, 8], (0..32).collect()),
        Stored::f32("first.scale_weight", &[], [0.5]),
        Stored::raw("second.weight", "F8_E5M2", &[2, 2], vec![0x3c, 0xbc, 0x40, 0]),
        Stored::f32("second.weight_scale", &[2, 1], [0.5, 2.0]),
        Stored::raw("half", "F16", &[2, 2], vec![0, 0x3c, 0, 0x40, 0, 0xc0, 0, 0]),
        Stored::raw("step", "I64", &[], 900i64.to_le_bytes().to_vec()),
        Stored::raw("short", "I16", &[2], vec![1, 0, 2, 0]),
    ]
}

fn plain() -> Vec<Stored> {
    tensors().into_iter().filter(|t| ["F32", "F16", "I64"].contains(&t.dtype)).collect()
}

#[test]
fn mutated_safetensors() {
    mutate("safetensors", &safetensors(&tensors(), &[("ss_output_name", "x")]));
}

#[test]
fn mutated_archives_of_torch() {
    mutate("torch", &torch(&plain()));
    let values: Vec<u8> = (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let pickle = Pickle::new().op(b"}(").text("state_dict").op(b"}(");
    let pickle = pickle.text("turned").tensor("F32", "0", 6, 0, &[3, 2], &[1, 3]);
    let pickle = pickle.text("whole").tensor("F32", "0", 6, 0, &[2, 3], &[3, 1]).op(b"uu").stop();
    mutate("views", &torch_zip(&pickle, &[&values]));
}

#[test]
fn mutated_older_files_of_torch() {
    mutate("old torch", &old_torch(&plain()));
}

fn blocks() -> Vec<Block> {
    let block = |name: &str, shape: &[usize], kind, bytes: Vec<u8>| Block {
        name: name.to_owned(),
        shape: shape.to_vec(),
        kind,
        bytes,
        original: None,
    };
    let bytes = |n: usize| (0..n).map(|i| (i * 37 % 61) as u8).collect::<Vec<u8>>();
    vec![
        block("f32", &[2, 3], 0, (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect()),
        block("f16", &[2], 1, vec![0, 0x3c, 0, 0x40]),
        block("q8", &[2, 64], 8, bytes(4 * 34)),
        block("q4", &[1, 32], 2, bytes(18)),
        block("q5", &[1, 32], 7, bytes(24)),
        Block { original: Some(vec![16, 16, 1, 1]), ..block("q4k", &[1, 256], 12, bytes(144)) },
        block("q6k", &[1, 256], 14, bytes(210)),
    ]
}

#[test]
fn mutated_gguf() {
    mutate("gguf", &gguf(&blocks()));
}

#[test]
fn gguf_headers_that_lie_are_refused() {
    let whole = gguf(&blocks());
    for length in 4..whole.len() {
        assert!(TensorFile::from_bytes("x", whole[..length].to_vec()).is_err(), "cut to {length}");
    }
    let problem = |bytes: Vec<u8>| match TensorFile::from_bytes("x.gguf", bytes) {
        Err(FileError::Gguf { problem, .. }) => problem,
        other => panic!("{:?}", other.map(|file| file.names().count())),
    };
    let with = |at: usize, word: &[u8]| {
        let mut bytes = whole.clone();
        bytes[at..at + word.len()].copy_from_slice(word);
        bytes
    };
    assert_eq!(problem(with(4, &[9])), GgufProblem::Version(9));
    for word in [u64::MAX, 1 << 60, 1 << 30] {
        assert_eq!(problem(with(8, &word.to_le_bytes())), GgufProblem::CutShort);
        assert!(matches!(problem(with(16, &word.to_le_bytes())), GgufProblem::CutShort | GgufProblem::Damaged(_)));
    }
    let single = |shape: &[usize], kind, bytes: usize| {
        let tensor = Block { name: "a".into(), shape: shape.to_vec(), kind, bytes: vec![0; bytes], original: None };
        problem(gguf(&[tensor]))
    };
    let huge = usize::MAX / 2;
    assert!(matches!(single(&[huge, huge], 0, 4), GgufProblem::Damaged(_)));
    assert!(matches!(single(&[1 << 40], 0, 4), GgufProblem::CutShort));
    assert!(matches!(single(&[33], 8, 64), GgufProblem::Damaged(_)));
    assert!(matches!(single(&[32], 99, 64), GgufProblem::Damaged(_)), "a type that is not known");
    assert!(matches!(single(&[1, 1, 1, 1, 1], 0, 4), GgufProblem::Damaged(_)));
}
