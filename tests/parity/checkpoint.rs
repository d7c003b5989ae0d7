//! The checkpoints that vectors name: the file itself, unpacked if need be, or one built from its manifest.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use candle_core::{DType, Device, Tensor};
use lbw::checkpoint::{Checkpoint, generated};
use lbw::model::{OperatorChoice, Operators, Precision};
use serde_json::Value;

use crate::common;

/// The checkpoint that the JSON of `num/FOLDER` names in its field `checkpoint`, opened once per test run.
pub fn named_by(json: &Value, folder: &str) -> Arc<Checkpoint> {
    static OPEN: OnceLock<Mutex<HashMap<std::path::PathBuf, Arc<Checkpoint>>>> = OnceLock::new();
    let name = json["checkpoint"].as_str().expect("the JSON names its checkpoint");
    let path = common::vectors().join("num").join(folder).join(name);
    let mut open = OPEN.get_or_init(Mutex::default).lock().unwrap();
    open.entry(path.clone()).or_insert_with(|| Arc::new(open_or_generate(&path))).clone()
}

/// What an engine computes with on this machine, unless it is told otherwise.
pub fn operators() -> Arc<dyn Operators> {
    OperatorChoice::default().open(&Device::Cpu).unwrap()
}

/// The sets of operators that networks are held to golden values with, and what is allowed to each where `exact` is in f32. With
/// `LBW_TEST_DEVICE=cuda`, in a build for cards, those of a card as well.
pub fn sets(exact: f64) -> Vec<(String, Arc<dyn Operators>, f64)> {
    /// One evaluation in 16 bits, of the largest value.
    const NARROW: f64 = 5e-3;
    let mut devices = vec![Device::Cpu];
    if std::env::var("LBW_TEST_DEVICE").as_deref() == Ok("cuda") {
        devices.push(lbw::model::ops::card(0).unwrap());
    }
    let mut sets = vec![("ours".to_owned(), operators(), exact)];
    for device in devices {
        // A card adds up in another order, in parts of its own.
        let exact = if device.is_cpu() { exact } else { 10.0 * exact };
        let choices = [
            (OperatorChoice::Candle(DType::F32), exact),
            (OperatorChoice::Candle(DType::F16), NARROW),
            (OperatorChoice::In(Precision::F32), exact),
            (OperatorChoice::In(Precision::F16), NARROW),
        ];
        // On the CPU the last two are the first two, and ours.
        for (choice, tolerance) in choices.into_iter().take(if device.is_cpu() { 2 } else { 4 }) {
            sets.push((format!("{choice:?}, {device:?}"), choice.open(&device).unwrap(), tolerance));
        }
    }
    sets
}

/// [`named_by`], for one engine alone.
pub fn open(json: &Value, folder: &str) -> Checkpoint {
    let name = json["checkpoint"].as_str().expect("the JSON names its checkpoint");
    open_or_generate(&common::vectors().join("num").join(folder).join(name))
}

fn open_or_generate(path: &Path) -> Checkpoint {
    match path.exists() {
        true => Checkpoint::open(path).unwrap(),
        false => Checkpoint::from_bytes(path, unpack_or_generate(path)).unwrap(),
    }
}

fn unpack_or_generate(path: &Path) -> Vec<u8> {
    if let Ok(packed) = std::fs::File::open(path.with_added_extension("xz")) {
        let mut bytes = Vec::new();
        lzma_rs::xz_decompress(&mut std::io::BufReader::new(packed), &mut bytes).unwrap();
        return bytes;
    }
    let manifest = path.with_extension("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap_or_else(|e| panic!("{}: {e}", manifest.display()));
    generated::from_manifest(&text).unwrap()
}

/// A new `tinyxl`, with the tensors that `tensors` holds as `checkpoint_patch.NAME` in place of its own.
pub fn tinyxl(name: &str, tensors: &HashMap<String, Tensor>) -> Checkpoint {
    let path = common::vectors().join("num/tinyxl/tinyxl.safetensors");
    let bytes = std::fs::read(&path).unwrap_or_else(|_| unpack_or_generate(&path));
    let mut all = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).unwrap();
    let patches = tensors.iter().filter_map(|(key, tensor)| Some((key.strip_prefix("checkpoint_patch.")?, tensor)));
    for (key, tensor) in patches {
        assert!(all.insert(key.to_owned(), tensor.clone()).is_some(), "{key}");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(name);
    candle_core::safetensors::save(&all, &file).unwrap();
    Checkpoint::from_bytes(name, std::fs::read(file).unwrap()).unwrap()
}
