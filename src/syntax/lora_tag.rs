//! The inside of a LoRA tag: items between colons, and the weight vector an item may hold (`1,0.5,X,R,X-0.2`).

use std::ops::Range;

use super::{python, tokens};
use crate::diagnostic::{Said, Text};
use crate::say;

/// What pest makes of the grammar, kept out of sight.
mod grammar {
    /// The tokens inside a LoRA tag.
    #[derive(pest_derive::Parser)]
    #[grammar = "grammar/lora_tag.pest"]
    pub(super) struct LoraTagGrammar;
}

use grammar::{LoraTagGrammar, Rule};

/// The ranges between colons, at least one.
pub fn items(args: &str) -> Vec<Range<usize>> {
    ranges(Rule::items, Rule::item, args)
}

/// The ranges between commas, at least one.
pub fn entries(vector: &str) -> Vec<Range<usize>> {
    ranges(Rule::vector, Rule::entry, vector)
}

fn ranges(list: Rule, element: Rule, text: &str) -> Vec<Range<usize>> {
    let all = tokens::<LoraTagGrammar, _>(list, text).into_iter().flatten();
    all.filter(|t| t.as_rule() == element).map(|t| t.as_span().start()..t.as_span().end()).collect()
}

/// One entry of a weight vector as written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Weight {
    /// A plain number.
    Number(f64),
    /// `R`: a random number in [0, 1).
    UnitDraw,
    /// `U`: a random number in [−0.5, 1.5).
    WideDraw,
    /// `X`, `X+d`, `X-d`: the tag's base, changed by this much.
    Relative(f64),
}

/// Why an entry cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum WeightError {
    /// Nothing but spaces.
    Empty,
    /// Neither a number nor one of the letters.
    NotANumber,
    /// `X+` or `X-` without a number.
    BadShift,
}

/// What is wrong with the entry, behind its name.
impl Said for WeightError {
    fn said(&self) -> Text {
        match self {
            WeightError::Empty => say!("is empty", "空です"),
            WeightError::NotANumber => say!("is not a number, nor R, U or X", "数値でも R、U、X でもありません"),
            WeightError::BadShift => say!("has no number after the sign", "符号の後に数値がありません"),
        }
    }
}

/// Reads an entry; whitespace around it does not count.
///
/// As the extension does it, whatever follows a well-formed `X`, `X+d` or `X-d` is not looked at.
pub fn weight(entry: &str) -> Result<Weight, WeightError> {
    let entry = python::strip(entry);
    if entry.is_empty() {
        return Err(WeightError::Empty);
    }
    // Most entries are plain numbers, which need no grammar.
    let special = entry.starts_with(['R', 'U', 'X']);
    let token = special.then(|| tokens::<LoraTagGrammar, _>(Rule::weight, entry)?.next()).flatten();
    let Some(token) = token else {
        return python::float(entry).map(Weight::Number).ok_or(WeightError::NotANumber);
    };
    match token.as_rule() {
        Rule::unit_draw => Ok(Weight::UnitDraw),
        Rule::wide_draw => Ok(Weight::WideDraw),
        _ => relative(token.into_inner()),
    }
}

fn relative(mut inner: pest::iterators::Pairs<Rule>) -> Result<Weight, WeightError> {
    let sign = match inner.next().map(|t| t.as_rule()) {
        Some(Rule::plus) => 1.0,
        Some(Rule::minus) => -1.0,
        _ => return Ok(Weight::Relative(0.0)),
    };
    let shift = inner.next().and_then(|amount| python::float(amount.as_str())).ok_or(WeightError::BadShift)?;
    Ok(Weight::Relative(sign * shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_the_extension_reads_them() {
        for (text, expect) in [
            (" 0.5 ", Ok(Weight::Number(0.5))),
            ("1_0", Ok(Weight::Number(10.0))),
            ("R ", Ok(Weight::UnitDraw)),
            ("U", Ok(Weight::WideDraw)),
            ("X", Ok(Weight::Relative(0.0))),
            ("X0.5", Ok(Weight::Relative(0.0))),
            ("X*2", Ok(Weight::Relative(0.0))),
            ("X+.25", Ok(Weight::Relative(0.25))),
            ("X-0.5abc", Ok(Weight::Relative(-0.5))),
            ("X+", Err(WeightError::BadShift)),
            ("X+1.2.3", Err(WeightError::BadShift)),
            ("r", Err(WeightError::NotANumber)),
            ("R2", Err(WeightError::NotANumber)),
            ("", Err(WeightError::Empty)),
        ] {
            assert_eq!(weight(text), expect, "{text:?}");
        }
    }
}
