//! What a file is, when it is no checkpoint that is drawn with.

use safetensors::tensor::Dtype;

use super::architecture::Architecture;
use super::{TensorFile, prefix};
use crate::block::Family;
use crate::diagnostic::{Said, Text};
use crate::say;

/// A file that is recognised and not supported, or not a checkpoint at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Stable Diffusion 2.x.
    Sd2,
    /// The refiner of SDXL, which has one text encoder.
    Refiner,
    /// Eight input channels: InstructPix2Pix, CosXL-edit.
    Edit,
    /// Playground v2.5 and CosXL: other noise levels, another latent.
    Edm,
    /// A conversion left a wrapper's name before every tensor's.
    Wrapped,
    /// Weights in integers that stand for fractions by rules of their own.
    Quantised,
    /// A model of another family, by name.
    OtherModel(Text),
    /// Something that is no model, by name.
    NotAModel(Text),
    /// A VAE alone.
    VaeOnly,
    /// Where a VAE was asked for, none.
    NoVae,
    /// The VAE of another family of models.
    OtherVae,
    /// A UNet without text encoders.
    UnetOnly,
    /// A checkpoint without this text encoder, 1 or 2.
    NoTextEncoder(usize),
    /// A LoRA or another network.
    Lora,
    /// A part of a model in a file of its own, by name.
    PartOnly(Text),
    /// A folder in which a part of a model is missing, by name.
    Folder(Text),
    /// None of these.
    Unknown,
}

impl Said for Refusal {
    fn said(&self) -> Text {
        match self {
            Refusal::Sd2 => say!(
                "this is an SD 2.x checkpoint; lbw runs SDXL and SD 1.x checkpoints",
                "SD 2.x のチェックポイントです。lbw で動くのは SDXL と SD 1.x のチェックポイントです"
            ),
            Refusal::Refiner => say!(
                "this is the SDXL refiner, whose network lbw does not run; give an SDXL base checkpoint or one merged from it, also as --refiner",
                "SDXL の refiner です。lbw はそのネットワークを実行できません。--refiner にも、SDXL の base のチェックポイント (またはそれをマージしたもの) を指定してください"
            ),
            Refusal::Edit => say!(
                "this is a checkpoint that edits pictures (InstructPix2Pix, CosXL-edit: 8 input channels); give an ordinary checkpoint",
                "画像を編集するためのチェックポイント (InstructPix2Pix、CosXL-edit、入力 8 チャンネル) です。通常のチェックポイントを指定してください"
            ),
            Refusal::Edm => say!(
                "this is an EDM checkpoint (Playground v2.5, CosXL), whose noise levels lbw does not have; give an ordinary SDXL checkpoint",
                "EDM のチェックポイント (Playground v2.5、CosXL) です。lbw にはそのノイズレベルがありません。通常の SDXL のチェックポイントを指定してください"
            ),
            Refusal::Wrapped => say!(
                "the names of its tensors begin with what a conversion should have taken off (such as `state_dict.`); convert the original again, or rename them to `model.diffusion_model.…`",
                "テンソル名の先頭に、変換で外すべきもの (`state_dict.` など) が残っています。元のファイルから変換し直すか、`model.diffusion_model.…` に直してください"
            ),
            Refusal::Quantised => say!(
                "the weights of this checkpoint are quantised (int8, nf4 or the like) in a way that lbw does not read; give the f16, bf16, fp8 or GGUF file of the model",
                "重みが lbw で読めない方法 (int8、nf4 など) で量子化されています。f16、bf16、fp8、GGUF のファイルを指定してください"
            ),
            Refusal::OtherModel(name) => say!(
                "this is the checkpoint of another kind of model, {name}; lbw runs SDXL and SD 1.x checkpoints",
                "{name} という別の種類のモデルのチェックポイントです。lbw で動くのは SDXL と SD 1.x のチェックポイントです",
                with name
            ),
            Refusal::NotAModel(name) => say!(
                "this is {name}, not a checkpoint; give an SDXL or SD 1.x checkpoint as the model",
                "チェックポイントではなく{name}です。モデルには SDXL か SD 1.x のチェックポイントを指定してください",
                with name
            ),
            Refusal::VaeOnly => say!(
                "this is a VAE, not a checkpoint; give an SDXL or SD 1.x checkpoint as the model",
                "チェックポイントではなく VAE です。モデルには SDXL か SD 1.x のチェックポイントを指定してください"
            ),
            Refusal::NoVae => say!(
                "there is no VAE in this file; give one with --vae (sdxl_vae.safetensors for SDXL, vae-ft-mse-840000-ema-pruned.safetensors for SD 1.x)",
                "このファイルに VAE はありません。--vae で VAE を指定してください (SDXL なら sdxl_vae.safetensors、SD 1.x なら vae-ft-mse-840000-ema-pruned.safetensors)"
            ),
            Refusal::OtherVae => say!(
                "this VAE is made for another family of models (those of SDXL and SD 1.x have 4 latent channels); give sdxl_vae.safetensors or one for SD 1.x",
                "別の系統のモデルの VAE です (SDXL と SD 1.x の潜在表現は 4 チャンネル)。sdxl_vae.safetensors か SD 1.x 用のものを指定してください"
            ),
            Refusal::UnetOnly => say!(
                "this is a UNet without its text encoders; give a whole checkpoint, or a folder, such as diffusers lays out, that holds this file with the text encoders (clip_l, clip_g) and the VAE",
                "テキストエンコーダーのない UNet です。完全なチェックポイントか、このファイルとテキストエンコーダー (clip_l、clip_g)、VAE の入った (diffusers 形式などの) フォルダーを指定してください"
            ),
            Refusal::NoTextEncoder(number) => say!(
                "text encoder {number} of this checkpoint is missing; give a whole checkpoint",
                "このチェックポイントにはテキストエンコーダー {number} がありません。完全なチェックポイントを指定してください"
            ),
            Refusal::Lora => say!(
                "this is a LoRA, not a checkpoint; put it into the LoRA folder and name it in the prompt: <lora:NAME:1>",
                "チェックポイントではなく LoRA です。LoRA のフォルダーに置き、プロンプトに名前を書いてください: <lora:NAME:1>"
            ),
            Refusal::PartOnly(name) => say!(
                "this is {name} alone, one part of a model; give a whole checkpoint, or the folder that holds all parts in diffusers' layout",
                "モデルの一部の{name}だけです。完全なチェックポイントか、全部の入った diffusers 形式のフォルダーを指定してください",
                with name
            ),
            Refusal::Folder(name) => say!(
                "there is no {name} in this folder; a folder is a model where it holds all its parts, as diffusers lays them out (unet, text_encoder, text_encoder_2, vae) or as files beside each other",
                "このフォルダーに {name} がありません。フォルダーをモデルとして使うには、diffusers 形式 (unet、text_encoder、text_encoder_2、vae) かファイルを並べた形で全部の部品が必要です",
                with name
            ),
            Refusal::Unknown => say!(
                "this is not a Stable Diffusion checkpoint that lbw knows",
                "lbw の知っている Stable Diffusion のチェックポイントではありません"
            ),
        }
    }
}

