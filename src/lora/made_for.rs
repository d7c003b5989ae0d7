//! Which family of models a LoRA file is made for.

use crate::checkpoint::SafetensorsFile;

/// The model family that a file's names, shapes and metadata speak of, if they do.
pub(super) fn made_for(file: &SafetensorsFile) -> Option<&'static str> {
    by_names(file).or_else(|| by_metadata(file))
}

fn by_names(file: &SafetensorsFile) -> Option<&'static str> {
    let has = |text: &str| file.names().any(|name| name.contains(text));
    if has("joint_blocks") || has("joint_transformer_blocks") {
        return Some("SD3");
    }
    if has("double_blocks") || has("single_blocks") || has("single_transformer_blocks") {
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

fn by_metadata(file: &SafetensorsFile) -> Option<&'static str> {
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
