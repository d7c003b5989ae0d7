//! The difference of two checkpoints as a LoRA.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{model, talk};
use crate::app::answer::Answer;
use crate::app::error::Result;
use crate::checkpoint::TensorFile;
use crate::diagnostic::{Diagnostic, Text};
use crate::lora::surgery::{self, Extracted, Precision};
use crate::say;

/// What is to be extracted.
#[derive(Debug, Clone)]
pub struct ExtractWish {
    /// The checkpoint whose changes the LoRA shall hold.
    pub tuned: PathBuf,
    /// The checkpoint it was made from.
    pub base: PathBuf,
    /// The new file.
    pub output: PathBuf,
    /// The rank of every module.
    pub rank: usize,
    /// How the factors are stored.
    pub precision: Precision,
    /// Whether a file that is there is replaced.
    pub overwrite: bool,
}

/// Writes the difference of two checkpoints as a LoRA.
pub fn extract(wish: &ExtractWish) -> Result<Answer> {
    let ExtractWish { tuned, base, output, rank, precision, overwrite } = wish;
    model::check_output(output)?;
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let provenance = json!({ "tuned": name(tuned), "base": name(base), "rank": rank }).to_string();
    let (tuned, base) = (TensorFile::open(tuned)?, TensorFile::open(base)?);
    let existing = model::existing(*overwrite);
    let extracted = surgery::extract(&tuned, &base, *rank, *precision, output, &provenance, existing)?;
    let text = Text::join([summary(output, &extracted), talk::errors(&extracted.errors)], "");
    Ok(Answer::new(json!({ "file": output.to_string_lossy(), "extracted": extracted }), text).with(about(&extracted)))
}

fn summary(output: &Path, extracted: &Extracted) -> Text {
    let (file, Extracted { family, factored, norms, unchanged, .. }) = (output.display(), extracted);
    say!(
        "{file}: {family}, {factored} modules as factors, {norms} normalisation layers whole, {unchanged} unchanged\n",
        "{file}: {family}、因子にしたモジュール {factored} 個、そのまま入れた正規化層 {norms} 個、変化のないモジュール {unchanged} 個\n"
    )
}

/// What of the difference is not in the file.
fn about(extracted: &Extracted) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if let Some((example, _)) = extracted.left_out.first() {
        let count = extracted.left_out.len();
        let norm = extracted.left_out.iter().map(|(_, norm)| norm * norm).sum::<f64>().sqrt();
        found.push(talk::left_out(say!(
            "{count} tensors differ that no LoRA holds (biases, embeddings, the VAE), for example {example}; the norm of their \
             difference is {norm:.5}",
            "LoRA に入れられないテンソル(バイアス、埋め込み、VAE)が {count} 個違います。たとえば {example} です。差のノルムは {norm:.5} です"
        )));
    }
    if let Some(example) = extracted.unpaired.first() {
        let count = extracted.unpaired.len();
        found.push(talk::left_out(say!(
            "{count} tensors are in one checkpoint only, or have another shape there, for example {example}",
            "{count} 個のテンソルは片方のチェックポイントにしかないか、形が違います。たとえば {example} です"
        )));
    }
    found
}
