//! Element rules: `blocks:elements:ratio`, from an element preset's text to data.

use std::ops::Range;

use super::{ElementRule, Words};
use crate::block::{BlockList, Space, UnknownBlock, block_list, word_list};
use crate::preset::webui::rules;
use crate::syntax::python;

/// A rule that does not do what it seems to, with its place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleProblem {
    pub kind: RuleProblemKind,
    pub span: Range<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleProblemKind {
    /// The extension stops while it scales.
    UnknownBlock(String),
    /// The extension stops when the rule matches.
    BadRatio(String),
    /// Not exactly three fields; skipped.
    Fields(usize),
    /// An empty word between spaces, which occurs in everything.
    EmptyWord,
    /// A word that occurs in the name of no module and no block, and the word that may be meant.
    NoMatch { word: String, meant: Option<String> },
}

impl RuleProblemKind {
    /// Whether the extension fails on it.
    pub fn is_error(&self) -> bool {
        matches!(self, RuleProblemKind::UnknownBlock(_) | RuleProblemKind::BadRatio(_))
    }
}

/// Reads the rules in `text` for models whose blocks are those of `space`. Rules that cannot be read are left out.
pub fn parse(text: &str, space: Space) -> (Vec<ElementRule>, Vec<RuleProblem>) {
    let mut read = Vec::new();
    let mut problems = Vec::new();
    for range in rules(text) {
        match rule(&text[range.clone()], range.start, space, &mut problems) {
            Some(rule) => read.push(rule),
            None => continue,
        }
    }
    (read, problems)
}

fn rule(text: &str, offset: usize, space: Space, problems: &mut Vec<RuleProblem>) -> Option<ElementRule> {
    let fields: Vec<&str> = text.split(':').collect();
    let whole = offset..offset + text.len();
    let mut problem = |kind, span| problems.push(RuleProblem { kind, span });
    let [blocks, elements, ratio] = fields[..] else {
        if !python::strip(text).is_empty() {
            problem(RuleProblemKind::Fields(fields.len()), whole);
        }
        return None;
    };
    for (field, start) in [(blocks, offset), (elements, offset + blocks.len() + 1)] {
        if field.starts_with(' ') || field.ends_with(' ') || field.contains("  ") {
            problem(RuleProblemKind::EmptyWord, start..start + field.len());
        }
    }
    for (field, start) in [(blocks, offset), (elements, offset + blocks.len() + 1)] {
        let is_blocks = start == offset;
        let mut at = start;
        for word in field.split(' ') {
            let span = at..at + word.len();
            at = span.end + 1;
            // A range is expanded, or refused; the first word may turn the list round.
            let is_special = (is_blocks && word.contains('-')) || (span.start == start && word == "NOT");
            if !is_special && matches_nothing(word, space) {
                let meant = meant(word, is_blocks, space);
                problem(RuleProblemKind::NoMatch { word: word.to_owned(), meant }, span);
            }
        }
    }
    let blocks_read = match block_list(space, blocks) {
        Ok(list) => words(list),
        Err(UnknownBlock { name, span }) => {
            problem(RuleProblemKind::UnknownBlock(name), offset + span.start..offset + span.end);
            return None;
        }
    };
    let ratio_start = offset + blocks.len() + elements.len() + 2;
    let Some(ratio) = python::float(ratio) else {
        problem(RuleProblemKind::BadRatio(ratio.to_owned()), ratio_start..ratio_start + ratio.len());
        return None;
    };
    Some(ElementRule { blocks: blocks_read, elements: words(word_list(elements)), ratio })
}

/// Whether `word` occurs in no name: those of modules have no capitals, and those of blocks are known.
fn matches_nothing(word: &str, space: Space) -> bool {
    if word.is_empty() || space.names().iter().any(|name| name.contains(word)) {
        return false;
    }
    // Rules do not say which family they are for.
    let is_block =
        |name: &String| [Space::Unet, Space::Flux].iter().any(|space| space.names().contains(&name.as_str()));
    word.chars().any(|c| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '_')
        || block_like(word).is_some_and(|b| is_block(&b))
}

/// `IN04` for `in4`, `M00` for `MID`.
fn block_like(word: &str) -> Option<String> {
    let upper = word.to_uppercase();
    if ["MID", "MIDDLE", "M", "M0"].contains(&upper.as_str()) && word != "mid" {
        return Some("M00".to_owned());
    }
    let letters = upper.trim_end_matches(|c: char| c.is_ascii_digit());
    let number: usize = upper[letters.len()..].parse().ok()?;
    (!letters.is_empty()).then(|| format!("{letters}{number:02}"))
}

/// What a word that matches nothing was meant as.
pub fn meant(word: &str, is_block: bool, space: Space) -> Option<String> {
    let known = block_like(word).filter(|block| space.names().contains(&block.as_str()));
    let lower = word.to_lowercase();
    known.or_else(|| (!is_block && lower != word && lower.is_ascii()).then_some(lower))
}

fn words(list: BlockList) -> Words {
    Words { not: list.not, words: list.words }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_rules_are_pointed_at() {
        let text = "IN04:attn:0.3, OUT03:attn:0.7\nIN04:attn,XX-IN05::1,M00::y,";
        let (rules, problems) = parse(text, Space::Unet);
        assert_eq!(rules.len(), 2);
        let said: Vec<_> = problems.iter().map(|p| (&text[p.span.clone()], p.kind.clone())).collect();
        assert_eq!(
            said,
            [
                (" OUT03", RuleProblemKind::EmptyWord),
                ("IN04:attn", RuleProblemKind::Fields(2)),
                ("XX", RuleProblemKind::UnknownBlock("XX".into())),
                ("y", RuleProblemKind::BadRatio("y".into())),
            ]
        );
    }
}
