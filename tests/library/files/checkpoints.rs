//! Checkpoints in every format: each draws the picture of its widened values, bit for bit.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device, Tensor};
use half::f16;
use lbw::block::Family;
use lbw::checkpoint::{Checkpoint, CheckpointError, Refusal};
use lbw::diagnostic::{Said, Text};
use lbw::engine::{Engine, EngineOptions, ModelTypeSource, unobserved};
use lbw::plan::{Plan, Request, Sampler, Settings, lower};
use lbw::preset::PresetSet;
use lbw::sampling::Parameterization;

use super::write::{Block, Stored, gguf, old_torch, safetensors, strides, torch};

const UNET: &str = "model.diffusion_model.";
const VAE: &str = "first_stage_model.";
const CLIP_L: &str = "conditioner.embedders.0.transformer.";
const CLIP_G: &str = "conditioner.embedders.1.model.";

pub type Tensors = Vec<(String, Tensor)>;

fn embedded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/embedded/shapes-xl.safetensors")
}

/// The embedded model in f32.
pub fn original() -> Tensors {
    let tensors = candle_core::safetensors::load(embedded(), &Device::Cpu).unwrap();
    let mut tensors: Tensors = tensors.into_iter().map(|(n, t)| (n, t.to_dtype(DType::F32).unwrap())).collect();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    tensors
}

fn plan(family: Family) -> Plan {
    let mut request = Request { family, ..Request::new("red circle", "") };
    let (sampler, side) = (Sampler::from_name("Euler").unwrap(), 32);
    request.settings =
        Settings { sampler, steps: 1, cfg_scale: 2.0, seed: 3, width: side, height: side, ..Settings::default() };
    lower(&request, PresetSet::builtin()).plan.unwrap()
}

/// The bits of the latent and the picture.
pub fn drawn(checkpoint: Checkpoint) -> (Vec<u32>, Vec<u8>) {
    let mut engine = Engine::new(checkpoint, EngineOptions::default()).unwrap();
    assert_eq!(engine.unused_tensors().0, 0, "{:?}", engine.unused_tensors());
    let image = engine.run(&plan(engine.architecture().family), &mut unobserved).unwrap();
    let latent = image.latent.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    (latent.into_iter().map(f32::to_bits).collect(), image.rgb)
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap()
}

fn in_f32(name: &str, tensor: &Tensor) -> Stored {
    Stored::f32(name, tensor.dims(), values(tensor))
}

pub fn in_f16(name: &str, tensor: &Tensor) -> Stored {
    let bytes = values(tensor).into_iter().flat_map(|v| f16::from_f32(v).to_le_bytes()).collect();
    Stored::raw(name, "F16", tensor.dims(), bytes)
}

/// Draws both files of safetensors and compares them.
fn assert_same(file: Vec<u8>, widened: &[Stored]) {
    let a = drawn(Checkpoint::from_bytes("x", file).unwrap());
    let b = drawn(Checkpoint::from_bytes("x", safetensors(widened, &[])).unwrap());
    assert!(a == b);
}

/// The 8-bit number next to `value`, and its value, by the definition of the format.
fn fp8(value: f32, mantissa: i32, bias: i32, greatest: u8) -> (u8, f32) {
    let of = |bits: u8| {
        let (exponent, fraction) = (i32::from(bits >> mantissa), f32::from(bits & ((1 << mantissa) - 1)));
        let scale = 2f32.powi(exponent.max(1) - bias - mantissa);
        scale * (fraction + if exponent == 0 { 0.0 } else { (1 << mantissa) as f32 })
    };
    let bits =
        (0..=greatest).min_by(|a, b| (of(*a) - value.abs()).abs().total_cmp(&(of(*b) - value.abs()).abs())).unwrap();
    let sign = if value < 0.0 { 0x80 } else { 0 };
    (bits | sign, if value < 0.0 { -of(bits) } else { of(bits) })
}

