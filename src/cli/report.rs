//! What is said on standard error.

use std::io::IsTerminal;
use std::sync::OnceLock;

use crate::diagnostic::{Diagnostic, Language, Severity, Style, Text};

static LANGUAGE: OnceLock<Language> = OnceLock::new();

/// Chooses the language of everything that is said, once; without a choice it is the system's.
pub fn speak(chosen: Option<Language>) {
    let language = chosen.unwrap_or_else(|| Language::of_locale(&sys_locale::get_locale().unwrap_or_default()));
    LANGUAGE.get_or_init(|| language);
}

/// The language of this run.
pub fn language() -> Language {
    LANGUAGE.get().copied().unwrap_or_default()
}

/// `text` in the language of this run.
pub fn words(text: &Text) -> &str {
    text.in_language(language())
}

/// How diagnostics look on standard error.
pub fn style() -> Style {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    if colour { Style::Colour } else { Style::Plain }
}

/// Prints all of `found`, worst last, so that the errors stand next to the shell's prompt.
pub fn diagnostics(found: &[Diagnostic]) {
    let mut found: Vec<_> = found.iter().collect();
    found.sort_by_key(|d| d.severity);
    found.into_iter().for_each(diagnostic);
}

pub fn diagnostic(found: &Diagnostic) {
    eprintln!("{}\n", found.render(style(), language()));
}

/// Whether nothing may be drawn: an error, or with `strict` a warning.
pub fn refuses(found: &[Diagnostic], strict: bool) -> bool {
    let least = if strict { Severity::Warning } else { Severity::Error };
    found.iter().any(|d| d.severity >= least)
}

pub fn error(message: &str) {
    eprintln!("error: {}", escaped(message));
}

pub fn warning(message: &str) {
    eprintln!("warning: {}", escaped(message));
}

pub fn note(message: &str) {
    eprintln!("note: {}", escaped(message));
}

/// Control characters of files and prompts must not reach the terminal; line ends are ours.
pub fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|c| match c {
            '\n' | '\t' => vec![c],
            c if c.is_control() => c.escape_default().collect(),
            c => vec![c],
        })
        .collect()
}
