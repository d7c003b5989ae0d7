//! Textual-inversion embeddings that a LoRA file brings along (OneTrainer's `bundle_emb.NAME.clip_l` and `.clip_g`, or `.string_to_param.*`): webui
//! knows their names while the LoRA is in the prompt.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::table::ModuleTable;
use crate::checkpoint::{FileError, TensorFile, embedding_vectors};
use crate::files::limits::EMBEDDING;

const PREFIX: &str = "bundle_emb.";

/// An embedding in a LoRA file.
#[derive(Debug, Clone)]
pub struct BundledEmbedding {
    /// What a prompt calls it.
    pub name: String,
    /// For each text encoder of the model, (vectors, the encoder's width); as many vectors for each.
    pub vectors: Vec<Tensor>,
}

/// The embeddings among the tensors `names` of `file` that fit the text encoders of `table`. The tensors that are used leave
/// `names`.
pub(super) fn take(
    file: &TensorFile,
    table: &ModuleTable,
    names: &mut Vec<String>,
) -> Result<Vec<BundledEmbedding>, FileError> {
    let widths = table.text_widths();
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for tensor in names.iter() {
        let Some((name, part)) = tensor.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.')) else { continue };
        by_name.entry(name).or_default().push(part);
    }
    let (mut found, mut used) = (Vec::new(), Vec::new());
    for (name, parts) in by_name {
        let tensors = embedding_vectors(&parts).unwrap_or_default();
        let tensors: Vec<String> = tensors.iter().map(|part| format!("{PREFIX}{name}.{part}")).collect();
        let rows = tensors.iter().zip(&widths).map(|(tensor, width)| match file.shape(tensor)? {
            [rows, columns] if *rows > 0 && Some(*columns) == *width && rows * columns <= EMBEDDING / 4 => Some(*rows),
            _ => None,
        });
        let rows: Option<Vec<usize>> = rows.collect();
        let fits =
            rows.is_some_and(|rows| rows.len() == widths.len() && rows.windows(2).all(|pair| pair[0] == pair[1]));
        if fits && tensors.len() == widths.len() {
            let vectors = tensors.iter().map(|tensor| file.f32(tensor)).collect::<Result<_, _>>()?;
            found.push(BundledEmbedding { name: name.to_owned(), vectors });
            used.extend(tensors);
        }
    }
    names.retain(|name| !used.contains(name));
    Ok(found)
}
