//! Diagnostics for people, drawn as rustc draws them. Control characters are shown as pictures, never sent to a terminal.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, normalize_untrusted_str};

use super::{Diagnostic, Label, Language, Severity, Source, Text};

/// How a diagnostic is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without escape sequences.
    Plain,
    /// With ANSI colours.
    Colour,
}

/// Text shown on either side of the place, where a line is very long, and of a place that is.
const CONTEXT: usize = 2000;
/// Words that are shown of a sentence, in bytes: names of foreign files may be of any length.
const SENTENCE: usize = 8000;

impl Diagnostic {
    /// The diagnostic as several lines, without a final line end.
    pub fn render(&self, style: Style, language: Language) -> String {
        let level = match self.severity {
            Severity::Error => named(Level::ERROR, "エラー", language),
            Severity::Warning => named(Level::WARNING, "警告", language),
            Severity::Note => named(Level::NOTE, "注意", language),
        };
        let words = |text: &Text| shown(text.in_language(language));
        let mut group = level.primary_title(words(&self.message)).id(self.code.id).elements(
            self.source.as_ref().filter(|_| !self.labels.is_empty()).map(|s| snippet(s, &self.labels, language)),
        );
        for note in &self.notes {
            group = group.element(named(Level::NOTE, "注意", language).message(words(note)));
        }
        for help in &self.help {
            group = group.element(named(Level::HELP, "ヒント", language).message(words(help)));
        }
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Colour => Renderer::styled().hyperlink(false),
        };
        renderer.render(&[group])
    }
}

/// A level under its name in `language`.
fn named<'a>(level: Level<'a>, japanese: &'a str, language: Language) -> Level<'a> {
    match language {
        Language::En => level,
        Language::Ja => level.with_name(japanese),
    }
}

/// `text` without characters a terminal would act on. Those the renderer itself replaces stay one character long.
fn shown(text: &str) -> String {
    let cut = &text[..text.floor_char_boundary(SENTENCE)];
    let shown = normalize_untrusted_str(&without_c1(cut));
    if cut.len() < text.len() { shown + "…" } else { shown }
}

/// The controls U+0080 to U+009F, which the renderer lets through, as dots of the same two bytes, so that spans still fit.
fn without_c1(text: &str) -> String {
    text.replace(|c: char| ('\u{80}'..='\u{9f}').contains(&c), "·")
}

fn snippet<'a>(
    source: &Source,
    labels: &[Label],
    language: Language,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let window = window(source, labels);
    let first_line = source.position(window.start).0;
    let annotations = labels.iter().enumerate().filter_map(|(index, label)| {
        let span = source.char_range(&label.span);
        let span = span.start..if index == 0 { span.end.min(window.end) } else { span.end };
        let inside = span.start >= window.start && span.end <= window.end;
        let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let text = (!label.text.is_empty()).then(|| shown(label.text.in_language(language)));
        inside.then(|| kind.span(span.start - window.start..span.end - window.start).label(text))
    });
    let annotations: Vec<_> = annotations.collect();
    Snippet::source(without_c1(&source.text[window]))
        .path(shown(&source.name))
        .line_start(first_line)
        .annotations(annotations)
}

/// The lines of the first label, or a piece of them where they are very long.
fn window(source: &Source, labels: &[Label]) -> Range<usize> {
    let text = &source.text;
    let place = labels.first().map_or(0..0, |label| source.char_range(&label.span));
    let line_start = text[..place.start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[place.end..].find('\n').map_or(text.len(), |at| place.end + at);
    let start = line_start.max(place.start.saturating_sub(CONTEXT));
    let end = line_end.min(place.end.min(place.start + CONTEXT) + CONTEXT);
    let start = if start == line_start { start } else { text.floor_char_boundary(start) };
    start..text.ceil_char_boundary(end)
}

#[cfg(test)]
mod tests {
    use super::super::code;
    use super::*;
    use crate::say;

    fn found() -> Diagnostic {
        let source = Source::new("prompt", "1girl, <lora:flat2:0.8:lbw=OUTD>");
        Diagnostic::new(code::FOREIGN_VECTOR, say!("weight vector has 17 entries", "重みベクトルは 17 個です"))
            .within(&source)
            .label(27..31, say!("preset from webui.yaml", "webui.yaml のプリセット"))
            .note(say!("OUT00 gets 0", "OUT00 は 0 になります"))
            .help(say!("use `XLOUT`", "`XLOUT` を使ってください"))
    }

    #[test]
    fn looks_like_rustc() {
        let expect = "\
warning[W0203]: weight vector has 17 entries
 --> prompt:1:28
  |
1 | 1girl, <lora:flat2:0.8:lbw=OUTD>
  |                            ^^^^ preset from webui.yaml
  |
  = note: OUT00 gets 0
  = help: use `XLOUT`";
        assert_eq!(found().render(Style::Plain, Language::En), expect);
    }

    #[test]
    fn speaks_japanese() {
        let expect = "\
警告[W0203]: 重みベクトルは 17 個です
 --> prompt:1:28
  |
1 | 1girl, <lora:flat2:0.8:lbw=OUTD>
  |                            ^^^^ webui.yaml のプリセット
  |
  = 注意: OUT00 は 0 になります
  = ヒント: `XLOUT` を使ってください";
        assert_eq!(found().render(Style::Plain, Language::Ja), expect);
    }

    #[test]
    fn control_characters_are_not_sent_to_the_terminal() {
        let source = Source::new("a\x1b[0m", "b\x1b[31m\x07\u{9b} c");
        let found = Diagnostic::new(code::BAD_NUMBER, say!("\x1b[2J", "\x1b[2J"))
            .within(&source)
            .label(0..1, say!("\x08", "\x08"))
            .help(say!("\x1b", "\x1b"));
        let drawn = found.render(Style::Plain, Language::En);
        assert!(!drawn.chars().any(|c| c.is_control() && c != '\n'), "{drawn:?}");
    }

    #[test]
    fn spans_beside_the_text_are_harmless() {
        let source = Source::new("x", "é".repeat(100_000));
        let backwards = Range { start: 5, end: 3 };
        for span in [0..1, backwards, 199_999..200_000, 400_000..500_000, 0..200_000] {
            let found =
                Diagnostic::new(code::BAD_NUMBER, say!("x", "x")).within(&source).label(span, say!("here", "ここ"));
            assert!(found.render(Style::Colour, Language::En).len() < 100_000);
        }
    }
}
