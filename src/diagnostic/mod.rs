//! Diagnostics: what lbw has to say about a text, with the place it speaks of.
//!
//! Parsing and lowering never stop at the first problem: they return a result together with a list of diagnostics.
//! A diagnostic is data; the renderers decide how it looks. Every kind of finding has a [`Code`].
//!
//! ```
//! use lbw::diagnostic::{Diagnostic, Source, Style, code};
//! let source = Source::new("prompt", "a (b:1.2.3)");
//! let found = Diagnostic::new(code::BAD_EMPHASIS_NUMBER, "`1.2.3` is not a number").within(&source).label(5..10, "");
//! assert!(found.render(Style::Plain).starts_with("error[E0101]: `1.2.3` is not a number\n --> prompt:1:6\n"));
//! ```

pub mod code;
mod json;
mod render;

pub use code::Code;
pub use render::Style;

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

    /// Line and column, both from 1, of the byte at `offset`. Columns count characters.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.char_range(&(offset..offset)).start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (self.first_line + before.matches('\n').count(), before[line_start..].chars().count() + 1)
    }

    /// `span` widened to whole characters inside the text.
    fn char_range(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.text.floor_char_boundary(span.start);
        start..self.text.ceil_char_boundary(span.end.max(start))
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

impl Diagnostic {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Diagnostic {
            severity: code.severity(),
            code: code.id,
            message: message.into(),
            source: None,
            labels: Vec::new(),
            notes: Vec::new(),
            help: Vec::new(),
        }
    }

    /// Names the text that the labels point into.
    pub fn within(mut self, source: &Source) -> Self {
        self.source = Some(source.clone());
        self
    }

    /// Points at a byte range of the source. The first label is the place of the finding.
    pub fn label(mut self, span: Range<usize>, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// The text the first label points at, cut to whole characters.
    pub fn pointed_at(&self) -> Option<&str> {
        let (source, label) = (self.source.as_ref()?, self.labels.first()?);
        source.text.get(source.char_range(&label.span))
    }
}

/// Findings that are told about one text.
pub const FINDINGS_LIMIT: usize = 200;

/// The first findings, errors before others where there are too many, and a word about the rest.
pub fn at_most(mut found: Vec<Diagnostic>, limit: usize) -> Vec<Diagnostic> {
    if found.len() > limit {
        let rest = found.len() - limit;
        found.sort_by_key(|d| std::cmp::Reverse(d.severity));
        found.truncate(limit);
        let said = Diagnostic::new(code::MORE_FINDINGS, format!("{rest} more findings are not shown"));
        found.push(
            Diagnostic { source: found.first().and_then(|first| first.source.clone()), ..said }
                .help("mend these first"),
        );
    }
    found
}

/// Whether any finding is an error.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|d| d.severity == Severity::Error)
}

/// `did you mean …` for the candidate nearest to `word`, if one is near at all.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.trim().to_lowercase();
    let wanted = plain(word);
    let distance = |candidate: &str| strsim::osa_distance(&wanted, &plain(candidate));
    let limit = (wanted.chars().count() / 3).max(1);
    let near = candidates.into_iter().map(|c| (distance(c), c)).filter(|(d, _)| *d <= limit);
    near.min_by_key(|(d, _)| *d).map(|(_, candidate)| candidate)
}
