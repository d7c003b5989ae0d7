//! Diagnostics for people, drawn as rustc draws them. Control characters are shown as pictures, never sent to a terminal.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, normalize_untrusted_str};

use super::{Diagnostic, Label, Severity, Source};

/// How a diagnostic is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    /// With ANSI colours.
    Colour,
}

/// Text shown on either side of the place, where a line is very long.
const CONTEXT: usize = 2000;

impl Diagnostic {
    /// The diagnostic as several lines, without a final line end.
    pub fn render(&self, style: Style) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let mut group = level.primary_title(shown(&self.message)).id(self.code).elements(
            self.source.as_ref().filter(|_| !self.labels.is_empty()).map(|source| snippet(source, &self.labels)),
        );
        for note in &self.notes {
            group = group.element(Level::NOTE.message(shown(note)));
        }
        for help in &self.help {
            group = group.element(Level::HELP.message(shown(help)));
        }
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Colour => Renderer::styled().hyperlink(false),
        };
        renderer.render(&[group])
    }
}

/// `text` without characters a terminal would act on. Those the renderer itself replaces stay one character long.
fn shown(text: &str) -> String {
    normalize_untrusted_str(&without_c1(text))
}

/// The controls U+0080 to U+009F, which the renderer lets through, as dots of the same two bytes, so that spans still fit.
fn without_c1(text: &str) -> String {
    text.replace(|c: char| ('\u{80}'..='\u{9f}').contains(&c), "·")
}

fn snippet<'a>(source: &Source, labels: &[Label]) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let window = window(source, labels);
    let first_line = source.position(window.start).0;
    let annotations = labels.iter().enumerate().filter_map(|(index, label)| {
        let span = source.char_range(&label.span);
        let inside = span.start >= window.start && span.end <= window.end;
        let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let text = (!label.text.is_empty()).then(|| shown(&label.text));
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
    start..text.ceil_char_boundary(end).max(place.end)
}

#[cfg(test)]
mod tests {
    use super::super::code;
    use super::*;

    #[test]
    fn looks_like_rustc() {
        let source = Source::new("prompt", "1girl, <lora:flat2:0.8:lbw=OUTD>");
        let found =
            Diagnostic::new(code::FOREIGN_VECTOR, "weight vector has 17 entries, this checkpoint is SDXL (12 or 20)")
                .within(&source)
                .label(27..31, "preset from webui.yaml")
                .note("OUT00 gets 0")
                .help("use `XLOUT`");
        let expect = "\
warning[W0203]: weight vector has 17 entries, this checkpoint is SDXL (12 or 20)
 --> prompt:1:28
  |
1 | 1girl, <lora:flat2:0.8:lbw=OUTD>
  |                            ^^^^ preset from webui.yaml
  |
  = note: OUT00 gets 0
  = help: use `XLOUT`";
        assert_eq!(found.render(Style::Plain), expect);
    }

    #[test]
    fn control_characters_are_not_sent_to_the_terminal() {
        let source = Source::new("a\x1b[0m", "b\x1b[31m\x07\u{9b} c");
        let found = Diagnostic::new(code::BAD_NUMBER, "\x1b[2J").within(&source).label(0..1, "\x08").help("\x1b");
        let drawn = found.render(Style::Plain);
        assert!(!drawn.chars().any(|c| c.is_control() && c != '\n'), "{drawn:?}");
    }

    #[test]
    fn spans_beside_the_text_are_harmless() {
        let source = Source::new("x", "é".repeat(100_000));
        let backwards = std::ops::Range { start: 5, end: 3 };
        for span in [0..1, backwards, 199_999..200_000, 400_000..500_000, 0..200_000] {
            let found = Diagnostic::new(code::BAD_NUMBER, "x").within(&source).label(span, "here");
            assert!(found.render(Style::Colour).len() < 100_000);
        }
    }
}
