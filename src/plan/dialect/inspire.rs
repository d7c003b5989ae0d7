//! ComfyUI's Inspire pack: weights by position, and the notation `%in1-4=0.5,default=1`.
//!
//! Facts from github.com/ltdrdata/ComfyUI-Inspire-Pack, `inspire/lora_block_weight.py`, class `LoraLoaderBlockWeight`:
//! `validate`, `convert_vector_value`, `block_spec_parser` and `load_lbw`. The first entry is for everything outside the numbered
//! blocks, the text encoders among it. Each further entry goes to the next block *that the LoRA has*; the parts of the
//! middle block count one by one. "Next" is told by the number alone, so that two neighbours of the same number (`IN01` and the
//! middle's part 1, where nothing lies between them) share an entry. The last entry is repeated, surplus entries are ignored.

use std::collections::BTreeSet;

use super::{DialectError, Weights, anything, containing, outside_blocks};
use crate::block::{Block, Family, Space};
use crate::plan::ElementRule;
use crate::plan::draw::Draws;

/// The fewest entries of a vector.
const FEWEST: usize = 12;
/// What `A` and `B` stand for unless the node says otherwise; small letters are half of it.
const A: f64 = 4.0;
const B: f64 = 1.0;

/// A numbered part of the UNet, in the order weights go to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Input(usize),
    Middle(usize),
    Output(usize),
}

impl Part {
    /// The part that a webui module name belongs to.
    fn of_module(module: &str) -> Option<Self> {
        let number = |prefix: &str| module.strip_prefix(prefix)?.split('_').next()?.parse().ok();
        number("diffusion_model_input_blocks_")
            .map(Part::Input)
            .or_else(|| number("diffusion_model_middle_block_").map(Part::Middle))
            .or_else(|| number("diffusion_model_output_blocks_").map(Part::Output))
    }

    fn number(self) -> usize {
        match self {
            Part::Input(n) | Part::Middle(n) | Part::Output(n) => n,
        }
    }

    /// The index of the block it belongs to.
    fn block(self) -> Option<usize> {
        match self {
            Part::Input(n @ ..12) => Some(1 + n),
            Part::Middle(_) => Some(13),
            Part::Output(n @ ..12) => Some(14 + n),
            _ => None,
        }
    }
}

/// Weights of the vector or specification in `text`. `modules` are the LoRA's; without them it is taken for one with
/// attention modules alone, or with all that kohya's LoCon has if the vector is as long as that.
pub(super) fn weights(
    text: &str,
    modules: Option<&[String]>,
    family: Family,
    draws: &mut Draws,
) -> Result<Weights, DialectError> {
    let parts = parts(text, modules, family);
    let entries = match text.strip_prefix('%') {
        Some(spec) => specification(spec, &parts)?,
        None => text.split(',').map(|entry| entry.trim().to_owned()).collect(),
    };
    if entries.len() < FEWEST {
        return Err(match entries.as_slice() {
            [name] => DialectError::Preset(name.clone()),
            _ => DialectError::Length(entries.len()),
        });
    }
    // The whole vector must be readable, also entries that no block takes.
    entries.iter().try_for_each(|entry| weight(entry, &mut draws.clone()).map(drop))?;
    let mut blocks = vec![1.0; 26];
    let mut rules = Vec::new();
    let mut ratio = 1.0;
    let mut last = None;
    for (part, taken) in parts.iter().zip(taken(&parts)) {
        if let Some(entry) = entries.get(taken).filter(|_| last != Some(taken)) {
            ratio = weight(entry, draws)?;
        }
        last = Some(taken);
        if let Some(block) = part.block() {
            blocks[block] = ratio;
        }
        if let Part::Middle(n) = part {
            rules.push(middle_rule(*n, ratio));
        }
    }
    if rules.iter().all(|rule| rule.ratio == blocks[13]) {
        rules.clear();
    }
    blocks[0] = weight(&entries[0], draws)?;
    if blocks[0] != 1.0 {
        rules.insert(0, ElementRule { blocks: outside_blocks(), elements: anything(), ratio: blocks[0] });
    }
    Ok(Weights { blocks, rules, over_time: None })
}

/// The parts that weights are given to.
fn parts(text: &str, modules: Option<&[String]>, family: Family) -> Vec<Part> {
    match modules {
        Some(modules) => {
            modules.iter().filter_map(|m| Part::of_module(m)).collect::<BTreeSet<_>>().into_iter().collect()
        }
        None if text.starts_with('%') => usual_parts(family, 0),
        None => usual_parts(family, text.split(',').count()),
    }
}

/// The entry that each part takes, the first one being entry 1.
fn taken(parts: &[Part]) -> impl Iterator<Item = usize> {
    let is_next = |at: usize| at == 0 || parts[at].number() != parts[at - 1].number();
    (0..parts.len()).scan(0, move |entry, at| {
        *entry += usize::from(is_next(at));
        Some(*entry)
    })
}

