//! File keys → the names webui gives a model's modules.
//!
//! webui names every module of the loaded model by its path with `_` for `.`: `diffusion_model_input_blocks_4_1_proj_in`,
//! `0_transformer_text_model_encoder_layers_0_mlp_fc1` (SDXL's CLIP-L), `1_model_transformer_resblocks_0_mlp_c_fc` (its
//! OpenCLIP). A LoRA key written in diffusers' block names is renumbered to that scheme by [`renumbered`]; whether the
//! model has such a module is then up to its [`ModuleTable`](super::ModuleTable).
//!
//! ```
//! use lbw::lora::renumbered;
//! assert_eq!(renumbered("lora_unet_down_blocks_1_resnets_0_conv1", false), "diffusion_model_input_blocks_4_0_in_layers_2");
//! assert_eq!(renumbered("lora_unet_input_blocks_4_0_in_layers_2", false), "lora_unet_input_blocks_4_0_in_layers_2");
//! ```

/// Which of a LoRA's two strengths a module takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Strength {
    /// The strength of the text encoders (`te=`).
    Te,
    /// The strength of the UNet (`unet=`).
    Unet,
}

impl Strength {
    /// webui's rule: the text encoder's, if `transformer` occurs within the first 20 characters of the module name.
    pub fn of_module(name: &str) -> Self {
        let head: String = name.chars().take(20).collect();
        if head.contains("transformer") { Strength::Te } else { Strength::Unet }
    }
}

/// `key` (without the tensor's part name) after webui's renumbering of diffusers' names; other keys stay as they are.
///
/// The names are those of SD1, whatever the model: `up_blocks_0_upsamplers_0_conv` becomes `output_blocks_2_1_conv`, which
/// SDXL does not have. `sd2` selects OpenCLIP's names for `lora_te_…` keys.
pub fn renumbered(key: &str, sd2: bool) -> String {
    key.strip_prefix("lora_unet_")
        .and_then(unet)
        .or_else(|| key.strip_prefix("lora_te_text_model_encoder_layers_").and_then(|rest| text_encoder(rest, sd2)))
        .or_else(|| {
            let (layer, module) = layer(key.strip_prefix("lora_te2_text_model_encoder_layers_")?)?;
            Some(format!("1_model_transformer_resblocks_{layer}_{}", open_clip_module(module)))
        })
        .unwrap_or_else(|| key.to_owned())
}

fn unet(name: &str) -> Option<String> {
    if let Some(rest) = name.strip_prefix("conv_in") {
        return Some(format!("diffusion_model_input_blocks_0_0{rest}"));
    }
    if let Some(rest) = name.strip_prefix("conv_out") {
        return Some(format!("diffusion_model_out_2{rest}"));
    }
    if let Some((n, rest)) = name.strip_prefix("time_embedding_linear_").and_then(number) {
        return Some(format!("diffusion_model_time_embed_{}{rest}", 2 * n - 2));
    }
    if let Some(rest) = name.strip_prefix("mid_block_") {
        let (group, i, module) = group_member(rest)?;
        let slot = if group == Group::Attentions { 1 } else { 2 * i };
        return Some(format!("diffusion_model_middle_block_{slot}_{}", group.module(module)));
    }
    let (stack, rest) = match name.strip_prefix("down_blocks_") {
        Some(rest) => ("input", rest),
        None => ("output", name.strip_prefix("up_blocks_")?),
    };
    let (level, rest) = number(rest)?;
    let rest = rest.strip_prefix('_')?;
    if rest.starts_with("downsamplers_0_conv") && stack == "input" {
        return Some(format!("diffusion_model_input_blocks_{}_0_op", 3 + 3 * level));
    }
    if rest.starts_with("upsamplers_0_conv") && stack == "output" {
        let slot = if level > 0 { 2 } else { 1 };
        return Some(format!("diffusion_model_output_blocks_{}_{slot}_conv", 2 + 3 * level));
    }
    let (group, i, module) = group_member(rest)?;
    let block = 3 * level + i + i64::from(stack == "input");
    let slot = i64::from(group == Group::Attentions);
    Some(format!("diffusion_model_{stack}_blocks_{block}_{slot}_{}", group.module(module)))
}

