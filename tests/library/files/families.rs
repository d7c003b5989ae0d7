//! SD1 and models distilled from SDXL: the same picture in every layout.

use std::path::Path;

use candle_core::{DType, Device};
use lbw::block::Family;
use lbw::checkpoint::Checkpoint;
use lbw::model::{Architecture, Middle};

use super::checkpoints::{Tensors, diffusers, drawn, in_f16, original, part, save};
use super::write::{Stored, safetensors, torch};

const UNET: &str = "model.diffusion_model.";
const VAE: &str = "first_stage_model.";
const CLIP: &str = "cond_stage_model.transformer.";

/// The small SD1 of the golden values.
fn sd1() -> Tensors {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/vectors/num/sd1/tinysd1.safetensors.xz");
    let mut bytes = Vec::new();
    let mut packed = std::io::BufReader::new(std::fs::File::open(path).unwrap());
    lzma_rs::xz_decompress(&mut packed, &mut bytes).unwrap();
    let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).unwrap();
    let mut tensors: Tensors = tensors.into_iter().map(|(n, t)| (n, t.to_dtype(DType::F32).unwrap())).collect();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    tensors
}

fn stored(tensors: &Tensors, name: impl Fn(&str) -> String) -> Vec<Stored> {
    tensors.iter().map(|(old, tensor)| in_f16(&name(old), tensor)).collect()
}

fn in_memory(file: Vec<u8>) -> Checkpoint {
    Checkpoint::from_bytes("x", file).unwrap()
}

#[test]
fn sd1_is_one_model_in_every_layout() {
    let tensors = sd1();
    let plain = stored(&tensors, str::to_owned);
    let expected = drawn(in_memory(safetensors(&plain, &[])));
    assert!(drawn(in_memory(torch(&plain))) == expected);
    // Before transformers called it so.
    let old = stored(&tensors, |name| name.replace("transformer.text_model.", "transformer."));
    assert!(drawn(in_memory(safetensors(&old, &[]))) == expected);

    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let unet: Tensors = part(&tensors, UNET).into_iter().map(|(name, t)| (diffusers(&name), t)).collect();
    let (first, second) = unet.split_at(unet.len() / 3);
    save(&dir.join("unet/diffusion_pytorch_model-00001-of-00002.safetensors"), first);
    save(&dir.join("unet/diffusion_pytorch_model-00002-of-00002.safetensors"), second);
    save(&dir.join("text_encoder/model.safetensors"), &part(&tensors, CLIP));
    save(&dir.join("vae/diffusion_pytorch_model.safetensors"), &part(&tensors, VAE));
    assert!(drawn(Checkpoint::open(dir).unwrap()) == expected);
    std::fs::remove_dir_all(dir.join("text_encoder")).unwrap();
    let missing = Checkpoint::open(dir).map(drop).unwrap_err().to_string();
    assert!(missing.contains("text encoder") && !missing.contains("second"), "{missing}");
}

/// What was distilled from SDXL has fewer transformers, and one residual block or none in the middle.
#[test]
fn distilled_models_are_data() {
    let whole = original();
    let ssd = |name: &str| {
        let gone = ["middle_block.1.", "middle_block.2.", "input_blocks.8.1."];
        !gone.iter().any(|part| name.contains(part))
    };
    let ssd: Tensors = whole.iter().filter(|(name, _)| ssd(name)).cloned().collect();
    let file = safetensors(&stored(&ssd, str::to_owned), &[]);
    let architecture = Architecture::of(in_memory(file.clone()).file()).unwrap();
    assert_eq!((architecture.family, architecture.unet.middle), (Family::Sdxl, Middle { residuals: 1, depth: 0 }));
    assert_eq!(architecture.unet.levels.last().unwrap().down[1], 0);
    let expected = drawn(in_memory(file));
    assert!(drawn(in_memory(safetensors(&stored(&whole, str::to_owned), &[]))) != expected);
    // The same in diffusers' names.
    let renamed = stored(&ssd, |name| match name.strip_prefix(UNET) {
        Some(path) => format!("unet.{}", diffusers(path)),
        None => name.to_owned(),
    });
    assert!(drawn(in_memory(safetensors(&renamed, &[]))) == expected);
    let none: Tensors = ssd.into_iter().filter(|(name, _)| !name.contains("middle_block.0.")).collect();
    assert!(drawn(in_memory(safetensors(&stored(&none, str::to_owned), &[]))) != expected);
}