#[test]
fn eight_bit_checkpoints() {
    for (dtype, mantissa, bias, greatest) in [("F8_E4M3", 3, 7, 0x7e), ("F8_E5M2", 2, 15, 0x7b)] {
        for scale in [None, Some(0.37f32)] {
            let (mut stored, mut widened) = (Vec::new(), Vec::new());
            for (name, tensor) in original() {
                if !name.starts_with(UNET) || tensor.rank() < 2 {
                    stored.push(in_f16(&name, &tensor));
                    widened.push(in_f16(&name, &tensor));
                    continue;
                }
                let divisor = scale.unwrap_or(1.0);
                let numbers = values(&tensor).into_iter().map(|v| fp8(v / divisor, mantissa, bias, greatest));
                let (bytes, wide): (Vec<u8>, Vec<f32>) = numbers.unzip();
                stored.push(Stored::raw(&name, dtype, tensor.dims(), bytes));
                widened.push(Stored::f32(&name, tensor.dims(), wide.into_iter().map(|v| v * divisor)));
                if let Some(scale) = scale {
                    stored.push(Stored::f32(&name.replace(".weight", ".scale_weight"), &[], [scale]));
                    stored.push(Stored::f32(&name.replace(".weight", ".scale_input"), &[], [9.0]));
                }
            }
            if scale.is_some() {
                stored.push(Stored::raw("scaled_fp8", dtype, &[0], Vec::new()));
            }
            assert_same(safetensors(&stored, &[]), &widened);
        }
    }
}

#[test]
fn pickles() {
    let tensors = original();
    let stored: Vec<Stored> = tensors.iter().map(|(name, t)| in_f16(name, t)).collect();
    assert_same(torch(&stored), &stored);
    assert_same(old_torch(&stored), &stored);
}

#[test]
fn numbers_of_64_bits_are_rounded_to_32() {
    let wide = |name: &str, t: &Tensor| {
        let bytes = values(t).into_iter().flat_map(|v| f64::from(v).to_le_bytes()).collect();
        Stored::raw(name, "F64", t.dims(), bytes)
    };
    let tensors = original();
    let stored: Vec<Stored> = tensors.iter().map(|(name, t)| wide(name, t)).collect();
    let widened: Vec<Stored> = tensors.iter().map(|(name, t)| in_f32(name, t)).collect();
    assert_same(safetensors(&stored, &[]), &widened);
}

/// `tensor` in blocks of `kind`, its rows cut anew where they are no whole number of blocks; and its values after that.
fn quantised(name: &str, tensor: &Tensor, kind: GgmlDType, number: u32) -> Option<(Block, Stored)> {
    let (count, block) = (tensor.elem_count(), kind.block_size());
    if tensor.rank() < 2 || count % block != 0 {
        return None;
    }
    let fits = tensor.dims()[tensor.rank() - 1].is_multiple_of(block);
    let shape = if fits { tensor.dims().to_vec() } else { vec![count / block, block] };
    let quantised = QTensor::quantize(&tensor.reshape(shape.as_slice()).unwrap(), kind).unwrap();
    let bytes = quantised.data().unwrap().to_vec();
    let wide = values(&quantised.dequantize(&Device::Cpu).unwrap());
    let original = (!fits).then(|| tensor.dims().to_vec());
    Some((
        Block { name: name.to_owned(), shape, kind: number, bytes, original },
        Stored::f32(name, tensor.dims(), wide),
    ))
}

/// All of `tensors`, quantised where `wanted`, else in f16, under names without `prefix`.
fn in_gguf(
    tensors: &Tensors,
    kind: GgmlDType,
    number: u32,
    prefix: &str,
    wanted: impl Fn(&str) -> bool,
) -> (Vec<u8>, Vec<Stored>) {
    let (mut blocks, mut widened) = (Vec::new(), Vec::new());
    for (name, tensor) in tensors {
        let short = name.strip_prefix(prefix).unwrap_or(name);
        let (block, mut wide) = quantised(short, tensor, kind, number).filter(|_| wanted(name)).unwrap_or_else(|| {
            let f16 = in_f16(short, tensor);
            let shape = f16.shape.clone();
            (Block { name: short.to_owned(), shape, kind: 1, bytes: f16.bytes.clone(), original: None }, f16)
        });
        wide.name = name.clone();
        blocks.push(block);
        widened.push(wide);
    }
    (gguf(&blocks), widened)
}

