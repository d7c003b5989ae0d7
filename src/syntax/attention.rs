//! Emphasis: `(text)`, `(text:1.2)`, `[text]` and the keyword `BREAK`.
//!
//! The weights are IEEE doubles multiplied innermost first, exactly as webui multiplies them, so they can be compared bit
//! by bit. A bracket that is closed multiplies every piece since it was opened; round and square brackets are counted on
//! two stacks that know nothing of each other.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{PromptGrammar, Rule, keyword::find_word, python, tokens};

const ROUND: f64 = 1.1;
const SQUARE: f64 = 1.0 / 1.1;
const BREAK_WEIGHT: f64 = -1.0;

/// Multiplications one text may cost. Only brackets nested thousands deep around thousands of pieces reach it.
const WORK_LIMIT: usize = 10_000_000;

/// What webui reads in a text, and what is odd about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Attention {
    /// At least one piece; neighbours have different weights.
    pub pieces: Vec<Piece>,
    /// In the order of the text.
    pub oddities: Vec<Oddity>,
}

/// A run of text with one emphasis weight. `BREAK` with weight exactly −1 ends a chunk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// The text, escapes resolved.
    pub text: String,
    /// Its emphasis; 1 is none.
    pub weight: f64,
}

/// A place where the text does something its author hardly meant.
#[derive(Debug, Clone, PartialEq)]
pub struct Oddity {
    /// What it is.
    pub kind: OddityKind,
    /// Bytes of the text.
    pub span: Range<usize>,
}

/// What a text does that its author hardly meant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OddityKind {
    /// `(a:1.2.3)`: webui stops with an exception. Here the group keeps its weight.
    BadNumber,
    /// A `BREAK` whose weight is no longer −1: it is read as the word "break" with this weight.
    WeightedBreak(f64),
    /// So many brackets around so many pieces that the weights were not computed to the end.
    TooDeep,
    /// A bracket that is open to the end of the text: it weighs all that follows.
    Unclosed,
    /// A bracket that closes nothing: it is text, and so is a weight before it.
    Unopened,
}

/// Reads `text`. Spans are byte offsets in it.
pub fn parse(text: &str) -> Attention {
    let mut reader = Reader::default();
    let Some(tokens) = tokens::<PromptGrammar, _>(Rule::attention, text) else {
        reader.push(text, 1.0);
        return reader.finish();
    };
    for token in tokens {
        let span = token.as_span().start()..token.as_span().end();
        match token.as_rule() {
            Rule::escape => reader.push(&text[span.start + 1..span.end], 1.0),
            Rule::backslash => reader.push("", 1.0),
            Rule::open_round => reader.round.push((reader.weights.len(), span.start)),
            Rule::open_square => reader.square.push((reader.weights.len(), span.start)),
            Rule::closer if !reader.round.is_empty() => {
                let amount = token.into_inner().next();
                reader.close_weighted(amount.map_or((span.clone(), ""), |a| (range(&a), a.as_str())));
            }
            Rule::close_round if !reader.round.is_empty() => reader.close_round(ROUND),
            Rule::close_square if !reader.square.is_empty() => {
                if let Some((from, _)) = reader.square.pop() {
                    reader.multiply(from, SQUARE, span.start);
                }
            }
            Rule::EOI => {}
            rule @ (Rule::closer | Rule::close_round | Rule::close_square) => {
                // Of `:1.2)` the bracket.
                let bracket = if rule == Rule::closer { span.end - 1..span.end } else { span.clone() };
                reader.oddities.push(Oddity { kind: OddityKind::Unopened, span: bracket });
                reader.push_words(&text[span.clone()], span.start);
            }
            _ => reader.push_words(&text[span.clone()], span.start),
        }
    }
    reader.finish()
}

fn range(token: &pest::iterators::Pair<Rule>) -> Range<usize> {
    token.as_span().start()..token.as_span().end()
}

#[derive(Default)]
struct Reader<'t> {
    texts: Vec<&'t str>,
    /// One weight per text, kept apart so that a group is one run of numbers.
    weights: Vec<f64>,
    /// Open brackets: the number of pieces before them, and their offset.
    round: Vec<(usize, usize)>,
    square: Vec<(usize, usize)>,
    breaks: Vec<(usize, Range<usize>)>,
    work: usize,
    oddities: Vec<Oddity>,
}

impl<'t> Reader<'t> {
    fn push(&mut self, text: &'t str, weight: f64) {
        self.texts.push(text);
        self.weights.push(weight);
    }

    /// Pushes ordinary text, split at `BREAK`, which eats the whitespace around it.
    fn push_words(&mut self, text: &'t str, offset: usize) {
        let mut rest = 0;
        for found in find_word(text, "BREAK") {
            self.push(python::rstrip(&text[rest..found.start]), 1.0);
            self.breaks.push((self.weights.len(), offset + found.start..offset + found.end));
            self.push("BREAK", BREAK_WEIGHT);
            rest = text.len() - text[found.end..].trim_start_matches(python::is_space).len();
        }
        self.push(&text[rest..], 1.0);
    }

