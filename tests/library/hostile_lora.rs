//! LoRA files that are broken, hostile or for something else: each is refused with a message that says what is wrong.

use std::path::PathBuf;

use lbw::block::Family;
use lbw::checkpoint::FileError;
use lbw::lora::{Inspection, KeyTable, LoraError, ModuleTable, Network};
use serde_json::{Map, json};

/// A linear layer of 8×4, a 3×3 convolution of 4×2 and a normalisation layer of 4.
fn table() -> ModuleTable {
    let tensors: [(&str, &[usize]); 5] = [
        ("model.diffusion_model.input_blocks.4.1.proj_in.weight", &[8, 4]),
        ("model.diffusion_model.input_blocks.4.1.proj_in.bias", &[8]),
        ("model.diffusion_model.input_blocks.1.0.in_layers.2.weight", &[4, 2, 3, 3]),
        ("model.diffusion_model.input_blocks.1.0.in_layers.0.weight", &[4]),
        ("model.diffusion_model.input_blocks.1.0.in_layers.0.bias", &[4]),
    ];
    ModuleTable::new(Family::Sdxl, tensors)
}

const LINEAR: &str = "lora_unet_input_blocks_4_1_proj_in";
const CONV: &str = "lora_unet_input_blocks_1_0_in_layers_2";
const NORM: &str = "lora_unet_input_blocks_1_0_in_layers_0";

/// Names and shapes.
type Tensors<'a> = &'a [(&'a str, &'a [usize])];

struct File {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl File {
    fn new(bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        std::fs::write(&path, bytes).unwrap();
        File { _folder: folder, path }
    }

    /// An f32 file with these tensors, all elements `value`.
    fn with(tensors: Tensors, value: f32) -> Self {
        Self::new(&safetensors(tensors, value))
    }

    fn open(&self) -> Result<Network, LoraError> {
        let webui = Network::open(&self.path, &table(), KeyTable::Webui);
        let lenient = Network::open(&self.path, &table(), KeyTable::Lenient);
        assert_eq!(webui.is_ok(), lenient.is_ok());
        // Whatever the file is, looking at it must not panic.
        let _ = Inspection::of_file(&self.path, Some(&table()));
        lenient
    }

    fn message(&self) -> String {
        self.open().unwrap_err().to_string()
    }
}

fn safetensors(tensors: Tensors, value: f32) -> Vec<u8> {
    let (mut header, mut data) = (Map::new(), Vec::new());
    for (name, shape) in tensors {
        let start = data.len();
        data.extend((0..shape.iter().product()).flat_map(|_| value.to_le_bytes()));
        let entry = json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]});
        header.insert((*name).to_owned(), entry);
    }
    with_header(&serde_json::to_string(&header).unwrap(), &data)
}

fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// Tensors of one module, by part name.
fn parts<'a>(module: &str, parts: &[(&str, &'a [usize])]) -> Vec<(String, &'a [usize])> {
    parts.iter().map(|(part, shape)| (format!("{module}.{part}"), *shape)).collect()
}

fn module_message(module: &str, tensors: Tensors) -> String {
    let named = parts(module, tensors);
    let borrowed: Vec<_> = named.iter().map(|(name, shape)| (name.as_str(), *shape)).collect();
    File::with(&borrowed, 0.5).message()
}

#[test]
fn a_good_file_loads() {
    let tensors = parts(LINEAR, &[("lora_up.weight", &[8, 2]), ("lora_down.weight", &[2, 4]), ("alpha", &[])]);
    let borrowed: Vec<_> = tensors.iter().map(|(name, shape)| (name.as_str(), *shape)).collect();
    let network = File::with(&borrowed, 0.5).open().unwrap();
    assert_eq!(network.modules().len(), 1);
    assert_eq!(network.modules()[0].scale(), 0.25);
}

