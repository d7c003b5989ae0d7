//! Textual-inversion embeddings: what is said about those that cannot be used.

use crate::diagnostic::{Diagnostic, Said, Source, code};
use crate::plan::Plan;
use crate::say;
use crate::text::{EmbeddingFile, EmbeddingFiles, Unusable};

/// The embeddings that `plan` names but that cannot be used, whatever the model.
pub(super) fn unusable(files: &EmbeddingFiles, plan: &Plan) -> Vec<Diagnostic> {
    files.unusable_in(plan).into_iter().map(|(file, why)| said(file, &why, plan)).collect()
}

fn said(file: &EmbeddingFile, why: &Unusable, plan: &Plan) -> Diagnostic {
    let (name, path, family, reason) = (&file.name, file.path.display(), plan.family.label(), why.said());
    let message = say!(
        "the embedding `{name}` cannot be used: {reason}",
        "embedding `{name}` は使えません: {reason}",
        with reason
    );
    let found = Diagnostic::new(code::UNUSABLE_EMBEDDING, message)
        .note(say!("the file is {path}", "ファイルは {path} です"))
        .note(say!("the name is read as words", "名前は単語として読まれます"))
        .help(match why {
            Unusable::Damaged(_) | Unusable::Values(_) => say!(
                "get the file again or in another format, or remove the name",
                "ファイルを取り直すか別の形式のものを使うか、名前を消してください"
            ),
            _ => say!(
                "use an embedding made for {family}, or remove the name",
                "{family} 用の embedding を使うか、名前を消してください"
            ),
        });
    let texts = plan.passes().flat_map(|pass| [("prompt", &pass.prompt), ("negative prompt", &pass.negative_prompt)]);
    // Tokens have no place in the text; the name's letters nearly always have.
    let mut texts = texts;
    let place = texts.find_map(|(label, text)| Some((label, text, find_ignoring_case(text, name)?)));
    match place {
        Some((label, text, span)) => {
            found.within(&Source::new(label, text.as_str())).label(span, say!("read as words", "単語として読まれます"))
        }
        None => found,
    }
}

/// Where `name` stands in `text`, whatever the case of ASCII letters.
fn find_ignoring_case(text: &str, name: &str) -> Option<std::ops::Range<usize>> {
    let at = text.to_ascii_lowercase().find(&name.to_ascii_lowercase())?;
    Some(at..at + name.len())
}