    fn close_weighted(&mut self, (span, amount): (Range<usize>, &str)) {
        match python::float(amount) {
            Some(weight) => self.close_round(weight),
            None => {
                self.round.pop();
                self.oddities.push(Oddity { kind: OddityKind::BadNumber, span });
            }
        }
    }

    fn close_round(&mut self, weight: f64) {
        if let Some((from, at)) = self.round.pop() {
            self.multiply(from, weight, at);
        }
    }

    fn multiply(&mut self, from: usize, weight: f64, at: usize) {
        let group = &mut self.weights[from..];
        let before = self.work;
        self.work += group.len();
        if self.work > WORK_LIMIT {
            if before <= WORK_LIMIT {
                self.oddities.push(Oddity { kind: OddityKind::TooDeep, span: at..at + 1 });
            }
            return;
        }
        group.iter_mut().for_each(|w| *w *= weight);
    }

    fn finish(mut self) -> Attention {
        let open = [(std::mem::take(&mut self.round), ROUND), (std::mem::take(&mut self.square), SQUARE)];
        for ((from, at), weight) in
            open.into_iter().flat_map(|(open, weight)| open.into_iter().map(move |o| (o, weight)))
        {
            self.multiply(from, weight, at);
            self.oddities.push(Oddity { kind: OddityKind::Unclosed, span: at..at + 1 });
        }
        for (index, span) in std::mem::take(&mut self.breaks) {
            let weight = self.weights[index];
            if weight != BREAK_WEIGHT {
                self.oddities.push(Oddity { kind: OddityKind::WeightedBreak(weight), span });
            }
        }
        self.oddities.sort_by_key(|oddity| oddity.span.start);
        Attention { pieces: merge(&self.texts, &self.weights), oddities: self.oddities }
    }
}

/// Joins neighbours of exactly equal weight.
fn merge(texts: &[&str], weights: &[f64]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (text, weight) in texts.iter().zip(weights) {
        match pieces.last_mut() {
            Some(last) if last.weight == *weight => last.text.push_str(text),
            _ => pieces.push(Piece { text: (*text).to_owned(), weight: *weight }),
        }
    }
    if pieces.is_empty() {
        pieces.push(Piece { text: String::new(), weight: 1.0 });
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::limits::PROMPT;

    fn pieces(text: &str) -> Vec<(String, f64)> {
        parse(text).pieces.into_iter().map(|p| (p.text, p.weight)).collect()
    }

    #[test]
    fn weights_multiply_innermost_first() {
        assert_eq!(pieces("((a))"), [("a".into(), 1.1 * 1.1)]);
        assert_eq!(pieces("(a]b[c)").len(), 2);
        assert_eq!(pieces("(a:1.1)(b)"), [("ab".into(), 1.1)]);
    }

    #[test]
    fn a_bad_number_is_pointed_at() {
        let read = parse("x (a:1.2.3)");
        assert_eq!(read.oddities, [Oddity { kind: OddityKind::BadNumber, span: 5..10 }]);
    }

    #[test]
    fn a_weighted_break_is_pointed_at() {
        let read = parse("(a BREAK b:1.2)");
        assert_eq!(read.oddities, [Oddity { kind: OddityKind::WeightedBreak(-1.2), span: 3..8 }]);
        assert!(parse("a BREAK (b)").oddities.is_empty());
    }

    #[test]
    fn brackets_without_a_partner_are_pointed_at() {
        let odd = |text| parse(text).oddities.into_iter().map(|o| (o.kind, o.span.start)).collect::<Vec<_>>();
        use OddityKind::{Unclosed, Unopened};
        assert_eq!(odd("(a, [b"), [(Unclosed, 0), (Unclosed, 4)]);
        assert_eq!(odd("a), b:1.2), c]"), [(Unopened, 1), (Unopened, 9), (Unopened, 13)]);
        assert_eq!(odd("(a]b[c)"), [(Unopened, 2), (Unclosed, 4)]);
        assert_eq!(odd(r"a \(b\), (c:1.2), ((d)), [e:f:0.5]"), []);
    }

    #[test]
    fn the_most_brackets_are_read_on_a_small_stack() {
        let texts =
            ["(".repeat(PROMPT), "(a".repeat(PROMPT / 2), "(a[b)".repeat(PROMPT / 8) + &")]".repeat(PROMPT / 8)];
        let read = move || texts.iter().map(|t| parse(t).pieces.len()).sum::<usize>();
        assert!(std::thread::Builder::new().stack_size(256 << 10).spawn(read).unwrap().join().unwrap() > 0);
    }
}
