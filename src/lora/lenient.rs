//! The second, lenient key table: what the author of a file meant where webui matches nothing.
//!
//! A key of another naming scheme is rewritten to kohya's (`lora_unet_…`, `lora_te1_…`, `lora_te2_…`, then the part), and
//! webui's own conversion does the rest; a few names that webui loses are mended.

use std::collections::BTreeMap;

use serde_json::Value;

use super::table::ModuleTable;

/// A key of another scheme in kohya's terms.
#[derive(Debug, PartialEq)]
pub(super) struct Rewritten {
    /// `lora_unet_down_blocks_1_…`
    pub module: String,
    /// `lora_up.weight`, `alpha`, …
    pub part: String,
    /// The module's path in the model it was trained on, with dots: what adapter metadata speaks of.
    pub path: String,
    pub component: Component,
}

/// The part of a pipeline a dotted key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Component {
    Unet,
    TextEncoder,
    TextEncoder2,
}

impl Component {
    fn kohya(self) -> &'static str {
        match self {
            Component::Unet => "lora_unet_",
            Component::TextEncoder => "lora_te1_",
            Component::TextEncoder2 => "lora_te2_",
        }
    }

    /// Its name in adapter metadata.
    fn name(self) -> &'static str {
        match self {
            Component::Unet => "unet",
            Component::TextEncoder => "text_encoder",
            Component::TextEncoder2 => "text_encoder_2",
        }
    }
}

const COMPONENTS: [(&str, Component); 19] = [
    ("text_encoders.clip_l.transformer.", Component::TextEncoder),
    ("text_encoders.clip_g.transformer.", Component::TextEncoder2),
    ("conditioner.embedders.0.transformer.", Component::TextEncoder),
    ("clip_l.transformer.", Component::TextEncoder),
    ("clip_g.transformer.", Component::TextEncoder2),
    ("base_model.model.unet.", Component::Unet),
    ("base_model.model.text_encoder_2.", Component::TextEncoder2),
    ("base_model.model.text_encoder.", Component::TextEncoder),
    ("base_model.model.text_encoder_1.", Component::TextEncoder),
    ("base_model.model.text_model.", Component::TextEncoder),
    ("base_model.model.", Component::Unet),
    ("model.diffusion_model.", Component::Unet),
    ("diffusion_model.", Component::Unet),
    ("text_encoder_2.", Component::TextEncoder2),
    ("text_encoder_1.", Component::TextEncoder),
    ("text_encoder.", Component::TextEncoder),
    ("clip_l.", Component::TextEncoder),
    ("clip_g.", Component::TextEncoder2),
    ("unet.", Component::Unet),
];

/// How paths begin that have no component before them: those of a UNet in diffusers' names and in LDM's.
const BARE_UNET: [&str; 14] = [
    "down_blocks.",
    "mid_block.",
    "up_blocks.",
    "conv_in.",
    "conv_out.",
    "conv_norm_out.",
    "time_embedding.",
    "add_embedding.",
    "input_blocks.",
    "middle_block.",
    "output_blocks.",
    "time_embed.",
    "label_emb.",
    "out.",
];

/// What SimpleTuner puts before module names, and what kohya does.
const LYCORIS: [(&str, &str); 6] = [
    ("lycoris_text_encoder_2_", "lora_te2_"),
    ("lycoris_text_encoder_1_", "lora_te1_"),
    ("lycoris_text_encoder_", "lora_te1_"),
    ("lycoris_text_model_", "lora_te1_text_model_"),
    ("lycoris_unet_", "lora_unet_"),
    ("lycoris_", "lora_unet_"),
];

fn component(key: &str) -> Option<(&'static str, Component)> {
    let named = COMPONENTS.into_iter().find(|(prefix, _)| key.starts_with(prefix));
    let bare = || BARE_UNET.iter().any(|start| key.starts_with(start)).then_some(("", Component::Unet));
    named.or_else(bare)
}

/// Endings of dotted keys and the part they are. A leading `_` belongs to an attention processor's `to_q_lora`.
const PARTS: [(&str, &str); 20] = [
    (".lora_A.weight", "lora_down.weight"),
    (".lora_B.weight", "lora_up.weight"),
    (".lora_A.default.weight", "lora_down.weight"),
    (".lora_B.default.weight", "lora_up.weight"),
    (".lora_down.weight", "lora_down.weight"),
    (".lora_up.weight", "lora_up.weight"),
    (".lora_mid.weight", "lora_mid.weight"),
    (".lora.down.weight", "lora_down.weight"),
    (".lora.up.weight", "lora_up.weight"),
    (".lora_linear_layer.down.weight", "lora_down.weight"),
    (".lora_linear_layer.up.weight", "lora_up.weight"),
    ("_lora.down.weight", "lora_down.weight"),
    ("_lora.up.weight", "lora_up.weight"),
    (".a1.weight", "a1.weight"),
    (".a2.weight", "a2.weight"),
    (".b1.weight", "b1.weight"),
    (".b2.weight", "b2.weight"),
    (".lora_magnitude_vector.default.weight", "lora_magnitude_vector"),
    (".lora_magnitude_vector.weight", "lora_magnitude_vector"),
    (".lora_magnitude_vector", "lora_magnitude_vector"),
];

