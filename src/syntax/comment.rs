//! Prompt comments: `#` up to the end of the line.

use super::Mapped;

/// `text` without its comments, as webui strips them.
///
/// A line that begins with `#` becomes, together with the line ends around it, one line end; then every `#` up to and
/// including its line end becomes one line end. So the second of two neighbouring comment lines still leaves a line end of
/// its own, and a comment at the very end leaves one that was not there.
pub fn strip_comments(text: &Mapped) -> Mapped {
    if !text.text().contains('#') {
        return text.clone();
    }
    strip_inside(&strip_lines(text))
}

/// `(^|\n)#[^\n]*(\n|$)` → `\n`, where `^` is the start of the text.
fn strip_lines(text: &Mapped) -> Mapped {
    let source = text.text();
    let mut stripped = Mapped::default();
    let mut kept = 0;
    let mut from = 0;
    while let Some(at) = source[from..].find('#').map(|at| from + at) {
        let begins_line = at == 0 || (at > kept && source.as_bytes()[at - 1] == b'\n');
        if !begins_line {
            from = at + 1;
            continue;
        }
        let cut_from = at.saturating_sub(1).max(kept);
        stripped.push_from(text, kept..cut_from);
        stripped.push("\n", text.origin(at));
        kept = after_line(source, at);
        from = kept;
    }
    stripped.push_from(text, kept..source.len());
    stripped
}

/// `#[^\n]*(\n|$)` → `\n`.
fn strip_inside(text: &Mapped) -> Mapped {
    let source = text.text();
    let mut stripped = Mapped::default();
    let mut kept = 0;
    while let Some(at) = source[kept..].find('#').map(|at| kept + at) {
        stripped.push_from(text, kept..at);
        stripped.push("\n", text.origin(at));
        kept = after_line(source, at);
    }
    stripped.push_from(text, kept..source.len());
    stripped
}

/// The offset behind the line end that follows `at`.
fn after_line(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |end| at + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_become_line_ends() {
        for (text, expect) in [
            ("a", "a"),
            ("#a", "\n"),
            ("#a\nb", "\nb"),
            ("a\n#b\nc", "a\nc"),
            ("a #b\nc", "a \nc"),
            ("#a\n#b\nc", "\n\nc"),
            ("a\n#b\n#c\nd", "a\n\nd"),
            ("a#b#c", "a\n"),
            ("a\n\n#b", "a\n\n"),
            ("a\n#b", "a\n"),
        ] {
            assert_eq!(strip_comments(&Mapped::whole(text)).text(), expect, "{text:?}");
        }
    }

    #[test]
    fn what_is_left_knows_its_place() {
        let stripped = strip_comments(&Mapped::whole("a #b\n(c:1.2.3)"));
        assert_eq!(stripped.text(), "a \n(c:1.2.3)");
        assert_eq!(stripped.span(6..11), 8..13);
    }
}
