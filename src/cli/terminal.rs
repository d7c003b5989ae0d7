//! What is printed: results on standard output, talk on standard error, in the language of the run.

use std::borrow::Cow;
use std::io::{ErrorKind, IsTerminal, Write};

use super::exit::{CommandResult, Failure};
use super::wrapped::{finding, wrapped};
use crate::app::{self, Answer};
use crate::diagnostic::{Diagnostic, Language, Severity, Style, Text, code, escaped};
use crate::say;

/// Where a command prints, and how.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    /// The language of everything that is said.
    pub language: Language,
    /// Whether neither progress nor notes are wanted.
    pub quiet: bool,
}

impl Terminal {
    /// `text` in the language of this run.
    pub fn words<'t>(&self, text: &'t Text) -> &'t str {
        text.in_language(self.language)
    }

    /// Prints a line of the result. A program gets names as they are, and a person those that a terminal does not act on.
    pub fn line(&self, text: impl std::fmt::Display) -> CommandResult {
        let mut out = std::io::stdout().lock();
        // Whoever drives this program waits for the line.
        let text = text.to_string();
        let shown = inert(&text);
        let shown = if out.is_terminal() { escaped(&shown).into() } else { shown };
        written(writeln!(out, "{shown}").and_then(|()| out.flush()))
    }

    /// Prints a sentence of the result, whatever stands in the files that it tells of.
    pub fn sentence(&self, text: &Text) -> CommandResult {
        self.line(escaped(self.words(text)))
    }

    /// Prints some of the result as it is.
    pub fn print(&self, text: &str) -> CommandResult {
        let mut out = std::io::stdout().lock();
        written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
    }

    /// Prints an answer: a line of JSON, or its text; and says what else is to be said.
    pub fn answer(&self, answer: &Answer, json: bool) -> CommandResult {
        match json {
            true => self.line(&answer.json)?,
            false => self.print(&escaped(self.words(&answer.text)))?,
        }
        self.say_all(&answer.found);
        Ok(())
    }

    /// Prints some sentences of the result, broken between words where a terminal has to break them.
    pub fn paragraph(&self, text: &str) -> CommandResult {
        let text = escaped(text);
        match std::io::stdout().is_terminal() {
            true => self.line(wrapped(&text, self.columns(), "", "")),
            false => self.line(text),
        }
    }

    /// Columns of the terminal, or of a text for nobody's window.
    pub fn columns(&self) -> usize {
        const OTHERWISE: usize = 100;
        terminal_size::terminal_size().map_or(OTHERWISE, |(width, _)| usize::from(width.0))
    }

    /// Says all of `found`, worst last, so that the errors stand next to the shell's prompt.
    pub fn say_all(&self, found: &[Diagnostic]) {
        let mut found: Vec<_> = found.iter().collect();
        found.sort_by_key(|d| d.severity);
        found.into_iter().for_each(|found| self.say(found));
    }

    /// Says one finding.
    pub fn say(&self, found: &Diagnostic) {
        if self.quiet && found.severity == Severity::Note {
            return;
        }
        let drawn = found.render(style(), self.language);
        let drawn = if std::io::stderr().is_terminal() { finding(&drawn, self.columns()) } else { drawn };
        self.talk(&format!("{drawn}\n"));
    }

    /// A line of talk. Where nobody can hear it, it is lost.
    pub fn talk(&self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}

fn written(result: std::io::Result<()>) -> CommandResult {
    result.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::ClosedPipe,
        _ => {
            let message = say!("standard output: {error}", "標準出力: {error}");
            app::Error::file(code::NOT_WRITTEN, message).into()
        }
    })
}

/// JSON without characters that a terminal acts on, or that turn the direction of its text: it may say them otherwise.
fn inert(line: &str) -> Cow<'_, str> {
    let acts = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !line.starts_with(['{', '[']) || !line.contains(acts) {
        return line.into();
    }
    let one = |c: char| if acts(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    line.chars().map(one).collect()
}

/// How diagnostics look on standard error.
fn style() -> Style {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    if colour { Style::Colour } else { Style::Plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_controls_otherwise() {
        let value = serde_json::json!({ "a": "x\u{9b}31m \u{202e}日本 \u{7f}", "b": "é" });
        let line = value.to_string();
        let printed = inert(&line);
        assert!(printed.contains("\\u009b31m \\u202e日本 \\u007f") && printed.contains('é'), "{printed}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).unwrap(), value);
        assert_eq!(inert("a\u{202e}b.png"), "a\u{202e}b.png", "a name is a name");
    }
}