/// The blocks that the entries of a vector of numbers go to in a LoRA with these modules: entry n and a block it goes to.
pub fn takers(text: &str, modules: &[String], family: Family) -> Vec<(usize, Block)> {
    let parts = parts(text, Some(modules), family);
    let entries = text.split(',').count();
    let block = |part: &Part| Block::new(Space::Unet, part.block()?);
    let taken = parts.iter().zip(taken(&parts)).map(|(part, entry)| (entry.min(entries - 1), block(part)));
    taken.filter_map(|(entry, block)| Some((entry, block?))).collect()
}

fn middle_rule(part: usize, ratio: f64) -> ElementRule {
    let elements = format!("diffusion_model_middle_block_{part}_");
    ElementRule { blocks: anything(), elements: containing([&elements]), ratio }
}

fn usual_parts(family: Family, entries: usize) -> Vec<Part> {
    let [attention, blocks] = family.layouts();
    // All but BASE and M00 are inputs and as many outputs, counted from 0.
    let last = (blocks.len() - 2) / 2 - 1;
    let all: Vec<Part> =
        (1..=last).map(Part::Input).chain((0..=2).map(Part::Middle)).chain((0..=last).map(Part::Output)).collect();
    if entries == all.len() + 1 {
        return all;
    }
    let indices = (1..attention.len()).filter_map(|entry| Some(attention.block(entry)?.index()));
    indices
        .map(|index| match index {
            13 => Part::Middle(1),
            ..13 => Part::Input(index - 1),
            _ => Part::Output(index - 14),
        })
        .collect()
}

/// One entry: a number, a letter, or a random number (two digits; `R` from 0 to 3, `U` from −1.5 to 1.5).
fn weight(entry: &str, draws: &mut Draws) -> Result<f64, DialectError> {
    let round = |number: f64| (number * 100.0).round_ties_even() / 100.0;
    match entry {
        "R" | "r" => {
            let drawn = round(3.0 * draws.unit());
            Ok(draws.note(drawn))
        }
        "U" | "u" => {
            let drawn = round(-1.5 + 3.0 * draws.unit());
            Ok(draws.note(drawn))
        }
        "A" => Ok(A),
        "a" => Ok(A / 2.0),
        "B" => Ok(B),
        "b" => Ok(B / 2.0),
        _ if entry.contains(' ') => Err(DialectError::Several(entry.to_owned())),
        _ => number(entry).ok_or_else(|| DialectError::Entry(entry.to_owned())),
    }
}

/// Digits with a point between them, and a minus before them.
fn number(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let plain = digits(whole.strip_prefix('-').unwrap_or(whole)) && digits(fraction);
    plain.then(|| text.parse().ok()).flatten()
}

/// The entries that `in1-4=0.5,mid=0,default=1,base=1` stands for. Numbers count the parts the LoRA has, from 1.
fn specification(spec: &str, parts: &[Part]) -> Result<Vec<String>, DialectError> {
    let items: Vec<&str> = spec.split(',').map(str::trim).collect();
    let named = |key: &str| items.iter().rev().find_map(|item| item.strip_prefix(key)?.strip_prefix('='));
    let default = named("default").unwrap_or("1.0");
    let mut entries = vec![default.to_owned(); parts.len() + 1];
    named("base").unwrap_or(default).clone_into(&mut entries[0]);
    for item in items {
        let bad = || DialectError::Item(item.to_owned());
        let (key, value) = item.split_once('=').ok_or_else(bad)?;
        // Without a sign, unlike in a vector.
        let digits = value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let value: f64 = value.parse().ok().filter(|_| digits).ok_or_else(bad)?;
        if ["default", "base"].contains(&key) {
            continue;
        }
        let name = key.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
        let is_in_section: fn(&Part) -> bool = match name {
            "in" => |part| matches!(part, Part::Input(_)),
            "mid" => |part| matches!(part, Part::Middle(_)),
            "out" => |part| matches!(part, Part::Output(_)),
            // Sections of Flux, of which a UNet has nothing.
            "double" | "single" => |_| false,
            _ => return Err(bad()),
        };
        let (first, last) = range(&key[name.len()..]).ok_or_else(bad)?;
        let section = parts.iter().enumerate().filter(|(_, part)| is_in_section(part));
        for (position, (at, _)) in (1..).zip(section) {
            if (first..=last).contains(&position) {
                entries[at + 1] = value.to_string();
            }
        }
    }
    Ok(entries)
}

/// The first and last position of `4`, of `1-4`, or of everything.
fn range(text: &str) -> Option<(usize, usize)> {
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    match text.split_once('-') {
        None if text.is_empty() => Some((1, usize::MAX)),
        None => number(text).map(|n| (n, n)),
        Some((first, last)) => Some((number(first)?, number(last)?)),
    }
}