#[test]
fn quantised_checkpoints() {
    let tensors = original();
    for (kind, number) in [
        (GgmlDType::Q8_0, 8),
        (GgmlDType::Q5_0, 6),
        (GgmlDType::Q5_1, 7),
        (GgmlDType::Q4_0, 2),
        (GgmlDType::Q4_1, 3),
        (GgmlDType::Q6K, 14),
        (GgmlDType::Q5K, 13),
        (GgmlDType::Q4K, 12),
        (GgmlDType::Q3K, 11),
        (GgmlDType::Q2K, 10),
    ] {
        let (file, widened) = in_gguf(&tensors, kind, number, "", |name| !name.starts_with(VAE));
        let checkpoint = Checkpoint::from_bytes("x.gguf", file.clone()).unwrap();
        assert_eq!(checkpoint.file().quantised().len(), 1, "{kind:?}");
        assert_same(file, &widened);
    }
}

// ---- Parts in files of their own --------------------------------------------------------------------------------------

/// The tensors under `prefix`, without it.
pub fn part(tensors: &Tensors, prefix: &str) -> Vec<(String, Tensor)> {
    tensors.iter().filter_map(|(n, t)| Some((n.strip_prefix(prefix)?.to_owned(), t.clone()))).collect()
}

/// CLIP-G as transformers has it.
fn transformers(clip_g: Vec<(String, Tensor)>) -> Vec<(String, Tensor)> {
    let mut renamed = Vec::new();
    for (name, tensor) in clip_g {
        let plain = name.replace("transformer.resblocks.", "encoder.layers.").replace("ln_1", "layer_norm1");
        let plain =
            plain.replace("ln_2", "layer_norm2").replace("mlp.c_fc", "mlp.fc1").replace("mlp.c_proj", "mlp.fc2");
        let plain = plain.replace("attn.out_proj", "self_attn.out_proj").replace("ln_final", "final_layer_norm");
        let plain = plain.replace("token_embedding", "embeddings.token_embedding");
        let plain = plain.replace("positional_embedding", "embeddings.position_embedding.weight");
        if let Some((stem, part)) = plain.split_once("attn.in_proj_") {
            let thirds = tensor.chunk(3, 0).unwrap();
            renamed.extend(["q", "k", "v"].iter().zip(thirds).map(|(third, t)| {
                (format!("text_model.{stem}self_attn.{third}_proj.{part}"), t.contiguous().unwrap())
            }));
        } else if plain == "text_projection" {
            renamed.push(("text_projection.weight".to_owned(), tensor.t().unwrap().contiguous().unwrap()));
        } else if plain != "logit_scale" {
            renamed.push((format!("text_model.{plain}"), tensor));
        }
    }
    renamed
}