/// Parts that other tools write behind a dotted path as kohya and LyCORIS do.
const PLAIN_PARTS: [&str; 25] = [
    "alpha",
    "scale",
    "bias",
    "dora_scale",
    "diff",
    "diff_b",
    "w_norm",
    "b_norm",
    "on_input",
    "hada_w1_a",
    "hada_w1_b",
    "hada_w2_a",
    "hada_w2_b",
    "hada_t1",
    "hada_t2",
    "lokr_w1",
    "lokr_w1_a",
    "lokr_w1_b",
    "lokr_w2",
    "lokr_w2_a",
    "lokr_w2_b",
    "lokr_t2",
    "oft_blocks",
    "oft_diag",
    "rescale",
];

/// `key` in kohya's terms, if it is in a scheme that is known here.
pub(super) fn rewrite(key: &str) -> Option<Rewritten> {
    if let Some((prefix, kohya)) = LYCORIS.into_iter().find(|(prefix, _)| key.starts_with(prefix)) {
        let (path, part) = split_part(&key[prefix.len()..])?;
        let component = match kohya {
            "lora_unet_" => Component::Unet,
            "lora_te2_" => Component::TextEncoder2,
            _ => Component::TextEncoder,
        };
        let (module, path) = (format!("{kohya}{path}"), path.to_owned());
        return Some(Rewritten { module, part: part.to_owned(), path, component });
    }
    // What torch.compile puts into paths.
    let key = key.replace("_orig_mod.", "");
    let (prefix, component) = component(&key)?;
    let (path, part) = split_part(&key[prefix.len()..])?;
    let mut path = path.replace(".processor.", ".");
    if path.ends_with(".to_out") {
        path.push_str(".0");
    }
    if prefix.ends_with("text_model.") {
        path.insert_str(0, "text_model.");
    }
    let module = format!("{}{}", component.kohya(), path.replace('.', "_"));
    Some(Rewritten { module, part: part.to_owned(), path, component })
}

/// `key` without its part: where the same module's other parts are written.
pub(super) fn stem(key: &str) -> Option<&str> {
    split_part(key).map(|(stem, _)| stem)
}

fn split_part(key: &str) -> Option<(&str, &'static str)> {
    let dotted = PARTS.into_iter().find_map(|(ending, part)| Some((key.strip_suffix(ending)?, part)));
    dotted.or_else(|| {
        let (path, ending) = key.rsplit_once('.')?;
        PLAIN_PARTS.into_iter().find(|part| *part == ending).map(|part| (path, part))
    })
}

/// The module that a kohya-style key webui does not match is meant for.
pub(super) fn module_of(table: &ModuleTable, key: &str) -> Option<String> {
    let known = |name: String| table.target(&name).is_some().then_some(name);
    if let Some(name) = table.module_of(key).and_then(known) {
        return Some(name);
    }
    if let Some(rest) = key.strip_prefix("lora_te_").filter(|_| table.contains("0_transformer_text_model")) {
        return table.module_of(&format!("lora_te1_{rest}")).and_then(known);
    }
    if let Some(layer) = key.strip_prefix("lora_te2_text_model_encoder_layers_") {
        let name = layer.replace("layer_norm1", "ln_1").replace("layer_norm2", "ln_2");
        return known(format!("1_model_transformer_resblocks_{name}"));
    }
    let name = match key {
        // webui knows SD1's place of it only.
        "lora_unet_up_blocks_0_upsamplers_0_conv" => "diffusion_model_output_blocks_2_2_conv",
        "lora_unet_add_embedding_linear_1" => "diffusion_model_label_emb_0_0",
        "lora_unet_add_embedding_linear_2" => "diffusion_model_label_emb_0_2",
        "lora_unet_conv_norm_out" => "diffusion_model_out_0",
        _ => return None,
    };
    known(name.to_owned())
}

/// The scales that a PEFT adapter's configuration gives, where the file carries it in its metadata.
#[derive(Debug, Default)]
pub(super) struct AdapterConfig(BTreeMap<String, Value>);

