//! kohya's scripts: a JSON list of 12, 17, 20 or 26 numbers.
//!
//! Facts from github.com/kohya-ss/sd-scripts, `networks/svd_merge_lora.py`: `format_lbws`, `get_lbw_block_index` and their use
//! in `merge_lora_models`. Blocks that the list does not name keep 1, and so does everything outside the blocks.

use super::{DialectError, Weights, anything, containing};
use crate::block::{Family, Layout, Space};
use crate::plan::ElementRule;

/// Weights of the list in `text`; its square brackets may be left out.
pub(super) fn weights(text: &str, family: Family) -> Result<Weights, DialectError> {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if !inner.contains(',') {
        return Err(DialectError::Preset(text.to_owned()));
    }
    let number = |entry: &str| {
        let entry = entry.trim();
        serde_json::from_str::<f64>(entry).map_err(|_| DialectError::Entry(entry.to_owned()))
    };
    let numbers = inner.split(',').map(number).collect::<Result<Vec<_>, _>>()?;
    let layout = Layout::from_len(numbers.len())
        .filter(|layout| layout.space() == Space::Unet)
        .ok_or(DialectError::Length(numbers.len()))?;
    let is_own = family.layouts().contains(&layout);
    let mut blocks = vec![1.0; Space::Unet.names().len()];
    let mut rules = Vec::new();
    for (entry, number) in numbers.iter().enumerate() {
        let Some(block) = layout.block(entry) else { continue };
        // The length decides whose module names are looked for, so that a list for another family finds text encoders only.
        if is_own || block.index() == 0 {
            blocks[block.index()] = *number;
        }
    }
    if layout == Layout::Sdxl20 && is_own {
        // The time and size embeddings are counted with IN00.
        rules.push(ElementRule {
            blocks: anything(),
            elements: containing(["diffusion_model_time_embed", "diffusion_model_label_emb"]),
            ratio: blocks[1],
        });
    }
    rules.retain(|rule| rule.ratio != 1.0);
    Ok(Weights { blocks, rules, over_time: None })
}
