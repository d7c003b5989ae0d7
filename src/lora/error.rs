//! What can be wrong with a LoRA file.

use std::path::PathBuf;

use thiserror::Error;

use crate::checkpoint::FileError;
use crate::diagnostic::{Said, Text};
use crate::say;

/// A LoRA file that cannot be used, and what to do about it.
#[derive(Debug, Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum LoraError {
    #[error(transparent)]
    File(#[from] FileError),

    /// Modules whose tensors disagree with each other or with the model.
    Misfits {
        path: PathBuf,
        misfits: Vec<Text>,
        made_for: Option<&'static str>,
        family: &'static str,
    },

    /// A module was matched, but its tensors are those of no kind; webui then loads nothing of the file.
    UnknownKind {
        path: PathBuf,
        module: String,
        parts: String,
    },

    NoModules {
        path: PathBuf,
        tensors: usize,
        example: String,
        made_for: Option<&'static str>,
        family: &'static str,
    },
}

impl Said for LoraError {
    fn said(&self) -> Text {
        match self {
            LoraError::File(error) => error.said(),
            LoraError::Misfits { path, misfits, made_for, family } => {
                let (path, misfits, advice) = (path.display(), shown(misfits), made_for_text(*made_for, family));
                say!("{path}: {misfits}{advice}", "{path}: {misfits}{advice}", with misfits, advice)
            }
            LoraError::UnknownKind { path, module, parts } => {
                let path = path.display();
                say!(
                    "{path}: `{module}` has the tensors {parts}, which are of no known kind of network",
                    "{path}: `{module}` のテンソル {parts} は、知られているどの種類のネットワークのものでもありません"
                )
            }
            LoraError::NoModules { path, tensors, example, made_for, family } => {
                let (path, advice) = (path.display(), made_for_text(*made_for, family));
                say!(
                    "{path}: none of its {tensors} tensors belongs to this {family} model (`{example}` for one){advice}",
                    "{path}: {tensors} 個のテンソルのどれも、この {family} のモデルのものではありません (たとえば `{example}`){advice}",
                    with advice
                )
            }
        }
    }
}

fn shown(misfits: &[Text]) -> Text {
    const SHOWN: usize = 3;
    let more = misfits.len().saturating_sub(SHOWN);
    let more = (more > 0).then(|| say!("and {more} more", "ほかに {more} 件"));
    Text::join(misfits.iter().take(SHOWN).cloned().chain(more), "; ")
}

fn made_for_text(made_for: Option<&'static str>, family: &'static str) -> Text {
    match made_for {
        Some(made_for) if made_for != family => {
            say!("; the file looks made for {made_for}", "。{made_for} 用のファイルのようです")
        }
        _ => Text::default(),
    }
}