#[test]
fn files_that_are_something_else() {
    let cases: [(&[u8], &str); 7] = [
        (b"", "empty"),
        (b"PK\x03\x04 archive/data.pkl", "pickle"),
        (b"\x80\x02}q\x00(X\x04", "pickle"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"short", "damaged"),
        (&[0xff; 64], "damaged"),
    ];
    for (bytes, expected) in cases {
        let message = File::new(bytes).message();
        assert!(message.contains(expected) && message.contains("x.safetensors"), "{expected}: {message}");
    }
    let missing = Network::open("no such file".as_ref(), &table(), KeyTable::Webui);
    assert!(matches!(missing, Err(LoraError::File(FileError::Io { .. }))));
    let folder = tempfile::tempdir().unwrap();
    assert!(Network::open(folder.path(), &table(), KeyTable::Webui).is_err());
}

#[test]
fn files_that_are_cut_short() {
    let whole = safetensors(&[("a", &[16]), ("b", &[3, 5])], 1.0);
    for len in 0..whole.len() {
        assert!(matches!(File::new(&whole[..len]).open(), Err(LoraError::File(_))), "cut to {len}");
    }
    let mut longer = whole;
    longer.push(0);
    assert!(matches!(File::new(&longer).open(), Err(LoraError::File(_))));
}

#[test]
fn headers_that_lie() {
    let entry = |dtype: &str, shape: &str, offsets: &str| {
        format!(r#"{{"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
    };
    let cases = [
        entry("F32", "[4]", "[0,8]"),
        entry("F32", "[2]", "[4,12]"),
        entry("F32", "[2]", "[8,0]"),
        entry("F32", "[4611686018427387904]", "[0,16]"),
        entry("F32", "[4611686018427387904,4611686018427387904]", "[0,16]"),
        entry("F32", "[18446744073709551615]", "[0,18446744073709551615]"),
        entry("F32", "[-1]", "[0,16]"),
        entry("F128", "[1]", "[0,16]"),
        "{".to_owned(),
        "[]".to_owned(),
        "{\"a\":null}".to_owned(),
        "{\"__metadata__\":{\"a\":{}}}".to_owned(),
        format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
    ];
    for header in cases {
        let file = File::new(&with_header(&header, &[0; 16]));
        let shown: String = header.chars().take(80).collect();
        assert!(matches!(file.open(), Err(LoraError::File(FileError::Damaged { .. }))), "{shown}");
    }
}

#[test]
fn a_header_length_that_is_huge_or_looks_like_a_pickle() {
    for len in [u64::MAX, 1 << 40, 1 << 20] {
        let bytes = [&len.to_le_bytes()[..], b"{}"].concat();
        assert!(matches!(File::new(&bytes).open(), Err(LoraError::File(FileError::Damaged { .. }))), "{len}");
    }
    // 640 = 0x280 begins with the bytes of a pickle of protocol 2.
    let header = format!("{{}}{}", " ".repeat(638));
    assert!(matches!(File::new(&with_header(&header, &[])).open(), Err(LoraError::NoModules { .. })));
}

#[test]
fn numbers_that_are_not_finite() {
    let (up, down) = (format!("{LINEAR}.lora_up.weight"), format!("{LINEAR}.lora_down.weight"));
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let message = File::with(&[(&up, &[8, 2]), (&down, &[2, 4])], value).message();
        assert!(message.contains("NaN") && message.contains(LINEAR), "{message}");
    }
    for dtype in ["F16", "BF16"] {
        let (up_entry, down_entry) = (
            json!({"dtype": dtype, "shape": [8, 1], "data_offsets": [0, 16]}),
            json!({"dtype": dtype, "shape": [1, 4], "data_offsets": [16, 24]}),
        );
        let header = serde_json::to_string(&json!({up.as_str(): up_entry, down.as_str(): down_entry})).unwrap();
        let mut data = [0u8; 24];
        assert!(File::new(&with_header(&header, &data)).open().is_ok());
        data[23] = 0x7f;
        data[22] = 0x80;
        let message = File::new(&with_header(&header, &data)).message();
        assert!(message.contains("lora_down"), "{message}");
    }
}

