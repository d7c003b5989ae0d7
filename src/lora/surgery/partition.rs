//! Into which parts a LoRA file is split, and which tensor goes into which.

use std::collections::{BTreeMap, BTreeSet};

use super::SurgeryError;
use super::blocks::Blocks;
use super::place::Place;
use crate::checkpoint::TensorFile;

/// The part of modules outside the blocks, which no weight vector reaches.
pub const OUTSIDE: &str = "OUTSIDE";
/// The part of embeddings that are packed into the file.
pub const BUNDLED: &str = "BUNDLED";
/// The part of tensors whose keys are not known.
pub const UNKNOWN: &str = "UNKNOWN";
/// The part of blocks that no group names.
pub const REST: &str = "REST";

/// What a file is split by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum By {
    /// A part for each block.
    #[default]
    Block,
    /// A part for each element (attn1, attn2, ff, …), over all blocks.
    Element,
    /// These groups of blocks, as [`BlockGroup::parse`] reads them, and a part for the rest.
    Groups(Vec<String>),
}

impl By {
    /// `block`, `element`, or groups of blocks between commas.
    pub fn parse(text: &str) -> Self {
        match text.trim() {
            "block" => By::Block,
            "element" => By::Element,
            groups => By::Groups(groups.split(',').map(|group| group.trim().to_owned()).collect()),
        }
    }
}

impl std::fmt::Display for By {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            By::Block => f.write_str("block"),
            By::Element => f.write_str("element"),
            By::Groups(groups) => f.write_str(&groups.join(",")),
        }
    }
}

/// Blocks that go into one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockGroup {
    /// As the user wrote it, `+` for spaces.
    pub name: String,
    /// In the order of the blocks.
    pub blocks: Vec<String>,
}

impl BlockGroup {
    /// Reads words between spaces or `+`: a block, a range (`IN04-OUT02`, in either order), or a word for all blocks that
    /// begin so (`base`, `in`, `mid`, `out`; `double`, `single` of Flux).
    pub fn parse(text: &str, names: &[String]) -> Result<Self, SurgeryError> {
        let unknown = |word: &str| {
            let words = WORDS.iter().filter(|(_, start)| names.iter().any(|name| is_of(name, start)));
            let words: Vec<&str> = words.map(|(word, _)| *word).collect();
            let known = format!("{} and {}", words.join(", "), shortened(names));
            SurgeryError::UnknownGroup { name: word.to_owned(), known }
        };
        let index = |name: &str| {
            let name = if name == "MID" { "M00" } else { name };
            names.iter().position(|known| known == name).ok_or_else(|| unknown(name))
        };
        let mut chosen = vec![false; names.len()];
        for word in text.split([' ', '+']) {
            let range = match word.split_once('-') {
                Some((first, last)) => {
                    let (first, last) = (index(first)?, index(last)?);
                    first.min(last)..first.max(last) + 1
                }
                None => {
                    let start =
                        WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, start)| *start);
                    let is_block = names.iter().any(|name| name == word);
                    let start = start.filter(|_| !is_block);
                    let of: Vec<usize> =
                        (0..names.len()).filter(|i| start.is_some_and(|start| is_of(&names[*i], start))).collect();
                    match (of.first(), of.last()) {
                        (Some(first), Some(last)) => *first..last + 1,
                        _ => {
                            let at = index(word).or_else(|_| index(&word.to_uppercase())).map_err(|_| unknown(word))?;
                            at..at + 1
                        }
                    }
                }
            };
            chosen[range].fill(true);
        }
        let blocks = names.iter().zip(&chosen).filter(|(_, chosen)| **chosen).map(|(name, _)| name.clone());
        Ok(BlockGroup { name: text.replace(' ', "+"), blocks: blocks.collect() })
    }
}

/// Words for several blocks, and how the names of these begin.
const WORDS: [(&str, &str); 6] =
    [("base", "BASE"), ("in", "IN"), ("mid", "M"), ("out", "OUT"), ("double", "D"), ("single", "S")];

/// Whether `name` is `start` and a number.
fn is_of(name: &str, start: &str) -> bool {
    let number = name.strip_prefix(start);
    number.is_some_and(|n| start == "BASE" && n.is_empty() || !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// `BASE, IN00–IN11, …`
fn shortened(names: &[String]) -> String {
    let letters = |name: &String| name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    let runs = names.chunk_by(|a, b| letters(a) == letters(b));
    let runs = runs.filter_map(|run| match run {
        [only] => Some(only.clone()),
        [first, .., last] => Some(format!("{first}–{last}")),
        [] => None,
    });
    runs.collect::<Vec<_>>().join(", ")
}

/// Which tensor of a file goes into which part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Partition {
    /// In the order of the blocks; what is of no block comes last.
    pub parts: Vec<Part>,
}

/// One part of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// Of a block, an element, a group, or one of the four above.
    pub name: String,
    /// By name.
    pub tensors: Vec<String>,
    /// In the order of their tensors.
    pub modules: Vec<PartModule>,
}

