//! What a file is, when it is not an SDXL checkpoint.

use super::{SafetensorsFile, prefix};
use crate::diagnostic::{Said, Text};
use crate::say;

/// A file that is recognised and not supported, or not a checkpoint at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Stable Diffusion 1.x.
    Sd1,
    /// Stable Diffusion 2.x.
    Sd2,
    /// The refiner of SDXL, which has one text encoder.
    Refiner,
    /// A UNet with nine input channels.
    Inpainting,
    /// Flux.
    Flux,
    /// Stable Diffusion 3.
    Sd3,
    /// A VAE alone.
    VaeOnly,
    /// Where a VAE was asked for, none.
    NoVae,
    /// A LoRA or another network.
    Lora,
    /// One of the files of a model in diffusers' layout.
    DiffusersPart,
    /// None of these.
    Unknown,
}

impl Said for Refusal {
    fn said(&self) -> Text {
        match self {
            Refusal::Sd1 => say!(
                "this is an SD 1.x checkpoint; lbw runs SDXL checkpoints only",
                "SD 1.x のチェックポイントです。lbw で動くのは SDXL のチェックポイントだけです"
            ),
            Refusal::Sd2 => say!(
                "this is an SD 2.x checkpoint; lbw runs SDXL checkpoints only",
                "SD 2.x のチェックポイントです。lbw で動くのは SDXL のチェックポイントだけです"
            ),
            Refusal::Refiner => say!(
                "this is the SDXL refiner; give the SDXL base checkpoint (or one merged from it)",
                "SDXL の refiner です。SDXL の base のチェックポイント (またはそれをマージしたもの) を指定してください"
            ),
            Refusal::Inpainting => say!(
                "this is an inpainting checkpoint; lbw needs an ordinary SDXL checkpoint",
                "inpainting 用のチェックポイントです。lbw には通常の SDXL のチェックポイントが必要です"
            ),
            Refusal::Flux => say!(
                "this is a Flux checkpoint; lbw runs SDXL checkpoints only",
                "Flux のチェックポイントです。lbw で動くのは SDXL のチェックポイントだけです"
            ),
            Refusal::Sd3 => say!(
                "this is a Stable Diffusion 3 checkpoint; lbw runs SDXL checkpoints only",
                "Stable Diffusion 3 のチェックポイントです。lbw で動くのは SDXL のチェックポイントだけです"
            ),
            Refusal::VaeOnly => say!(
                "this is a VAE, not a checkpoint; give an SDXL checkpoint as the model",
                "チェックポイントではなく VAE です。モデルには SDXL のチェックポイントを指定してください"
            ),
            Refusal::NoVae => say!(
                "there is no VAE in this file; give an SDXL VAE (sdxl_vae.safetensors)",
                "このファイルに VAE はありません。SDXL の VAE (sdxl_vae.safetensors) を指定してください"
            ),
            Refusal::Lora => say!(
                "this is a LoRA, not a checkpoint; put it into the LoRA folder and name it in the prompt: <lora:NAME:1>",
                "チェックポイントではなく LoRA です。LoRA のフォルダーに置き、プロンプトに名前を書いてください: <lora:NAME:1>"
            ),
            Refusal::DiffusersPart => say!(
                "this is one part of a model in diffusers' layout; lbw needs the single-file checkpoint that webui uses",
                "diffusers 形式のモデルの一部です。lbw には webui で使う一つのファイルのチェックポイントが必要です"
            ),
            Refusal::Unknown => say!(
                "this is not a Stable Diffusion checkpoint that lbw knows",
                "lbw の知っている Stable Diffusion のチェックポイントではありません"
            ),
        }
    }
}

/// The reason to refuse `file` as an SDXL base checkpoint, if there is one.
pub(super) fn refusal(file: &SafetensorsFile) -> Option<Refusal> {
    let has = |name: &str| file.entry(name).is_some();
    let any = |starts: &[&str]| file.names().any(|n| starts.iter().any(|s| n.starts_with(s)));
    let conv_in = file.shape("model.diffusion_model.input_blocks.0.0.weight");
    let inputs = conv_in.and_then(|shape| shape.get(1)).copied();

    if any(&[prefix::CLIP_G]) && any(&[prefix::UNET]) {
        return (inputs == Some(9)).then_some(Refusal::Inpainting);
    }
    if has("conditioner.embedders.0.model.ln_final.weight") {
        return Some(Refusal::Refiner);
    }
    Some(if any(&["double_blocks.", "model.diffusion_model.double_blocks.", "single_blocks."]) {
        Refusal::Flux
    } else if any(&["model.diffusion_model.joint_blocks."]) {
        Refusal::Sd3
    } else if any(&["cond_stage_model.model."]) {
        if inputs == Some(9) { Refusal::Inpainting } else { Refusal::Sd2 }
    } else if any(&["cond_stage_model."]) {
        if inputs == Some(9) { Refusal::Inpainting } else { Refusal::Sd1 }
    } else if file.names().any(|n| n.contains("lora_") || n.contains(".lora.") || n.contains("hada_w1")) {
        Refusal::Lora
    } else if any(&["down_blocks.", "conv_in.", "text_model."]) && !any(&["decoder."]) {
        Refusal::DiffusersPart
    } else if any(&["decoder.", "first_stage_model.decoder."]) && !any(&[prefix::UNET]) {
        Refusal::VaeOnly
    } else {
        // An SDXL UNet without its text encoders lands here too.
        Refusal::Unknown
    })
}
