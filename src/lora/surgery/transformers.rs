//! Diffusion transformers: how the keys of their LoRAs name the blocks.
//!
//! Flux has the blocks of LoRA Block Weight; the names of the others' blocks are ours.

use std::collections::BTreeSet;

use super::place::{Place, Placed, stem};
use crate::checkpoint::TensorFile;

/// A family of diffusion transformers.
#[derive(Debug)]
pub(super) struct Transformer {
    pub label: &'static str,
    /// What stands before a number in a key (words joined by `_`), the letters of the blocks' names, and how many there are.
    /// The first that occurs counts.
    pub stacks: &'static [(&'static str, &'static str, usize)],
    /// Beginnings of keys and the block they are.
    pub starts: &'static [&'static [(&'static str, &'static str)]],
    /// Words of keys outside the stacks and the block they are.
    pub words: &'static [(&'static str, &'static str)],
}

const CLIP_AND_T5: [(&str, &str); 10] = [
    ("lora_te1_", "CLIP"),
    ("text_encoders_clip_", "CLIP"),
    ("clip_", "CLIP"),
    ("lora_te3_", "T5"),
    ("t5xxl_", "T5"),
    ("text_encoders_t5", "T5"),
    ("lora_te_", "CLIP"),
    ("text_encoder_3_", "T5"),
    ("text_encoders_t5xxl_", "T5"),
    ("lora_t5_", "T5"),
];

static FLUX: Transformer = Transformer {
    label: "Flux",
    stacks: &[
        ("single_transformer_blocks_", "S", 38),
        ("single_blocks_", "S", 38),
        ("double_blocks_", "D", 19),
        ("transformer_blocks_", "D", 19),
    ],
    // diffusers' second text encoder is T5.
    starts: &[&CLIP_AND_T5, &[("lora_te2_", "T5"), ("text_encoder_2_", "T5"), ("text_encoder_", "CLIP")]],
    words: &[
        ("img_in", "IN"),
        ("txt_in", "IN"),
        ("time_in", "IN"),
        ("vector_in", "IN"),
        ("guidance_in", "IN"),
        ("x_embedder", "IN"),
        ("context_embedder", "IN"),
        ("time_text_embed", "IN"),
        ("final_layer", "OUT"),
        ("norm_out", "OUT"),
        ("proj_out", "OUT"),
    ],
};

static SD3: Transformer = Transformer {
    label: "SD3",
    stacks: &[("joint_transformer_blocks_", "J", 38), ("joint_blocks_", "J", 38), ("transformer_blocks_", "J", 38)],
    // The second text encoder is OpenCLIP.
    starts: &[&CLIP_AND_T5, &[("lora_te2_", "CLIP"), ("text_encoder_", "CLIP")]],
    words: &[
        ("x_embedder", "IN"),
        ("y_embedder", "IN"),
        ("t_embedder", "IN"),
        ("context_embedder", "IN"),
        ("pos_embed", "IN"),
        ("time_text_embed", "IN"),
        ("final_layer", "OUT"),
        ("norm_out", "OUT"),
        ("proj_out", "OUT"),
    ],
};

/// Qwen's encoder, whatever a tool calls it.
const QWEN_TEXT: [(&str, &str); 5] =
    [("lora_te", "TE"), ("text_encoder", "TE"), ("lora_qwen", "TE"), ("qwen", "TE"), ("lora_text_encoder", "TE")];

static ANIMA: Transformer = Transformer {
    label: "Anima",
    // The adapter between text encoder and transformer has blocks of its own, which count as one.
    stacks: &[("blocks_", "B", 28)],
    starts: &[&QWEN_TEXT],
    words: &[("llm_adapter", "LLM"), ("x_embedder", "IN"), ("t_embedder", "IN"), ("final_layer", "OUT")],
};

static Z_IMAGE: Transformer = Transformer {
    label: "Z-Image",
    stacks: &[("layers_", "L", 30), ("context_refiner_", "CR", 2), ("noise_refiner_", "NR", 2)],
    starts: &[&QWEN_TEXT],
    words: &[("x_embedder", "IN"), ("t_embedder", "IN"), ("cap_embedder", "IN"), ("final_layer", "OUT")],
};

