//! Modules → the keys that webui and kohya's scripts read.

use super::super::table::ModuleTable;

/// The key (up to its first `.`) that webui takes for `module` of the model that `table` describes; `None` where it has
/// none for it.
pub(super) fn file_key(table: &ModuleTable, module: &str) -> Option<String> {
    let candidates = [
        prefixed(module, "diffusion_model_", "lora_unet_"),
        prefixed(module, "0_transformer_text_model_", "lora_te1_text_model_"),
        prefixed(module, "1_model_transformer_resblocks_", "lora_te2_text_model_encoder_layers_").map(clip_names),
        prefixed(module, "transformer_text_model_encoder_layers_", "lora_te_text_model_encoder_layers_"),
        prefixed(module, "model_transformer_resblocks_", "lora_te_text_model_encoder_layers_").map(clip_names),
    ];
    candidates.into_iter().flatten().find(|key| table.module_of(key).as_deref() == Some(module))
}

fn prefixed(module: &str, from: &str, to: &str) -> Option<String> {
    module.strip_prefix(from).map(|rest| format!("{to}{rest}"))
}

/// OpenCLIP's names in the words of CLIP, which kohya's keys use.
fn clip_names(key: String) -> String {
    let key = key.replace("_mlp_c_fc", "_mlp_fc1").replace("_mlp_c_proj", "_mlp_fc2");
    key.replace("_attn_", "_self_attn_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Family;

    #[test]
    fn keys_lead_back_to_their_modules() {
        for (family, module, key) in [
            (Family::Sdxl, "diffusion_model_input_blocks_4_1_proj_in", "lora_unet_input_blocks_4_1_proj_in"),
            (Family::Sdxl, "0_transformer_text_model_final_layer_norm", "lora_te1_text_model_final_layer_norm"),
            (
                Family::Sdxl,
                "1_model_transformer_resblocks_3_attn_k_proj",
                "lora_te2_text_model_encoder_layers_3_self_attn_k_proj",
            ),
            (
                Family::Sdxl,
                "1_model_transformer_resblocks_3_mlp_c_proj",
                "lora_te2_text_model_encoder_layers_3_mlp_fc2",
            ),
            (
                Family::Sd1,
                "transformer_text_model_encoder_layers_3_mlp_fc1",
                "lora_te_text_model_encoder_layers_3_mlp_fc1",
            ),
            (Family::Sd2, "model_transformer_resblocks_3_mlp_c_fc", "lora_te_text_model_encoder_layers_3_mlp_fc1"),
        ] {
            let table = ModuleTable::full_size(family);
            assert_eq!(file_key(table, module).as_deref(), Some(key), "{module}");
        }
        let table = ModuleTable::full_size(Family::Sdxl);
        assert_eq!(file_key(table, "1_model_ln_final"), None);
    }
}