#[derive(Clone, Copy, PartialEq)]
enum Group {
    Attentions,
    Resnets,
}

impl Group {
    /// The LDM name of a module inside the group; attention modules have the same names in both schemes.
    fn module(self, name: &str) -> &str {
        match (self, name) {
            (Group::Attentions, _) => name,
            (_, "conv1") => "in_layers_2",
            (_, "conv2") => "out_layers_3",
            (_, "norm1") => "in_layers_0",
            (_, "norm2") => "out_layers_0",
            (_, "time_emb_proj") => "emb_layers_1",
            (_, "conv_shortcut") => "skip_connection",
            _ => name,
        }
    }
}

/// `attentions_1_proj_in` → (attentions, 1, `proj_in`).
fn group_member(name: &str) -> Option<(Group, i64, &str)> {
    let (group, rest) = match name.strip_prefix("attentions_") {
        Some(rest) => (Group::Attentions, rest),
        None => (Group::Resnets, name.strip_prefix("resnets_")?),
    };
    let (i, rest) = number(rest)?;
    Some((group, i, rest.strip_prefix('_').filter(|m| !m.is_empty())?))
}

fn text_encoder(rest: &str, sd2: bool) -> Option<String> {
    let (layer, module) = layer(rest)?;
    Some(if sd2 {
        format!("model_transformer_resblocks_{layer}_{}", open_clip_module(module))
    } else {
        format!("transformer_text_model_encoder_layers_{layer}_{module}")
    })
}

/// OpenCLIP's name of a module of a text encoder layer.
fn open_clip_module(name: &str) -> String {
    if name.contains("mlp_fc1") {
        name.replace("mlp_fc1", "mlp_c_fc")
    } else if name.contains("mlp_fc2") {
        name.replace("mlp_fc2", "mlp_c_proj")
    } else {
        name.replace("self_attn", "attn")
    }
}

/// `11_mlp_fc1` → (11, `mlp_fc1`).
fn layer(rest: &str) -> Option<(i64, &str)> {
    let (n, rest) = number(rest)?;
    Some((n, rest.strip_prefix('_').filter(|m| !m.is_empty())?))
}

/// The decimal number at the start of `text`, small enough to name a block, and what follows it.
fn number(text: &str) -> Option<(i64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let n: u32 = text[..end].parse().ok()?;
    Some((i64::from(n), &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diffusers_names_are_renumbered() {
        let cases = [
            ("lora_unet_mid_block_resnets_1_conv2", "diffusion_model_middle_block_2_out_layers_3"),
            ("lora_unet_up_blocks_0_upsamplers_0_conv", "diffusion_model_output_blocks_2_1_conv"),
            ("lora_unet_up_blocks_1_upsamplers_0_conv", "diffusion_model_output_blocks_5_2_conv"),
            ("lora_unet_down_blocks_0_downsamplers_0_conv", "diffusion_model_input_blocks_3_0_op"),
            ("lora_unet_time_embedding_linear_2", "diffusion_model_time_embed_2"),
            ("lora_te2_text_model_encoder_layers_3_mlp_fc2", "1_model_transformer_resblocks_3_mlp_c_proj"),
        ];
        for (key, name) in cases {
            assert_eq!(renumbered(key, false), name);
        }
        let key = "lora_te_text_model_encoder_layers_3_self_attn_k_proj";
        assert_eq!(renumbered(key, true), "model_transformer_resblocks_3_attn_k_proj");
    }

    #[test]
    fn odd_keys_stay_as_they_are() {
        for key in
            ["", "lora_unet_", "lora_unet_down_blocks_99999999999999999999_resnets_0_conv1", "lora_unet_mid_block_é"]
        {
            assert_eq!(renumbered(key, false), key);
        }
    }

    #[test]
    fn strength_looks_at_twenty_characters() {
        assert_eq!(Strength::of_module("1_model_transformer_resblocks_0_mlp_c_fc"), Strength::Te);
        assert_eq!(Strength::of_module("diffusion_model_input_blocks_4_1_transformer_blocks_0"), Strength::Unet);
    }
}
