//! Files that somebody writes to while they are open: errors, never a signal.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lbw::checkpoint::{Checkpoint, FileError, TensorFile};
use lbw::diagnostic::Said;
use lbw::engine::{Engine, EngineOptions, unobserved};
use lbw::lora::LoraHashes;
use lbw::plan::{Plan, Request, Sampler, Settings, lower};
use lbw::preset::PresetSet;

use super::write::{Block, Stored, gguf, safetensors, torch};

/// A copy of the embedded model.
fn model(folder: &Path) -> PathBuf {
    let path = folder.join("model.safetensors");
    let embedded = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/embedded/shapes-xl.safetensors");
    std::fs::copy(embedded, &path).unwrap();
    path
}

fn cut(path: &Path, length: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

fn plan(prompt: &str) -> Plan {
    let mut request = Request::new(prompt, "");
    let (sampler, side) = (Sampler::from_name("Euler").unwrap(), 32);
    request.settings = Settings { sampler, steps: 1, cfg_scale: 2.0, width: side, height: side, ..Settings::default() };
    lower(&request, PresetSet::builtin()).plan.unwrap()
}

fn is_changed(said: &str) {
    assert!(said.contains("changed or cut short since it was opened"), "{said}");
}

#[test]
fn an_engine_whose_file_is_cut_short_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = model(folder.path());
    let mut engine = Engine::new(Checkpoint::open(&path).unwrap(), EngineOptions::default()).unwrap();
    engine.run(&plan("red circle"), &mut unobserved).unwrap();
    cut(&path, 1000);
    // What is in memory is drawn with; other words are read from the file.
    engine.run(&plan("red circle"), &mut unobserved).unwrap();
    let error = engine.run(&plan("blue star"), &mut unobserved).map(drop).unwrap_err();
    is_changed(error.said().in_language(lbw::diagnostic::Language::En));
    // A file that is put in its place is another one.
    let path = model(folder.path());
    let mut engine = Engine::new(Checkpoint::open(&path).unwrap(), EngineOptions::default()).unwrap();
    std::fs::write(folder.path().join("new"), "new").unwrap();
    std::fs::rename(folder.path().join("new"), &path).unwrap();
    engine.run(&plan("blue star"), &mut unobserved).unwrap();
}

/// Cut at any moment of a load, again and again.
#[test]
fn a_file_that_shrinks_while_it_is_read_ends_in_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut failed = 0;
    for round in 0..12u64 {
        let path = model(folder.path());
        let length = std::fs::metadata(&path).unwrap().len();
        let cutter = std::thread::spawn({
            let path = path.clone();
            move || {
                std::thread::sleep(Duration::from_millis(round * 3));
                for part in (0..8).rev() {
                    cut(&path, length * part / 8);
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        let engine = Checkpoint::open(&path).map(|checkpoint| Engine::new(checkpoint, EngineOptions::default()));
        if let Ok(Ok(engine)) = &engine
            && let Err(error) = engine.load(&mut unobserved)
        {
            is_changed(&error.to_string());
            failed += 1;
        }
        cutter.join().unwrap();
        if let Ok(Ok(engine)) = engine {
            failed += usize::from(engine.checkpoint().file().f32("model.diffusion_model.out.2.weight").is_err());
        }
    }
    assert!(failed > 0);
}

#[test]
fn every_format_notices() {
    let folder = tempfile::tempdir().unwrap();
    let numbers = Stored::f32("a", &[64], (0..64).map(|i| i as f32));
    let block = Block { name: "a".to_owned(), shape: vec![64], kind: 8, bytes: vec![1; 68], original: None };
    for (name, bytes) in [
        ("x.safetensors", safetensors(std::slice::from_ref(&numbers), &[])),
        ("x.ckpt", torch(std::slice::from_ref(&numbers))),
        ("x.gguf", gguf(&[block])),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let file = TensorFile::open(&path).unwrap();
        assert_eq!(file.f32("a").unwrap().elem_count(), 64);
        // As long as before, and another time.
        let writer = OpenOptions::new().write(true).open(&path).unwrap();
        writer.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        for read in [file.f32("a").map(drop), file.numbers("a").map(drop), file.bytes("a").map(drop)] {
            assert!(matches!(read, Err(FileError::Changed { .. })), "{name}");
        }
        cut(&path, bytes.len() as u64 / 2);
        assert!(matches!(file.tensor("a"), Err(FileError::Changed { .. })), "{name}");
        assert!(LoraHashes::of_file(&path).is_err() && TensorFile::open(&path).is_err(), "{name}");
    }
}