impl AdapterConfig {
    pub(super) fn read(metadata: &BTreeMap<String, String>) -> Self {
        let json = metadata.get("lora_adapter_metadata").and_then(|text| serde_json::from_str(text).ok());
        AdapterConfig(json.unwrap_or_default())
    }

    /// The scale of a module of rank `rank`: lora_alpha / rank, or / √rank for rank-stabilised LoRA.
    pub(super) fn scale(&self, component: Component, path: &str, rank: usize) -> Option<f64> {
        let get = |name: &str| self.0.get(&format!("{}.{name}", component.name())).or_else(|| self.0.get(name));
        let pattern = |patterns: &Value| {
            let matches = |name: &str| path == name || path.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
            patterns.as_object()?.iter().find(|(name, _)| matches(name.trim_start_matches('^')))?.1.as_f64()
        };
        let alpha = get("alpha_pattern").and_then(pattern).or_else(|| get("lora_alpha")?.as_f64())?;
        let rank = rank as f64;
        let stabilised = get("use_rslora").and_then(Value::as_bool).unwrap_or(false);
        Some(alpha / if stabilised { rank.sqrt() } else { rank })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_are_rewritten() {
        let cases = [
            (
                "unet.mid_block.attentions.0.proj_in.lora_A.weight",
                "lora_unet_mid_block_attentions_0_proj_in",
                "lora_down.weight",
            ),
            (
                "base_model.model.mid_block.attentions.0.proj_in.lora_B.default.weight",
                "lora_unet_mid_block_attentions_0_proj_in",
                "lora_up.weight",
            ),
            (
                "unet.up_blocks.0.attentions.1.transformer_blocks.1.attn2.processor.to_out_lora.up.weight",
                "lora_unet_up_blocks_0_attentions_1_transformer_blocks_1_attn2_to_out_0",
                "lora_up.weight",
            ),
            (
                "text_encoder_2.text_model.encoder.layers.3.mlp.fc1.lora_linear_layer.up.weight",
                "lora_te2_text_model_encoder_layers_3_mlp_fc1",
                "lora_up.weight",
            ),
            (
                "text_encoders.clip_g.transformer.text_model.encoder.layers.0.mlp.fc2.lora_magnitude_vector",
                "lora_te2_text_model_encoder_layers_0_mlp_fc2",
                "lora_magnitude_vector",
            ),
            (
                "diffusion_model.input_blocks.4.0.in_layers.2.lokr_w1",
                "lora_unet_input_blocks_4_0_in_layers_2",
                "lokr_w1",
            ),
            ("unet.mid_block.attentions.0.proj_in.alpha", "lora_unet_mid_block_attentions_0_proj_in", "alpha"),
            ("lycoris_mid_block_attentions_0_proj_in.lokr_w1", "lora_unet_mid_block_attentions_0_proj_in", "lokr_w1"),
            ("unet._orig_mod.conv_in.lora_A.weight", "lora_unet_conv_in", "lora_down.weight"),
            ("output_blocks.3.1.proj_in.alpha", "lora_unet_output_blocks_3_1_proj_in", "alpha"),
            (
                "text_encoder_1.text_model.encoder.layers.0.mlp.fc1.dora_scale",
                "lora_te1_text_model_encoder_layers_0_mlp_fc1",
                "dora_scale",
            ),
        ];
        for (key, module, part) in cases {
            let rewritten = rewrite(key).unwrap_or_else(|| panic!("{key}"));
            assert_eq!((rewritten.module.as_str(), rewritten.part.as_str()), (module, part));
        }
        for key in ["", "unet.", "unet.alpha", "lora_unet_x.alpha", "outer.x.alpha", "diffusion_model.x.weight"] {
            assert_eq!(rewrite(key), None, "{key}");
        }
    }

    #[test]
    fn adapter_configuration_scales() {
        let json = r#"{"unet.lora_alpha": 8, "unet.alpha_pattern": {"attn1.to_q": 2}, "text_encoder.lora_alpha": 4, "text_encoder.use_rslora": true}"#;
        let config = AdapterConfig::read(&BTreeMap::from([("lora_adapter_metadata".to_owned(), json.to_owned())]));
        assert_eq!(config.scale(Component::Unet, "a.attn2.to_q", 4), Some(2.0));
        assert_eq!(config.scale(Component::Unet, "a.attn1.to_q", 4), Some(0.5));
        assert_eq!(config.scale(Component::TextEncoder, "a", 4), Some(2.0));
        assert_eq!(config.scale(Component::TextEncoder2, "a", 4), None);
    }
}
