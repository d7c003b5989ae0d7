//! Lists of blocks as users write them: `IN05-OUT05`, `NOT IN04 M00`.

use std::ops::Range;

use pest::Parser;
use pest::iterators::Pair;

use super::Space;
use crate::diagnostic::{Said, Text};
use crate::say;

#[derive(pest_derive::Parser)]
#[grammar = "grammar/block_range.pest"]
struct BlockRangeGrammar;

/// Words between single spaces, ranges expanded to the names they stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockList {
    /// The list began with the word `NOT`.
    pub not: bool,
    /// An empty word (two spaces, or one at an end) stays as the empty text.
    pub words: Vec<String>,
}

/// A range names a block that the space does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
pub struct UnknownBlock {
    /// As it is written in the list.
    pub name: String,
    /// Where the name stands in the list.
    pub span: Range<usize>,
}

impl Said for UnknownBlock {
    fn said(&self) -> Text {
        let name = &self.name;
        say!("there is no block `{name}`", "ブロック `{name}` はありません")
    }
}

/// Reads `text`, expanding `A-B` (in either order) over the names of `space`. Of `A-B-C` only the first two count. Words
/// without a hyphen may be anything.
pub fn block_list(space: Space, text: &str) -> Result<BlockList, UnknownBlock> {
    read(text, |range, words| expand(space, range, words))
}

/// Reads `text` without expanding anything.
pub fn word_list(text: &str) -> BlockList {
    let whole = |range: Pair<Rule>, words: &mut Vec<String>| {
        words.push(range.as_str().to_owned());
        Ok(())
    };
    read(text, whole).unwrap_or(BlockList { not: false, words: Vec::new() })
}

fn read(
    text: &str,
    mut on_range: impl FnMut(Pair<Rule>, &mut Vec<String>) -> Result<(), UnknownBlock>,
) -> Result<BlockList, UnknownBlock> {
    let mut list = BlockList { not: false, words: Vec::new() };
    let tokens = BlockRangeGrammar::parse(Rule::words, text).ok().and_then(|mut t| t.next()).map(Pair::into_inner);
    for token in tokens.into_iter().flatten() {
        match token.as_rule() {
            Rule::word => match token.into_inner().next() {
                Some(range) if range.as_rule() == Rule::range => on_range(range, &mut list.words)?,
                Some(plain) => list.words.push(plain.as_str().to_owned()),
                None => list.words.push(String::new()),
            },
            _ => list.not = true,
        }
    }
    Ok(list)
}

fn expand(space: Space, range: Pair<Rule>, words: &mut Vec<String>) -> Result<(), UnknownBlock> {
    let mut ends = range.into_inner().take(2).map(|end| index(space, &end));
    let (first, last) = match (ends.next(), ends.next()) {
        (Some(first), Some(last)) => (first?, last?),
        _ => return Ok(()),
    };
    words.extend(space.names()[first.min(last)..=first.max(last)].iter().map(|name| (*name).to_owned()));
    Ok(())
}

fn index(space: Space, name: &Pair<Rule>) -> Result<usize, UnknownBlock> {
    space.names().iter().position(|n| *n == name.as_str()).ok_or_else(|| UnknownBlock {
        name: name.as_str().to_owned(),
        span: name.as_span().start()..name.as_span().end(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Result<BlockList, UnknownBlock> {
        block_list(Space::Unet, text)
    }

    #[test]
    fn ranges_expand_in_block_order() {
        assert_eq!(list("OUT01-M00 IN04").unwrap().words, ["M00", "OUT00", "OUT01", "IN04"]);
        assert_eq!(list("IN00-IN01-XX").unwrap().words, ["IN00", "IN01"]);
        assert_eq!(list("NOT IN00 IN01").unwrap(), BlockList { not: true, words: vec!["IN00".into(), "IN01".into()] });
        assert_eq!(list("NOT").unwrap(), BlockList { not: true, words: vec![] });
        assert_eq!(list("NOTE").unwrap(), BlockList { not: false, words: vec!["NOTE".into()] });
    }

    #[test]
    fn empty_words_are_kept() {
        assert_eq!(list("").unwrap().words, [""]);
        assert_eq!(list(" A  B").unwrap().words, ["", "A", "", "B"]);
        assert_eq!(list("NOT ").unwrap(), BlockList { not: true, words: vec!["".into()] });
        assert_eq!(word_list("a-b  c").words, ["a-b", "", "c"]);
    }

    #[test]
    fn an_unknown_block_is_pointed_at() {
        assert_eq!(list("M00 IN05-XX99"), Err(UnknownBlock { name: "XX99".into(), span: 9..13 }));
        assert_eq!(list("IN05-").unwrap_err().name, "");
    }
}
