//! What can be wrong with a LoRA file.

use std::path::PathBuf;

use thiserror::Error;

use crate::checkpoint::FileError;

/// A LoRA file that cannot be used, and what to do about it.
#[derive(Debug, Error)]
pub enum LoraError {
    #[error(transparent)]
    File(#[from] FileError),

    /// Modules whose tensors disagree with each other or with the model.
    #[error("{}: {}{}", path.display(), shown(misfits), made_for_text(*made_for, family))]
    Misfits { path: PathBuf, misfits: Vec<String>, made_for: Option<&'static str>, family: &'static str },

    /// A module was matched, but its tensors are those of no kind; webui then loads nothing of the file.
    #[error("{}: `{module}` has the tensors {parts}, which are of no known kind of network", path.display())]
    UnknownKind { path: PathBuf, module: String, parts: String },

    #[error(
        "{}: none of its {tensors} tensors belongs to this {family} model (`{example}` for one){}",
        path.display(),
        made_for_text(*made_for, family)
    )]
    NoModules { path: PathBuf, tensors: usize, example: String, made_for: Option<&'static str>, family: &'static str },
}

fn shown(misfits: &[String]) -> String {
    const SHOWN: usize = 3;
    let mut text = misfits.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    if misfits.len() > SHOWN {
        text += &format!("; and {} more", misfits.len() - SHOWN);
    }
    text
}

fn made_for_text(made_for: Option<&'static str>, family: &'static str) -> String {
    match made_for {
        Some(made_for) if made_for != family => format!("; the file looks made for {made_for}"),
        _ => String::new(),
    }
}