/// diffusers' name of an LDM UNet tensor.
pub fn diffusers(name: &str) -> String {
    let res = |rest: &str| {
        let names = [
            ("in_layers.0.", "norm1."),
            ("in_layers.2.", "conv1."),
            ("emb_layers.1.", "time_emb_proj."),
            ("out_layers.0.", "norm2."),
            ("out_layers.3.", "conv2."),
            ("skip_connection.", "conv_shortcut."),
        ];
        names.iter().find_map(|(from, to)| Some(format!("{to}{}", rest.strip_prefix(from)?))).unwrap()
    };
    let words: Vec<&str> = name.split('.').collect();
    let number = |at: usize| words[at].parse::<usize>().unwrap();
    let rest = |from: usize| words[from..].join(".");
    match words[0] {
        "time_embed" => format!("time_embedding.linear_{}.{}", number(1) / 2 + 1, rest(2)),
        "label_emb" => format!("add_embedding.linear_{}.{}", number(2) / 2 + 1, rest(3)),
        "out" => format!("{}.{}", if words[1] == "0" { "conv_norm_out" } else { "conv_out" }, rest(2)),
        "middle_block" if words[1] == "1" => format!("mid_block.attentions.0.{}", rest(2)),
        "middle_block" => format!("mid_block.resnets.{}.{}", number(1) / 2, res(&rest(2))),
        "input_blocks" if number(1) == 0 => format!("conv_in.{}", rest(3)),
        "input_blocks" if words[3] == "op" => {
            format!("down_blocks.{}.downsamplers.0.conv.{}", number(1) / 3 - 1, rest(4))
        }
        "output_blocks" if words[3] == "conv" => format!("up_blocks.{}.upsamplers.0.conv.{}", number(1) / 3, rest(4)),
        stack => {
            let (side, block) = if stack == "input_blocks" { ("down", number(1) - 1) } else { ("up", number(1)) };
            match words[2] {
                "0" => format!("{side}_blocks.{}.resnets.{}.{}", block / 3, block % 3, res(&rest(3))),
                _ => format!("{side}_blocks.{}.attentions.{}.{}", block / 3, block % 3, rest(3)),
            }
        }
    }
}

pub fn save(path: &Path, tensors: &[(String, Tensor)]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let stored: Vec<Stored> = tensors.iter().map(|(name, t)| in_f16(name, t)).collect();
    std::fs::write(path, safetensors(&stored, &[])).unwrap();
}