impl Transformer {
    pub fn place(&self, path: &str) -> Option<Placed> {
        let placed = |block: String, element: &str| {
            Some(Placed { module: path.to_owned(), place: Place::Block(block), element: element.to_owned() })
        };
        if let Some((_, block)) = self.starts.iter().copied().flatten().find(|(start, _)| path.starts_with(start)) {
            return placed((*block).to_owned(), "text");
        }
        if let Some((word, block)) = self.words.iter().find(|(word, block)| *block == "LLM" && path.contains(word)) {
            return placed((*block).to_owned(), word);
        }
        for (before, letters, count) in self.stacks {
            let Some((number, rest)) = numbered(path, before) else { continue };
            let element = if rest.is_empty() { "other" } else { rest };
            return match number < *count {
                true => placed(format!("{letters}{number:02}"), element),
                false => Some(Placed { module: path.to_owned(), place: Place::Outside, element: element.to_owned() }),
            };
        }
        let (word, block) = self.words.iter().find(|(word, _)| path.contains(word))?;
        placed((*block).to_owned(), word)
    }
}

/// The number behind `before`, which begins a word, and what follows it.
fn numbered<'p>(path: &'p str, before: &str) -> Option<(usize, &'p str)> {
    path.match_indices(before).filter(|(at, _)| *at == 0 || path[..*at].ends_with('_')).find_map(|(at, _)| {
        let rest = &path[at + before.len()..];
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        Some((rest[..end].parse().ok()?, rest[end..].trim_start_matches('_')))
    })
}

/// The family of transformers that the keys of `file` speak of.
pub(super) fn transformer(file: &TensorFile) -> Option<&'static Transformer> {
    let paths: BTreeSet<String> = file.names().map(|name| stem(name).replace('.', "_")).collect();
    let has = |words: &[&str]| paths.iter().any(|path| words.iter().any(|word| path.contains(word)));
    if has(&["joint_blocks_", "joint_transformer_blocks_"]) {
        return Some(&SD3);
    }
    if has(&["double_blocks_", "single_blocks_", "single_transformer_blocks_"]) {
        return Some(&FLUX);
    }
    // Blocks of this name are many families'; Cosmos' projections and modulation are told by theirs.
    if has(&["llm_adapter"]) || has(&["_adaln_modulation_"]) && has(&["blocks_"]) {
        return Some(&ANIMA);
    }
    let in_blocks = |path: &String| numbered(path, "blocks_").is_some_and(|(_, rest)| is_cosmos_attention(rest));
    if paths.iter().any(in_blocks) {
        return Some(&ANIMA);
    }
    let is_layer = |path: &String| {
        let of_layer = |rest: &str| rest.starts_with("attention_") || rest.starts_with("feed_forward_w");
        numbered(path, "layers_").is_some_and(|(_, rest)| of_layer(rest))
    };
    if has(&["noise_refiner_", "context_refiner_"]) || paths.iter().any(is_layer) {
        return Some(&Z_IMAGE);
    }
    // diffusers calls the double blocks of both the same; their widths differ.
    match file.names().filter(|name| name.contains("transformer.transformer_blocks.")).find_map(|n| width(file, n)) {
        Some(3072) => Some(&FLUX),
        Some(1536 | 2432) => Some(&SD3),
        _ => None,
    }
}

fn is_cosmos_attention(rest: &str) -> bool {
    let attention = rest.strip_prefix("self_attn_").or_else(|| rest.strip_prefix("cross_attn_"));
    attention.is_some_and(|name| ["q_proj", "k_proj", "v_proj", "output_proj"].iter().any(|p| name.starts_with(p)))
}

/// The width of what a projection of queries reads.
fn width(file: &TensorFile, name: &str) -> Option<usize> {
    let is_input = name.contains(".attn.to_q.") && (name.ends_with("lora_A.weight") || name.ends_with("down.weight"));
    if is_input { file.shape(name)?.get(1).copied() } else { None }
}
