//! What came of something that was asked, for programs and for people.

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Text};

/// What came of something that was asked, for programs and for people: two forms of the same.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// For programs.
    pub json: Value,
    /// For people: whole lines. Control characters of files and prompts stand in it as they are.
    pub text: Text,
    /// What else is to be said.
    pub found: Vec<Diagnostic>,
}

impl Answer {
    /// An answer of these two forms.
    pub fn new(json: Value, text: Text) -> Self {
        Answer { json, text, found: Vec::new() }
    }

    /// The same with something to be said.
    pub fn with(mut self, found: impl IntoIterator<Item = Diagnostic>) -> Self {
        self.found.extend(found);
        self
    }
}
