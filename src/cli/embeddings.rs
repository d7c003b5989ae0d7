//! Textual-inversion embeddings: where they are found, and what is said about those that cannot be used.

use super::exit::Failure;
use super::files::Files;
use crate::diagnostic::{Diagnostic, Source, code};
use crate::plan::Plan;
use crate::text::{EmbeddingFile, EmbeddingFiles, Unusable};

/// The embeddings in the user's folders.
pub fn scan(files: &Files) -> Result<EmbeddingFiles, Failure> {
    EmbeddingFiles::scan(&files.embedding_dirs).map_err(|e| Failure::file(e.to_string()))
}

/// The embeddings that `plan` names but that cannot be used, whatever the model.
pub fn unusable(files: &EmbeddingFiles, plan: &Plan) -> Vec<Diagnostic> {
    files.unusable_in(plan).into_iter().map(|(file, why)| said(file, why, plan)).collect()
}

fn said(file: &EmbeddingFile, why: &Unusable, plan: &Plan) -> Diagnostic {
    let name = &file.name;
    let found = Diagnostic::new(code::UNUSABLE_EMBEDDING, format!("the embedding `{name}` cannot be used: {why}"))
        .note(format!("the file is {}", file.path.display()))
        .note("the name is read as words");
    let found = match why {
        Unusable::Pickle => found.help("convert it to .safetensors if you trust its source, or remove the name"),
        _ => found.help("use an embedding made for SDXL, or remove the name"),
    };
    let texts = [("prompt", &plan.prompt), ("negative prompt", &plan.negative_prompt)];
    // Tokens have no place in the text; the name's letters nearly always have.
    let place = texts.into_iter().find_map(|(label, text)| Some((label, text, find_ignoring_case(text, name)?)));
    match place {
        Some((label, text, span)) => found.within(&Source::new(label, text.as_str())).label(span, "read as words"),
        None => found,
    }
}

/// Where `name` stands in `text`, whatever the case of ASCII letters.
fn find_ignoring_case(text: &str, name: &str) -> Option<std::ops::Range<usize>> {
    let at = text.to_ascii_lowercase().find(&name.to_ascii_lowercase())?;
    Some(at..at + name.len())
}