#[test]
fn tensors_that_do_not_fit_each_other() {
    let cases: [(&str, Tensors, &str); 15] = [
        (LINEAR, &[("lora_up.weight", &[8, 2]), ("lora_down.weight", &[3, 4])], "ranks differ"),
        (LINEAR, &[("lora_up.weight", &[]), ("lora_down.weight", &[2, 4])], "ranks differ"),
        (LINEAR, &[("lora_up.weight", &[8, 2]), ("lora_down.weight", &[2, 4]), ("alpha", &[2])], "one number"),
        (LINEAR, &[("lora_up.weight", &[8, 0]), ("lora_down.weight", &[0, 4]), ("alpha", &[])], "rank is 0"),
        (LINEAR, &[("lora_up.weight", &[8, 2]), ("lora_down.weight", &[2, 4]), ("dora_scale", &[7])], "dora_scale"),
        (LINEAR, &[("lora_up.weight", &[8, 2]), ("lora_down.weight", &[2, 4]), ("bias", &[7])], "bias"),
        (
            CONV,
            &[("lora_up.weight", &[4, 2]), ("lora_down.weight", &[2, 2]), ("lora_mid.weight", &[3, 2, 3, 3])],
            "lora_mid",
        ),
        (CONV, &[("lora_up.weight", &[4, 2]), ("lora_down.weight", &[2, 2]), ("lora_mid.weight", &[2])], "lora_mid"),
        (
            LINEAR,
            &[("hada_w1_a", &[8, 2]), ("hada_w1_b", &[2, 4]), ("hada_w2_a", &[8, 2]), ("hada_w2_b", &[1, 4])],
            "hada_w2_b",
        ),
        (LINEAR, &[("lokr_w1", &[2, 2]), ("lokr_w2_a", &[4, 2]), ("lokr_w2_b", &[1, 2])], "lokr_w2_b"),
        (LINEAR, &[("weight", &[8])], "on_input"),
        (LINEAR, &[("oft_blocks", &[2, 4, 3])], "square"),
        (LINEAR, &[("oft_blocks", &[8])], "oft_blocks"),
        (LINEAR, &[("oft_blocks", &[5, 2, 4, 4])], "stages"),
        (LINEAR, &[("diff", &[8, 4]), ("diff_b", &[4])], "diff_b"),
    ];
    for (module, tensors, expected) in cases {
        let message = module_message(module, tensors);
        assert!(message.contains(expected) && message.contains("input_blocks"), "{tensors:?}: {message}");
    }
}

#[test]
fn tensors_that_do_not_fit_the_model() {
    let cases: [(&str, Tensors); 10] = [
        (LINEAR, &[("lora_up.weight", &[8, 2]), ("lora_down.weight", &[2, 5])]),
        (CONV, &[("lora_up.weight", &[4, 2]), ("lora_down.weight", &[2, 2, 1, 1])]),
        (NORM, &[("lora_up.weight", &[4, 2]), ("lora_down.weight", &[2, 1])]),
        (LINEAR, &[("lokr_w1", &[2, 2]), ("lokr_w2", &[2, 2])]),
        (LINEAR, &[("diff", &[4, 4])]),
        (LINEAR, &[("w_norm", &[8]), ("b_norm", &[8])]),
        (LINEAR, &[("weight", &[5]), ("on_input", &[])]),
        (
            CONV,
            &[
                ("a1.weight", &[1, 2]),
                ("a2.weight", &[2, 1]),
                ("b1.weight", &[1, 2]),
                ("b2.weight", &[4, 1]),
                ("alpha", &[]),
            ],
        ),
        (LINEAR, &[("oft_blocks", &[2, 3, 3])]),
        (LINEAR, &[("oft_diag", &[3, 4, 4])]),
    ];
    for (module, tensors) in cases {
        let message = module_message(module, tensors);
        assert!(message.contains("input_blocks"), "{tensors:?}: {message}");
    }
}

