//! Textual-inversion embeddings that a LoRA file brings along (OneTrainer's `bundle_emb.NAME.clip_l` and `.clip_g`): webui
//! knows their names while the LoRA is in the prompt.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::table::ModuleTable;
use crate::checkpoint::{FileError, TensorFile};

/// Larger ones are taken for something else: this is hundreds of vectors.
const MAX_BYTES: usize = 16 << 20;
const PREFIX: &str = "bundle_emb.";

/// An embedding of both text encoders.
#[derive(Debug, Clone)]
pub struct BundledEmbedding {
    /// What a prompt calls it.
    pub name: String,
    /// (vectors, CLIP-L's width)
    pub clip_l: Tensor,
    /// (vectors, CLIP-G's width)
    pub clip_g: Tensor,
}

/// The embeddings among the tensors `names` of `file` that fit the text encoders of `table`. The tensors that are used leave
/// `names`.
pub(super) fn take(
    file: &TensorFile,
    table: &ModuleTable,
    names: &mut Vec<String>,
) -> Result<Vec<BundledEmbedding>, FileError> {
    let width = |module: &str| table.target(module)?.shape.get(1).copied();
    let widths = [
        ("clip_l", width("0_transformer_text_model_embeddings_token_embedding")),
        ("clip_g", width("1_model_token_embedding")),
    ];
    let mut by_name: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for tensor in names.iter() {
        let Some((name, part)) = tensor.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.')) else { continue };
        by_name.entry(name).or_default().insert(part, tensor);
    }
    let (mut found, mut used) = (Vec::new(), Vec::new());
    for (name, parts) in by_name {
        let fitting = widths.map(|(part, width)| {
            let tensor = *parts.get(part)?;
            match file.shape(tensor)? {
                [rows, columns] if *rows > 0 && Some(*columns) == width && rows * columns <= MAX_BYTES / 4 => {
                    Some((tensor, *rows))
                }
                _ => None,
            }
        });
        if let [Some((clip_l, rows)), Some((clip_g, rows_g))] = fitting
            && rows == rows_g
        {
            found.push(BundledEmbedding {
                name: name.to_owned(),
                clip_l: file.f32(clip_l)?,
                clip_g: file.f32(clip_g)?,
            });
            used.extend([clip_l.to_owned(), clip_g.to_owned()]);
        }
    }
    names.retain(|name| !used.contains(name));
    Ok(found)
}