/// The reason to refuse `file`, whose tensors have webui's names, as a checkpoint that is drawn with, if there is one.
pub(super) fn refusal(file: &TensorFile) -> Option<Refusal> {
    let has = |name: &str| file.entry(name).is_some();
    let any = |starts: &[&str]| file.names().any(|n| starts.iter().any(|s| n.starts_with(s)));
    let conv_in = file.shape("model.diffusion_model.input_blocks.0.0.weight");
    let inputs = conv_in.and_then(|shape| shape.get(1)).copied();

    if conv_in.is_none() && is_lora(file) {
        return Some(Refusal::Lora);
    }
    // The text encoders and the VAE beside another model's layers may be just like ours.
    if let (None, Some(refusal)) = (conv_in, other(file)) {
        return Some(refusal);
    }
    if any(&[prefix::CLIP_G]) && any(&[prefix::UNET]) {
        return odd(file, inputs, Family::Sdxl);
    }
    let is_open_clip = |width| file.shape("conditioner.embedders.0.model.ln_final.weight") == Some(&[width]);
    if is_open_clip(1024) {
        return Some(Refusal::Sd2);
    }
    if has("conditioner.embedders.0.model.ln_final.weight") {
        return Some(Refusal::Refiner);
    }
    if any(&["cond_stage_model."]) && any(&[prefix::UNET]) {
        return match any(&["cond_stage_model.model."]) {
            true => Some(Refusal::Sd2),
            false => odd(file, inputs, Family::Sd1),
        };
    }
    if file.names().any(|name| name.find(prefix::UNET).is_some_and(|at| at > 0)) {
        return Some(Refusal::Wrapped);
    }
    Some(match (any(&[prefix::UNET]), any(&[prefix::CLIP_L]), any(&[prefix::VAE])) {
        (true, true, _) => Refusal::NoTextEncoder(2),
        (true, false, _) => Refusal::UnetOnly,
        (false, false, true) => Refusal::VaeOnly,
        (false, true, _) => Refusal::PartOnly(say!("a text encoder", "テキストエンコーダー")),
        _ if any(&[prefix::CLIP_G]) => Refusal::PartOnly(say!("a text encoder", "テキストエンコーダー")),
        _ => Refusal::Unknown,
    })
}

