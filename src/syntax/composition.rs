//! Composition: parts joined by `AND`, each with an optional weight behind its last colon (`a AND b :0.5`).

use std::ops::Range;

use super::{Mapped, PromptGrammar, Rule, keyword::find_word, python, tokens};

/// One part of a composed prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The part without its weight; leading whitespace is kept, trailing whitespace is not.
    pub text: Mapped,
    /// 1 when none is written.
    pub weight: f64,
    /// Where the weight is written in the original, from its colon on.
    pub weight_span: Option<Range<usize>>,
}

/// Splits at `AND`. There is always at least one part.
pub fn parse(prompt: &Mapped) -> Vec<Part> {
    let text = prompt.text();
    let mut parts = Vec::new();
    let mut start = 0;
    for and in find_word(text, "AND") {
        parts.push(part(prompt, start..and.start));
        start = and.end;
    }
    parts.push(part(prompt, start..text.len()));
    parts
}

fn part(prompt: &Mapped, range: Range<usize>) -> Part {
    let text = &prompt.text()[range.clone()];
    let weighted = text.rfind(':').and_then(|colon| Some((colon, weight(&text[colon + 1..])?)));
    let (end, weight) = weighted.unwrap_or((text.len(), 1.0));
    let kept = python::rstrip(&text[..end]).len();
    let written = range.start + end..range.start + python::rstrip(text).len();
    Part {
        text: prompt.slice(range.start..range.start + kept),
        weight,
        weight_span: weighted.map(|_| prompt.span(written)),
    }
}

/// The number that is all of `text`: sign, digits, at most one dot, no exponent.
fn weight(text: &str) -> Option<f64> {
    let amount = tokens::<PromptGrammar, _>(Rule::part_weight, text)?.find(|t| t.as_rule() == Rule::part_amount)?;
    python::float(amount.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<(String, f64)> {
        parse(&Mapped::whole(text)).into_iter().map(|p| (p.text.text().to_owned(), p.weight)).collect()
    }

    #[test]
    fn weights_stand_behind_the_last_colon() {
        assert_eq!(parts("a :0.5 AND b"), [("a".into(), 0.5), (" b".into(), 1.0)]);
        assert_eq!(parts("x:1:2"), [("x:1".into(), 2.0)]);
        assert_eq!(parts("a: 1.2.3 "), [("a: 1.2.3".into(), 1.0)]);
        assert_eq!(parts("ratio 16:9"), [("ratio 16".into(), 9.0)]);
        assert_eq!(parts("a:1e3"), [("a:1e3".into(), 1.0)]);
        assert_eq!(parts(""), [("".into(), 1.0)]);
    }

    #[test]
    fn a_weight_knows_its_place() {
        let part = parse(&Mapped::whole("a AND b : 2 ")).pop().unwrap();
        assert_eq!(part.weight_span, Some(8..11));
    }
}
