//! Diagnostics: what lbw has to say about a text, with the place it speaks of.
//!
//! Parsing and lowering never stop at the first problem: they return a result together with a list of diagnostics.
//! A diagnostic is data; the renderers decide how it looks.

use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

/// A named text that diagnostics point into: a prompt, a preset file, a line of a prompt file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What the user calls it: `prompt`, `negative prompt`, `presets.yaml`.
    pub name: Arc<str>,
    pub text: Arc<str>,
    /// Line number of the text's first line in what the user sees, 1 unless it is a piece of a file.
    pub first_line: usize,
}

impl Source {
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Source { name: name.into(), text: text.into(), first_line: 1 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is likely wrong.
    Note,
    /// lbw does what webui does, which may surprise.
    Warning,
    /// Nothing is drawn.
    Error,
}

/// A byte range of the source with a few words about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub span: Range<usize>,
    pub text: String,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// `E0101`, `W0203`, …: stable, explained by `lbw explain`.
    pub code: &'static str,
    /// One sentence without a final stop.
    pub message: String,
    /// The text spoken of, when there is one.
    pub source: Option<Source>,
    /// The first label is the place; others give context.
    pub labels: Vec<Label>,
    pub notes: Vec<String>,
    /// What to do.
    pub help: Vec<String>,
}