/// Why a checkpoint of a family that is drawn with is none that can be.
fn odd(file: &TensorFile, inputs: Option<usize>, family: Family) -> Option<Refusal> {
    let any = |start: &str| file.names().any(|n| n.starts_with(start));
    let is_integer = |dtype| matches!(dtype, Dtype::I8 | Dtype::U8 | Dtype::I16 | Dtype::I32 | Dtype::F4);
    let is_quantised = |name: &str| {
        let matrix = name.starts_with(prefix::UNET) && name.ends_with(".weight");
        file.entry(name).is_some_and(|entry| matrix && entry.shape.len() > 1 && is_integer(entry.dtype))
    };
    if inputs == Some(8) {
        Some(Refusal::Edit)
    } else if ["edm_mean", "edm_std", "edm_vpred."].iter().any(|mark| any(mark)) {
        Some(Refusal::Edm)
    } else if file.names().any(|n| is_quantised(n) || n.ends_with(".absmax")) {
        Some(Refusal::Quantised)
    } else {
        let encoders = Architecture::full_size(family).map_or(Vec::new(), |architecture| architecture.text);
        let missing = encoders.iter().position(|encoder| !any(encoder.prefix));
        missing.map(|index| Refusal::NoTextEncoder(index + 1))
    }
}

/// Whether `file` has tensors that only LoRAs and their like have.
pub(crate) fn is_lora(file: &TensorFile) -> bool {
    const PARTS: [&str; 11] = [
        ".lora_up.",
        ".lora_down.",
        ".lora_A.",
        ".lora_B.",
        ".lora.",
        "_lora.",
        ".hada_w1",
        ".lokr_w",
        ".oft_blocks",
        ".oft_diag",
        ".dora_scale",
    ];
    file.names().any(|name| name.starts_with("lora_") || PARTS.iter().any(|part| name.contains(part)))
}

/// Other things that people give as the model, by names that only they have.
fn other(file: &TensorFile) -> Option<Refusal> {
    use Refusal::{NotAModel, OtherModel, PartOnly};
    let other = |name: &str| OtherModel(Text::same(name));
    let contains = |text: &str| file.names().any(|name| name.contains(text));
    let starts = |text: &str| file.names().any(|name| name.starts_with(text));
    let has = |name: &str| file.entry(name).is_some();
    let known = [
        (contains("joint_blocks."), other("Stable Diffusion 3")),
        (contains("double_layers."), other("AuraFlow (Pony V7)")),
        (contains("double_blocks.") && contains("img_attn"), other("Flux")),
        (contains("single_transformer_blocks."), other("Flux")),
        (contains("cap_embedder."), other("Lumina 2 or Z-Image")),
        (has("clip_txt_mapper.weight") || contains("clip_txt_pooled_mapper."), other("Stable Cascade")),
        (contains("patch_embedding.") || contains("x_embedder."), other("Wan, Qwen or Cosmos")),
        (starts("transformer_blocks."), other("Stable Diffusion 3, Qwen or PixArt")),
        (contains(".open_clip.model.visual."), other("Stable Video Diffusion")),
        (starts("encoder_hid_proj."), other("Kolors (diffusers)")),
        (starts("control_model.") || starts("controlnet_"), NotAModel(say!("a ControlNet", "ControlNet"))),
        (contains("ip_adapter.") || starts("image_proj."), NotAModel(say!("an IP-Adapter", "IP-Adapter"))),
        (starts("lllite_"), NotAModel(say!("a ControlNet-LLLite", "ControlNet-LLLite"))),
        (
            starts("body.0.rdb1.") || starts("model.1.sub.") || has("conv_first.weight"),
            NotAModel(say!("an upscaler", "アップスケーラー")),
        ),
        (
            has("clip_l") && has("clip_g") || has("emb_params"),
            NotAModel(say!("a textual-inversion embedding", "textual inversion の embedding")),
        ),
        (starts("string_to_param"), NotAModel(say!("a textual-inversion embedding", "textual inversion の embedding"))),
        (starts("double_blocks.") || starts("single_blocks."), other("Flux")),
        (contains("double_blocks."), other("Flux")),
        (starts("text_model."), PartOnly(say!("a text encoder", "テキストエンコーダー"))),
        (
            starts("down_blocks."),
            PartOnly(say!("a UNet of another model in diffusers' layout", "diffusers 形式の別のモデルの UNet")),
        ),
    ];
    known.into_iter().find_map(|(is, refusal)| is.then_some(refusal))
}
