//! Baking a weight into a LoRA file gives a file with the scaled delta, or refuses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use lbw::block::Family;
use lbw::lora::{BakeError, Baked, Inspection, KeyTable, ModuleTable, Network, bake};
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/vectors/num")
}

/// The modules of the numeric test model.
fn table() -> ModuleTable {
    let manifest = std::fs::read_to_string(fixtures().join("tinyxl/tinyxl.manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let tensors: Vec<(String, Vec<usize>)> = manifest["tensors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| (t["name"].as_str().unwrap().to_owned(), serde_json::from_value(t["shape"].clone()).unwrap()))
        .collect();
    ModuleTable::new(Family::Sdxl, tensors.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())))
}

/// Every parameter's delta at `ratio`, on weights of 0.5.
fn deltas(network: &Network, ratio: f64) -> BTreeMap<String, Vec<f32>> {
    let mut deltas = BTreeMap::new();
    for module in network.modules() {
        let base = Tensor::full(0.5f32, module.target().shape.as_slice(), &Device::Cpu).unwrap();
        let delta = module.delta(&base, 1.0, ratio, false).unwrap();
        for (what, tensor) in [("weight", delta.weight), ("bias", delta.bias)] {
            if let Some(tensor) = tensor {
                let values = tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap();
                deltas.insert(format!("{} {what}", module.name()), values);
            }
        }
    }
    deltas
}

fn assert_close(got: &BTreeMap<String, Vec<f32>>, expected: &BTreeMap<String, Vec<f32>>) {
    assert!(got.keys().eq(expected.keys()), "{:?}\n{:?}", got.keys(), expected.keys());
    for (name, expected) in expected {
        let max = expected.iter().fold(0f32, |m, v| m.max(v.abs()));
        for (got, expected) in got[name].iter().zip(expected) {
            assert!((got - expected).abs() <= 1e-6 * max, "{name}: {got}, expected {expected}");
        }
    }
}

struct Case {
    name: &'static str,
    folder: tempfile::TempDir,
}

impl Case {
    fn new(name: &'static str) -> Self {
        Case { name, folder: tempfile::tempdir().unwrap() }
    }

    fn input(&self) -> PathBuf {
        fixtures().join(format!("lora_kinds/{}.safetensors", self.name))
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("baked.safetensors")
    }

    fn bake(&self, weight: f64) -> Result<Baked, BakeError> {
        bake(&self.input(), &self.output(), &table(), KeyTable::Lenient, |_| weight, "0.3 everywhere")
    }

    fn open(path: &Path) -> Network {
        Network::open(path, &table(), KeyTable::Lenient).unwrap()
    }
}

#[test]
fn linear_kinds_keep_kind_and_rank() {
    for name in [
        "lora_linear",
        "lora_linear_f16",
        "lora_noalpha",
        "lora_scale_tensor",
        "locon",
        "locon_mid_cp",
        "names_peft_diffusers",
        "names_peft_base_model",
        "names_diffusers_processor",
        "names_comfy_diffusion_model",
        "loha_linear",
        "loha_conv_tucker",
        "lokr_full_full",
        "lokr_full_dec",
        "lokr_dec_full",
        "full_diff",
        "norm",
        "ia3",
    ] {
        let case = Case::new(name);
        let old = Case::open(&case.input());
        let baked = case.bake(0.3).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(baked, Baked { scaled: old.modules().len(), ..Baked::default() }, "{name}");
        let new = Case::open(&case.output());
        assert_close(&deltas(&new, 1.0), &deltas(&old, 0.3));
        let kinds = |path| Inspection::of_file(path, Some(&table())).map(|i| (i.kinds, i.ranks)).unwrap();
        assert_eq!(kinds(&case.output()), kinds(&case.input()), "{name}");
        assert_eq!(new.metadata()["lbw_baked"], "0.3 everywhere");
    }
}

#[test]
fn weight_zero_drops_and_one_keeps() {
    let case = Case::new("lora_linear");
    let modules = Case::open(&case.input()).modules().len();
    let one_block =
        |module: &lbw::lora::NetworkModule| if module.block().unwrap().name() == "IN04" { 1.0 } else { 0.0 };
    let baked = bake(&case.input(), &case.output(), &table(), KeyTable::Webui, one_block, "").unwrap();
    assert_eq!(baked, Baked { unchanged: 1, scaled: 0, dropped: modules - 1 });
    let new = Case::open(&case.output());
    assert_eq!((new.modules().len(), new.unmatched().len()), (1, 0));
}

#[test]
fn what_cannot_be_baked_is_refused() {
    for name in ["glora", "oft_kohya", "boft", "dora_per_input"] {
        let case = Case::new(name);
        assert!(matches!(case.bake(0.3), Err(BakeError::CannotScale { .. })), "{name}");
        assert_eq!(std::fs::read_dir(case.folder.path()).unwrap().count(), 0);
    }
    let case = Case::new("lora_linear");
    assert!(matches!(case.bake(f64::NAN), Err(BakeError::NotFinite { .. })));
    case.bake(0.5).unwrap();
    assert!(matches!(case.bake(0.5), Err(BakeError::Exists { .. })));
}
