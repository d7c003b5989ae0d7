//! Byte-pair encoding of one word.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// The merges of CLIP's vocabulary in the order they were learnt, one pair a line, from OpenAI's
/// `bpe_simple_vocab_16e6.txt` (MIT licence).
const MERGES: &str = include_str!("merges.txt");

/// Ids 0–255 are the bytes, 256–511 the bytes that end a word, then one id per merge.
const END_OF_WORD: u32 = 256;
const FIRST_MERGE: u32 = 512;

pub(super) struct Vocabulary {
    byte_ids: [u32; 256],
    /// Pair of ids → the id they merge to. Merges learnt earlier have smaller ids and come first.
    merges: HashMap<(u32, u32), u32>,
}

impl Vocabulary {
    pub(super) fn clip() -> Self {
        let alphabet = byte_alphabet();
        let mut byte_ids = [0; 256];
        let mut ids: HashMap<String, u32> = HashMap::new();
        for (id, (byte, letter)) in (0..).zip(alphabet) {
            byte_ids[usize::from(byte)] = id;
            ids.insert(letter.to_string(), id);
            ids.insert(format!("{letter}</w>"), id + END_OF_WORD);
        }
        let mut merges = HashMap::new();
        for (id, line) in (FIRST_MERGE..).zip(MERGES.lines()) {
            #[expect(clippy::expect_used, reason = "the text is constant and every test reads it")]
            let (left, right) = line.split_once(' ').expect("merges.txt has pairs");
            merges.insert((ids[left], ids[right]), id);
            ids.insert(format!("{left}{right}"), id);
        }
        Vocabulary { byte_ids, merges }
    }

    /// Appends the ids of a word: always the earliest-learnt merge next, from left to right.
    ///
    /// Symbols form a linked list and merges wait in a heap, so a word of n bytes takes O(n log n).
    pub(super) fn encode_word(&self, word: &str, out: &mut Vec<u32>) {
        let mut symbols: Vec<Symbol> = word
            .bytes()
            .enumerate()
            .map(|(i, byte)| Symbol {
                id: self.byte_ids[usize::from(byte)],
                previous: i.wrapping_sub(1),
                next: i + 1,
                alive: true,
            })
            .collect();
        let Some(last) = symbols.last_mut() else { return };
        last.id += END_OF_WORD;

        let mut waiting = BinaryHeap::new();
        for left in 0..symbols.len() {
            self.enqueue(&symbols, left, &mut waiting);
        }
        while let Some(Reverse((merged, left))) = waiting.pop() {
            // An entry is stale when one of its symbols has meanwhile been merged with another.
            if !symbols[left].alive || self.merge_at(&symbols, left) != Some(merged) {
                continue;
            }
            let right = symbols[left].next;
            let next = symbols[right].next;
            symbols[right].alive = false;
            symbols[left].id = merged;
            symbols[left].next = next;
            if let Some(next) = symbols.get_mut(next) {
                next.previous = left;
            }
            self.enqueue(&symbols, left, &mut waiting);
            self.enqueue(&symbols, symbols[left].previous, &mut waiting);
        }
        out.extend(symbols.iter().filter(|s| s.alive).map(|s| s.id));
    }

    fn enqueue(&self, symbols: &[Symbol], left: usize, waiting: &mut BinaryHeap<Reverse<(u32, usize)>>) {
        if let Some(merged) = self.merge_at(symbols, left) {
            waiting.push(Reverse((merged, left)));
        }
    }

    /// What the symbol at `left` and its right neighbour merge to.
    fn merge_at(&self, symbols: &[Symbol], left: usize) -> Option<u32> {
        let left = symbols.get(left)?;
        let right = symbols.get(left.next)?;
        self.merges.get(&(left.id, right.id)).copied()
    }
}

/// One symbol of a word, linked to its neighbours by index; an index outside the word is the end of the list.
struct Symbol {
    id: u32,
    previous: usize,
    next: usize,
    alive: bool,
}

/// The bytes in the order of their ids, each with the letter that stands for it in the merges: printable Latin-1 stands
/// for itself, the other bytes for the letters from U+0100 on.
fn byte_alphabet() -> impl Iterator<Item = (u8, char)> {
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let shown = (0..=255).filter(printable).map(|byte| (byte, char::from(byte)));
    let hidden = (0..=255).filter(move |byte| !printable(byte)).zip('\u{100}'..);
    shown.chain(hidden)
}
