//! Why a request is not drawn, before anybody has waited for it.

use super::fields::FieldError;
use crate::app::error::Error;
use crate::diagnostic::Diagnostic;

/// Why a request is not drawn.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// Fields have the wrong type.
    Fields(Vec<FieldError>),
    /// Something that was named is not there, in the words that webui's clients know.
    Absent {
        /// These words.
        detail: &'static str,
        /// What lbw has to say about it.
        found: Vec<Diagnostic>,
    },
    /// The request is wrong.
    Wrong {
        /// What webui's clients are told, where that is not what was found.
        detail: Option<String>,
        /// All that was found.
        found: Vec<Diagnostic>,
    },
}

impl Refusal {
    /// The request is wrong in a way that clients know by these words.
    pub fn known(detail: impl Into<String>, found: Diagnostic) -> Self {
        Refusal::Wrong { detail: Some(detail.into()), found: vec![found] }
    }

    /// All that was found.
    pub fn findings(&self) -> &[Diagnostic] {
        match self {
            Refusal::Fields(_) => &[],
            Refusal::Absent { found, .. } | Refusal::Wrong { found, .. } => found,
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Wrong { detail: None, found: error.findings }
    }
}

impl From<Diagnostic> for Refusal {
    fn from(found: Diagnostic) -> Self {
        Refusal::Wrong { detail: None, found: vec![found] }
    }
}