/// A module of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartModule {
    /// webui's name for models that have one there, else the key.
    pub name: String,
    /// `None` outside the blocks.
    pub block: Option<String>,
}

/// The parts of `file`. All tensors of a module are in one part, and every tensor is in one.
pub fn parts_of(file: &TensorFile, blocks: &Blocks, by: &By) -> Result<Partition, SurgeryError> {
    let namer = Namer::new(blocks, by)?;
    // A module whose tensors are placed differently goes where its first tensor goes.
    let mut part_of_module: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut parts: BTreeMap<(usize, String), Part> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for tensor in file.names() {
        let placed = blocks.place(tensor);
        let key =
            part_of_module.entry(placed.module.clone()).or_insert_with(|| namer.part(&placed.place, &placed.element));
        let part = parts.entry(key.clone()).or_default();
        part.name.clone_from(&key.1);
        part.tensors.push(tensor.to_owned());
        if seen.insert(placed.module.clone()) {
            let block = match placed.place {
                Place::Block(block) => Some(block),
                Place::Outside | Place::Bundled | Place::Unknown => None,
            };
            part.modules.push(PartModule { name: placed.module, block });
        }
    }
    Ok(Partition { parts: parts.into_values().collect() })
}

/// Names parts and says their order.
struct Namer<'b> {
    names: &'b [String],
    by: &'b By,
    groups: Vec<BlockGroup>,
}

impl<'b> Namer<'b> {
    fn new(blocks: &'b Blocks, by: &'b By) -> Result<Self, SurgeryError> {
        let names = blocks.names();
        let groups = match by {
            By::Groups(groups) => groups.iter().map(|text| BlockGroup::parse(text, names)).collect::<Result<_, _>>()?,
            By::Block | By::Element => Vec::new(),
        };
        for (at, second) in groups.iter().enumerate() {
            for first in &groups[..at] {
                if let Some(block) = second.blocks.iter().find(|block| first.blocks.contains(block)) {
                    let (first, second) = (first.name.clone(), second.name.clone());
                    return Err(SurgeryError::Overlap { block: block.clone(), first, second });
                }
            }
        }
        Ok(Namer { names, by, groups })
    }

    fn part(&self, place: &Place, element: &str) -> (usize, String) {
        let last = self.names.len() + self.groups.len();
        let block = match place {
            Place::Block(block) => block,
            Place::Outside => return (last + 1, OUTSIDE.to_owned()),
            Place::Bundled => return (last + 2, BUNDLED.to_owned()),
            Place::Unknown => return (last + 3, UNKNOWN.to_owned()),
        };
        match self.by {
            By::Block => (self.names.iter().position(|name| name == block).unwrap_or(last), block.clone()),
            By::Element => (0, element.to_owned()),
            By::Groups(_) => {
                let group = self.groups.iter().enumerate().find(|(_, group)| group.blocks.contains(block));
                group.map_or((last, REST.to_owned()), |(at, group)| (at, group.name.clone()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Space;

    #[test]
    fn groups_are_words_blocks_and_ranges() {
        let names: Vec<String> = Space::Unet.names().iter().map(|n| (*n).to_owned()).collect();
        let blocks = |text: &str| BlockGroup::parse(text, &names).map(|group| group.blocks);
        assert_eq!(blocks("base").unwrap(), ["BASE"]);
        assert_eq!(blocks("mid").unwrap(), ["M00"]);
        assert_eq!(blocks("MID").unwrap(), ["M00"]);
        assert_eq!(blocks("in").unwrap().len(), 12);
        assert_eq!(blocks("OUT").unwrap().len(), 12);
        assert_eq!(blocks("OUT00-IN11").unwrap(), ["IN11", "M00", "OUT00"]);
        assert_eq!(blocks("OUT01+IN04").unwrap(), ["IN04", "OUT01"]);
        for bad in ["", "IN12", "double", "IN04-", "in-out"] {
            let error = blocks(bad).unwrap_err().to_string();
            assert!(error.contains("base, in, mid, out and BASE, IN00–IN11"), "{bad}: {error}");
        }
        let flux: Vec<String> = Space::Flux.names().iter().map(|n| (*n).to_owned()).collect();
        let blocks = |text: &str| BlockGroup::parse(text, &flux).map(|group| group.blocks);
        assert_eq!(blocks("double").unwrap().len(), 19);
        assert_eq!(blocks("single").unwrap().len(), 38);
        assert_eq!(blocks("IN").unwrap(), ["IN"]);
        assert_eq!(blocks("in").unwrap(), ["IN"]);
        assert_eq!(blocks("out+t5").unwrap(), ["T5", "OUT"]);
        assert_eq!(blocks("CLIP+T5").unwrap(), ["CLIP", "T5"]);
    }
}
