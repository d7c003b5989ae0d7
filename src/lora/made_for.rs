//! Which family of models a LoRA file is made for.

use crate::block::Family;
use crate::checkpoint::TensorFile;
use crate::checkpoint::architecture::Architecture;

/// The family whose modules the keys of `file` are matched to where no model is at hand.
pub(super) fn family_of(file: &TensorFile) -> Family {
    let made_for = made_for(file);
    let named = Family::ALL.into_iter().find(|family| made_for == Some(family.label()));
    // Where a file does not tell, its blocks are named for the models that can be drawn with.
    named.unwrap_or(Architecture::DRAWN[0])
}

/// The model family that a file's names, shapes and metadata speak of, if they do.
pub(super) fn made_for(file: &TensorFile) -> Option<&'static str> {
    by_names(file).or_else(|| by_metadata(file))
}

fn by_names(file: &TensorFile) -> Option<&'static str> {
    let has = |text: &str| file.names().any(|name| name.contains(text));
    const OTHERS: [(&str, &str); 13] = [
        ("joint_transformer_blocks", "AuraFlow"),
        ("joint_blocks", "SD3"),
        ("single_transformer_blocks", "Flux"),
        // kohya's names for Flux end in `img_attn_qkv` too, with `_` before.
        (".img_attn_qkv.", "HunyuanVideo"),
        ("txt_mlp.net", "Qwen-Image"),
        ("img_mod.1", "Qwen-Image"),
        ("add_q_proj", "SD3"),
        ("attention.qkv", "Z-Image or Lumina 2"),
        ("cap_embedder", "Z-Image or Lumina 2"),
        ("prior_unet", "Stable Cascade"),
        ("lllite_unet", "ControlNet-LLLite"),
        ("blocks.0.self_attn.", "Wan"),
        ("blocks_0_self_attn_", "Wan"),
    ];
    if let Some((_, family)) = OTHERS.into_iter().find(|(text, _)| has(text)) {
        return Some(family);
    }
    if has("double_blocks") || has("single_blocks") {
        return Some("Flux");
    }
    // The width of the text that cross-attention reads is the family's own.
    let text_width = file.names().find_map(|name| {
        let reads_text = ["attn2_to_k", "attn2.to_k", "attn2.processor.to_k"].iter().any(|layer| name.contains(layer));
        let is_down = ["down.weight", "lora_A.weight", "hada_w1_b"].iter().any(|part| name.ends_with(part));
        (reads_text && is_down).then(|| file.shape(name)?.get(1).copied()).flatten()
    });
    match text_width {
        Some(768) => Some("SD1"),
        Some(1024) => Some("SD2"),
        Some(2048) => Some("SDXL"),
        _ if has("lora_te2_") || has("text_encoder_2.") => Some("SDXL"),
        _ => None,
    }
}

fn by_metadata(file: &TensorFile) -> Option<&'static str> {
    let metadata = file.metadata();
    let version = metadata.get("ss_base_model_version").or_else(|| metadata.get("modelspec.architecture"))?;
    let families = [
        ("sdxl", "SDXL"),
        ("stable-diffusion-xl", "SDXL"),
        ("flux", "Flux"),
        ("sd3", "SD3"),
        ("stable-diffusion-3", "SD3"),
        ("sd_v1", "SD1"),
        ("stable-diffusion-v1", "SD1"),
        ("sd_v2", "SD2"),
        ("stable-diffusion-v2", "SD2"),
    ];
    let version = version.to_lowercase();
    families.into_iter().find_map(|(word, family)| version.contains(word).then_some(family))
}
