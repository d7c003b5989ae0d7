//! Diagnostics: what lbw has to say about a text, with the place it speaks of.
//!
//! Parsing and lowering never stop at the first problem: they return a result together with a list of diagnostics.
//! A diagnostic is data; the renderers decide how it looks. Every kind of finding has a [`Code`].
//!
//! ```
//! use lbw::diagnostic::{Diagnostic, Language, Source, Style, code};
//! use lbw::say;
//! let source = Source::new("prompt", "a (b:1.2.3)");
//! let number = "1.2.3";
//! let message = say!("`{number}` is not a number", "`{number}` は数値ではありません");
//! let found = Diagnostic::new(code::BAD_EMPHASIS_NUMBER, message).within(&source).at(5..10);
//! let drawn = found.render(Style::Plain, Language::En);
//! assert!(drawn.starts_with("error[E0101]: `1.2.3` is not a number\n --> prompt:1:6\n"));
//! ```

pub mod code;
mod json;
mod language;
mod render;
mod said;
mod text;

pub use code::Code;
pub use language::Language;
pub use render::Style;
pub use said::Said;
pub use text::{Text, same_arguments};

use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

use crate::say;

/// A named text that diagnostics point into: a prompt, a preset file, a line of a prompt file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What the user calls it: `prompt`, `negative prompt`, `presets.yaml`.
    pub name: Arc<str>,
    /// All of it; spans are byte ranges in it.
    pub text: Arc<str>,
    /// Line number of the text's first line in what the user sees, 1 unless it is a piece of a file.
    pub first_line: usize,
}

impl Source {
    /// A text whose first line is line 1.
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

/// How much a finding weighs, the least first.
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
    /// Bytes of the source.
    pub span: Range<usize>,
    /// What to say of the place; may be empty.
    pub text: Text,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// That of the code, unless a caller raised it.
    pub severity: Severity,
    /// `E0101`, `W0203`, …: stable, explained by `lbw explain`.
    pub code: Code,
    /// One sentence without a final stop.
    pub message: Text,
    /// The text spoken of, when there is one.
    pub source: Option<Source>,
    /// The first label is the place; others give context.
    pub labels: Vec<Label>,
    /// What else is worth knowing.
    pub notes: Vec<Text>,
    /// What to do.
    pub help: Vec<Text>,
}

impl Diagnostic {
    /// A finding without a place, of the code's severity.
    pub fn new(code: Code, message: Text) -> Self {
        Diagnostic {
            severity: code.severity(),
            code,
            message,
            source: None,
            labels: Vec::new(),
            notes: Vec::new(),
            help: Vec::new(),
        }
    }

    /// Names the text that the labels point into.
    pub fn within(mut self, source: &Source) -> Self {
        self.labels.iter_mut().for_each(|label| label.span = source.char_range(&label.span));
        self.source = Some(source.clone());
        self
    }

    /// Points at a byte range of the source, widened to whole characters. The first label is the place of the finding.
    pub fn label(mut self, span: Range<usize>, text: Text) -> Self {
        let span = self.source.as_ref().map_or(span.clone(), |source| source.char_range(&span));
        self.labels.push(Label { span, text });
        self
    }

    /// Points at a byte range of the source without words.
    pub fn at(self, span: Range<usize>) -> Self {
        self.label(span, Text::default())
    }

    /// Adds something worth knowing.
    pub fn note(mut self, note: Text) -> Self {
        self.notes.push(note);
        self
    }

    /// Adds what to do.
    pub fn help(mut self, help: Text) -> Self {
        self.help.push(help);
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
        found.push(more_findings(rest, found.first().and_then(|first| first.source.clone())));
    }
    found
}

/// A word about findings that are not shown.
pub fn more_findings(rest: usize, source: Option<Source>) -> Diagnostic {
    let said = Diagnostic::new(
        code::MORE_FINDINGS,
        say!("{rest} more findings are not shown", "ほかに {rest} 件の指摘があります"),
    );
    Diagnostic { source, ..said }.help(say!("mend these first", "まず上のものを直してください"))
}

/// `text` for a terminal or a page: control characters of files and prompts must not reach it; line ends and tabs are ours.
pub fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|c| match c {
            '\n' | '\t' => vec![c],
            // Marks of direction make a line read otherwise than it is.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => c.escape_default().collect(),
            c if c.is_control() => c.escape_default().collect(),
            c => vec![c],
        })
        .collect()
}

/// Whether any finding is an error.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|d| d.severity == Severity::Error)
}

/// `did you mean …` for the candidate nearest to `word`, if one is near at all.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.trim().to_lowercase();
    let wanted = plain(word);
    let length = wanted.chars().count();
    let limit = (length / 3).max(1);
    let near = candidates.into_iter().filter_map(|candidate| {
        let known = plain(candidate);
        // The distance is at least the difference of the lengths, and takes their product to find.
        let may_be = known.chars().count().abs_diff(length) <= limit;
        let distance = may_be.then(|| strsim::osa_distance(&wanted, &known)).filter(|distance| *distance <= limit);
        Some((distance?, candidate))
    });
    near.min_by_key(|(d, _)| *d).map(|(_, candidate)| candidate)
}