#[test]
fn folders_of_parts() {
    let tensors = original();
    let whole: Vec<Stored> = tensors.iter().map(|(name, t)| in_f16(name, t)).collect();
    let folder = tempfile::tempdir().unwrap();
    let parts = folder.path().join("parts");
    save(&parts.join("clip_l.safetensors"), &part(&tensors, CLIP_L));
    save(&parts.join("clip_g.safetensors"), &transformers(part(&tensors, CLIP_G)));
    save(&parts.join("vae.safetensors"), &part(&tensors, VAE));
    let unet: Tensors = tensors.iter().filter(|(name, _)| name.starts_with(UNET)).cloned().collect();
    let (file, quantised) = in_gguf(&unet, GgmlDType::Q8_0, 8, UNET, |_| true);
    std::fs::write(parts.join("unet-Q8_0.gguf"), file).unwrap();
    let others = whole.iter().filter(|t| !t.name.starts_with(UNET)).cloned();
    let widened: Vec<Stored> = quantised.into_iter().chain(others).collect();
    let expected = drawn(Checkpoint::from_bytes("x", safetensors(&widened, &[])).unwrap());
    assert!(drawn(Checkpoint::open(&parts).unwrap()) == expected);
    assert!(lbw::checkpoint::sha256_of_file(&parts).unwrap().len() == 64);

    // diffusers' folder, its UNet in two files.
    let dir = folder.path().join("diffusers");
    let named: Vec<_> = part(&tensors, UNET).into_iter().map(|(name, t)| (diffusers(&name), t)).collect();
    let (first, second) = named.split_at(named.len() / 2);
    save(&dir.join("unet/diffusion_pytorch_model-00001-of-00002.safetensors"), first);
    save(&dir.join("unet/diffusion_pytorch_model-00002-of-00002.safetensors"), second);
    save(&dir.join("text_encoder/model.safetensors"), &part(&tensors, CLIP_L));
    save(&dir.join("text_encoder/model.fp16.safetensors"), &part(&tensors, CLIP_L)[..1]);
    save(&dir.join("text_encoder_2/model.safetensors"), &transformers(part(&tensors, CLIP_G)));
    save(&dir.join("vae/diffusion_pytorch_model.safetensors"), &part(&tensors, VAE));
    std::fs::write(dir.join("model_index.json"), "{}").unwrap();
    let expected = drawn(Checkpoint::from_bytes("x", safetensors(&whole, &[])).unwrap());
    assert!(drawn(Checkpoint::open(&dir).unwrap()) == expected);
    assert!(drawn(Checkpoint::open(&dir.join("model_index.json")).unwrap()) == expected);
    assert!(Checkpoint::open_vae(&dir).is_ok() && Checkpoint::open_vae(&dir.join("vae")).is_ok());

    // What the folder's scheduler says.
    let scheduler = r#"{"_class_name": "EulerDiscreteScheduler", "prediction_type": "v_prediction", "rescale_betas_zero_snr": true}"#;
    let path = dir.join("scheduler/scheduler_config.json");
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    std::fs::write(&path, scheduler).unwrap();
    let engine = Engine::new(Checkpoint::open(&dir).unwrap(), EngineOptions::default()).unwrap();
    let (model, source) = engine.model_type();
    assert_eq!((model.parameterization, model.zero_terminal_snr), (Parameterization::V, true));
    assert_eq!(source, ModelTypeSource::Scheduler);
    std::fs::write(&path, r#"{"_class_name": "EDMEulerScheduler"}"#).unwrap();
    assert!(Engine::new(Checkpoint::open(&dir).unwrap(), EngineOptions::default()).is_err());

    // One part missing is named.
    std::fs::remove_dir_all(dir.join("text_encoder_2")).unwrap();
    let missing = Checkpoint::open(&dir).map(drop).unwrap_err().to_string();
    assert!(missing.contains("text_encoder_2"), "{missing}");
}

// ---- What they are ----------------------------------------------------------------------------------------------------

fn refusal(tensors: &[(&str, &[usize])]) -> Option<Refusal> {
    let stored: Vec<Stored> =
        tensors.iter().map(|(name, shape)| Stored::f32(name, shape, vec![0.0; shape.iter().product()])).collect();
    match Checkpoint::from_bytes("x", safetensors(&stored, &[])) {
        Err(CheckpointError::Refused { refusal, .. }) => Some(refusal),
        Err(other) => panic!("{other}"),
        Ok(_) => None,
    }
}

#[test]
fn other_things_are_refused_by_name() {
    let conv = "model.diffusion_model.input_blocks.0.0.weight";
    let (l, g) = ("conditioner.embedders.0.transformer.text_model.x", "conditioner.embedders.1.model.x");
    let middle = "model.diffusion_model.middle_block.1.transformer_blocks.0.x";
    let sdxl: [(&str, &[usize]); 4] = [(conv, &[8, 4, 3, 3]), (l, &[1]), (g, &[1]), (middle, &[1])];
    assert_eq!(refusal(&sdxl), None);
    let with = |name, shape| refusal(&[&sdxl[..], &[(name, shape)]].concat());
    for name in ["edm_mean", "edm_std", "edm_vpred.sigma_max"] {
        assert_eq!(with(name, &[1][..]), Some(Refusal::Edm));
    }
    assert_eq!(refusal(&[(conv, &[8, 9, 3, 3]), sdxl[1], sdxl[2], sdxl[3]]), None);
    assert_eq!(refusal(&[(conv, &[8, 8, 3, 3]), sdxl[1], sdxl[2], sdxl[3]]), Some(Refusal::Edit));
    let sd1 = ("cond_stage_model.transformer.text_model.x", &[1][..]);
    assert_eq!(refusal(&[sdxl[0], sd1]), None);
    assert_eq!(refusal(&[(conv, &[8, 9, 3, 3]), sd1]), None);
    assert_eq!(refusal(&[(conv, &[8, 8, 3, 3]), sd1]), Some(Refusal::Edit));
    assert_eq!(refusal(&[sdxl[0], ("cond_stage_model.model.ln_final.weight", &[1])]), Some(Refusal::Sd2));
    assert_eq!(refusal(&[sdxl[0], sdxl[2], sdxl[3]]), Some(Refusal::NoTextEncoder(1)));
    assert_eq!(refusal(&[sdxl[0], sdxl[1]]), Some(Refusal::NoTextEncoder(2)));
    assert_eq!(refusal(&sdxl[..1]), Some(Refusal::UnetOnly));
    for (name, expected) in [
        ("model.double_layers.0.attn.w1q.weight", Refusal::OtherModel(Text::same("AuraFlow (Pony V7)"))),
        ("double_blocks.3.img_attn.qkv.weight", Refusal::OtherModel(Text::same("Flux"))),
        ("clip_txt_mapper.weight", Refusal::OtherModel(Text::same("Stable Cascade"))),
        (
            "control_model.zero_convs.0.0.weight",
            Refusal::NotAModel(Text::new("a ControlNet".into(), "ControlNet".into())),
        ),
        ("body.3.rdb2.conv1.weight", Refusal::Unknown),
        ("lora_unet_mid_block_attentions_0_proj_in.alpha", Refusal::Lora),
        ("unet.mid_block.attentions.0.proj_in.lora_A.weight", Refusal::Lora),
    ] {
        assert_eq!(refusal(&[(name, &[2])]), Some(expected), "{name}");
    }
    for said in
        [Refusal::Edm, Refusal::Quantised, Refusal::NoTextEncoder(1), Refusal::NotAModel(Text::same("an upscaler"))]
    {
        let said = said.said();
        assert!(said.contains("give"), "{said}");
    }
}

#[test]
fn what_the_network_predicts_is_told_once() {
    let stored: Vec<Stored> = original().iter().map(|(name, t)| in_f16(name, t)).collect();
    let mark = |name: &str| Stored::f32(name, &[0], []);
    let (v, eps) = (Parameterization::V, Parameterization::Eps);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let type_of = |extra: &[Stored], metadata: &[(&str, &str)], yaml: Option<&str>| {
        std::fs::write(&path, safetensors(&[&stored[..], extra].concat(), metadata)).unwrap();
        let _ = std::fs::remove_file(path.with_extension("yaml"));
        if let Some(yaml) = yaml {
            std::fs::write(path.with_extension("yaml"), yaml).unwrap();
        }
        let engine = Engine::new(Checkpoint::open(&path).unwrap(), EngineOptions::default()).unwrap();
        assert_eq!(engine.unused_tensors().0, 0);
        let (model, source) = engine.model_type();
        (model.parameterization, model.zero_terminal_snr, source)
    };
    assert_eq!(type_of(&[], &[], None), (eps, false, ModelTypeSource::Default));
    assert_eq!(type_of(&[mark("v_pred"), mark("ztsnr")], &[], None), (v, true, ModelTypeSource::Markers));
    let metadata = [("modelspec.prediction_type", "v")];
    assert_eq!(type_of(&[], &metadata, None), (v, false, ModelTypeSource::Metadata));
    assert_eq!(type_of(&[], &[("modelspec.predict_key", "epsilon")], None), (eps, false, ModelTypeSource::Metadata));
    let yaml = "model:\n  params:\n    parameterization: eps\n";
    assert_eq!(type_of(&[mark("v_pred")], &metadata, Some(yaml)), (eps, false, ModelTypeSource::Yaml));
    assert_eq!(type_of(&[mark("v_pred")], &[], Some("other: 1\n")), (v, false, ModelTypeSource::Markers));
}

/// Tensors are views of the file until they are used, whatever their names.
#[test]
fn renaming_copies_nothing() {
    let tensors: HashMap<String, Tensor> = original().into_iter().collect();
    let name = format!("{CLIP_G}text_projection");
    let turned = tensors[&name].t().unwrap().contiguous().unwrap();
    let mut stored: Vec<Stored> = tensors.iter().map(|(name, t)| in_f32(name, t)).collect();
    stored.retain(|t| t.name != name);
    stored.push(in_f32(&format!("{name}.weight"), &turned));
    let bytes = safetensors(&stored, &[]);
    let length = bytes.len();
    let (checkpoint, held) = super::memory::peak(|| Checkpoint::from_bytes("x", bytes).unwrap());
    assert!(held < length / 4, "{held} bytes for a file of {length}");
    assert_eq!(values(&checkpoint.file().f32(&name).unwrap()), values(&tensors[&name]));
    assert_eq!(strides(&[2, 3]), [3, 1]);
}