#[test]
fn empty_tensors_with_endless_dimensions() {
    const ENDLESS: usize = 1 << 40;
    let cases: [Tensors; 3] = [
        &[("lora_up.weight", &[8, 0]), ("lora_down.weight", &[0, 4]), ("lora_mid.weight", &[0, 0, ENDLESS, ENDLESS])],
        &[("lokr_w1", &[0, ENDLESS]), ("lokr_w2", &[0, ENDLESS])],
        &[("oft_blocks", &[ENDLESS, 0, 0])],
    ];
    for tensors in cases {
        module_message(CONV, tensors);
    }
}

#[test]
fn modules_of_no_known_kind() {
    let message = module_message(LINEAR, &[("surprise", &[8, 4])]);
    assert!(message.contains("`surprise`") && message.contains("input_blocks_4_1_proj_in"), "{message}");
}

#[test]
fn tensors_without_effect_are_told() {
    let factors: Tensors = &[("lora_up.weight", &[8, 2]), ("lora_down.weight", &[2, 4])];
    let conv: Tensors = &[("diff", &[4, 2, 3, 3]), ("alpha", &[])];
    for (module, tensors, other, left_out) in [
        (LINEAR, factors, ("diff", &[8, 4][..]), true),
        (LINEAR, factors, ("hada_w1_a", &[8, 2]), true),
        (LINEAR, factors, ("bias_indices", &[2, 3]), true),
        (LINEAR, factors, ("diff_b", &[8]), false),
        (CONV, conv, ("diff_b", &[4]), true),
        (NORM, &[("w_norm", &[4])], ("b_norm", &[4]), false),
        (LINEAR, &[("lora_A.weight", &[2, 4]), ("lora_B.weight", &[8, 2])], ("alpha", &[]), false),
    ] {
        let named = parts(module, &[tensors, &[other]].concat());
        let borrowed: Vec<_> = named.iter().map(|(name, shape)| (name.as_str(), *shape)).collect();
        let file = File::with(&borrowed, 0.5);
        let network = Network::open(&file.path, &table(), KeyTable::Lenient).unwrap();
        let expected = if left_out { vec![format!("{module}.{}", other.0)] } else { Vec::new() };
        assert_eq!(network.left_out(), expected, "{tensors:?} and {other:?}");
        assert!(!network.is_zero().unwrap());
    }
    // webui takes PEFT's factors and nothing else of the module.
    let peft = parts(LINEAR, &[("lora_A.weight", &[2, 4]), ("lora_B.weight", &[8, 2]), ("dora_scale", &[8, 1])]);
    let borrowed: Vec<_> = peft.iter().map(|(name, shape)| (name.as_str(), *shape)).collect();
    let file = File::with(&borrowed, 0.5);
    let network = Network::open(&file.path, &table(), KeyTable::Webui).unwrap();
    assert_eq!(network.left_out(), [format!("{LINEAR}.dora_scale")]);
    let zeros = parts(LINEAR, factors);
    let borrowed: Vec<_> = zeros.iter().map(|(name, shape)| (name.as_str(), *shape)).collect();
    assert!(File::with(&borrowed, 0.0).open().unwrap().is_zero().unwrap());
}

#[test]
fn files_for_another_model() {
    let message = File::with(&[("double_blocks.0.img_attn.lora_A.weight", &[2, 2])], 0.5).message();
    assert!(message.contains("none of its 1 tensors") && message.contains("Flux"), "{message}");

    let sd1 = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k";
    let tensors = parts(sd1, &[("lora_up.weight", &[640, 4]), ("lora_down.weight", &[4, 768])]);
    let borrowed: Vec<_> = tensors.iter().map(|(name, shape)| (name.as_str(), *shape)).collect();
    let file = File::with(&borrowed, 0.5);
    let sdxl = ModuleTable::full_size(Family::Sdxl);
    let message = Network::open(&file.path, sdxl, KeyTable::Lenient).unwrap_err().to_string();
    assert!(message.contains("640×768") && message.contains("[640, 2048]") && message.contains("SD1"), "{message}");
    let inspection = Inspection::of_file(&file.path, None).unwrap();
    assert_eq!((inspection.made_for, inspection.ranks), (Some("SD1"), [(4, 1)].into()));
}
