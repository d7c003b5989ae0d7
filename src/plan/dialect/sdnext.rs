//! SD.Next: `lbw=` vectors of its own lengths, and `in=`, `mid=`, `out=`.
//!
//! Facts from github.com/vladmandic/sdnext: `modules/lora/extra_networks_lora.py` (one number without a name is the strength
//! of both; `te=`, `unet=`, `in=`, `mid=`, `out=`, `dyn=` and `lbw=` by name), `modules/lora/network.py` (which modules a
//! section holds) and `modules/lora/lora_blocks.py` (`lbw=`).

use super::{DialectError, Weights, anything, containing, outside_blocks};
use crate::block::{Block, Family, Layout};
use crate::plan::ElementRule;
use crate::plan::argument::ArgumentError;
use crate::plan::over_time::{WeightsOverTime, Written};
use crate::plan::strengths;
use crate::syntax::{Tag, python};

const BASE: usize = 0;
const M00: usize = 13;

/// UNet strengths of the input blocks, the middle and the output blocks. Modules outside the blocks go with the first.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sections([Written<f64>; 3]);

impl Sections {
    /// The strengths of `in=`, `mid=` and `out=`, each `unet` where it is not given. Without any, nothing; with one, the
    /// weights carry the strengths and `unet` becomes 1.
    pub(super) fn read(tag: &Tag, unet: &mut Written<f64>) -> Result<Option<Self>, ArgumentError> {
        // Unlike in webui a number without a name does not stand for the UNet alone, so `unet` is `te` unless it is named.
        let section = |argument: &'static str| match tag.named(argument).and_then(|item| Some((item, item.named()?.1)))
        {
            Some((item, value)) => strengths::written(argument, value, item).map(Some),
            None => Ok(None),
        };
        let sections = [section("in")?, section("mid")?, section("out")?];
        if sections.iter().all(Option::is_none) {
            return Ok(None);
        }
        let all = std::mem::replace(unet, Written::constant(1.0));
        Ok(Some(Sections(sections.map(|section| section.unwrap_or_else(|| all.clone())))))
    }

    /// The strength of a block at the beginning.
    fn of_block(&self, index: usize) -> f64 {
        let [input, middle, output] = &self.0;
        match index {
            BASE => 1.0,
            1..M00 => input.first(),
            M00 => middle.first(),
            _ => output.first(),
        }
    }
}

/// Weights of a vector (all 1 without one) and of sections.
pub(super) fn weights(text: Option<&str>, sections: Option<Sections>, family: Family) -> Result<Weights, DialectError> {
    let [_, layout] = family.layouts();
    let slots = text.map_or(Ok(vec![1.0; layout.len()]), |text| slots(text, family))?;
    let sections = sections.unwrap_or(Sections([1.0; 3].map(Written::constant)));
    let mut slot_of = vec![1.0; layout.space().names().len()];
    for (slot, block) in slots.iter().zip(blocks_of(layout)) {
        slot_of[block.index()] = *slot;
    }
    // Blocks that this family has not stay what they are.
    let is_there = |index: usize| blocks_of(layout).any(|block| block.index() == index);
    let weight = |(index, slot): (usize, &f64)| if is_there(index) { slot * sections.of_block(index) } else { *slot };
    let blocks = slot_of.iter().enumerate().map(weight).collect();
    let input = sections.0[0].first();
    let changes = sections.0.iter().any(|strength| !strength.is_constant());
    let over_time = changes.then_some(WeightsOverTime::Sections { base: slot_of, strengths: sections.0 });
    let base = slots.first().copied().unwrap_or(1.0);
    let last = slots.last().copied().unwrap_or(1.0);
    let rules = vec![
        // The text encoders' modules without a block, then the UNet's.
        ElementRule { blocks: outside_blocks(), elements: anything(), ratio: base },
        ElementRule { blocks: outside_blocks(), elements: containing(["diffusion_model_"]), ratio: base * input },
        // The output convolution goes with the last output block's weight, but with the input blocks' strength.
        ElementRule { blocks: outside_blocks(), elements: containing(["diffusion_model_out_"]), ratio: last * input },
    ];
    let rules = if rules.iter().all(|rule| rule.ratio == 1.0) { Vec::new() } else { rules };
    Ok(Weights { blocks, rules, over_time })
}

/// One number per block that the family has, `BASE` first.
fn slots(text: &str, family: Family) -> Result<Vec<f64>, DialectError> {
    let [short, layout] = family.layouts();
    if !text.contains(',') {
        return match python::float(text) {
            Some(number) => Ok(vec![number; layout.len()]),
            None => classic(text, layout).ok_or_else(|| DialectError::Preset(text.to_owned())),
        };
    }
    let number = |entry: &str| python::float(entry).ok_or_else(|| DialectError::Entry(entry.trim().to_owned()));
    let numbers = text.split(',').map(number).collect::<Result<Vec<_>, _>>()?;
    if numbers.len() == layout.len() {
        Ok(numbers)
    } else if numbers.len() + 1 == layout.len() {
        // Without BASE, which is 1 then.
        Ok([&[1.0], &numbers[..]].concat())
    } else if numbers.len() == short.len() {
        let named: Vec<_> = blocks_of(short).zip(&numbers).collect();
        let of = |block: Block| named.iter().find(|(b, _)| *b == block).map_or(1.0, |(_, number)| **number);
        Ok(blocks_of(layout).map(of).collect())
    } else {
        Err(DialectError::Length(numbers.len()))
    }
}

fn blocks_of(layout: Layout) -> impl Iterator<Item = Block> {
    (0..layout.len()).filter_map(move |entry| layout.block(entry))
}

/// Whether `name` is one of the presets that SD.Next makes from ranges, whatever the case.
pub(super) fn is_classic(name: &str) -> bool {
    classic(name, Layout::Sdxl20).is_some()
}

/// The presets that name parts of the UNet: `S` is the half nearest to the image, `D` the half nearest to the middle.
fn classic(name: &str, layout: Layout) -> Option<Vec<f64>> {
    let blocks: Vec<Block> = blocks_of(layout).collect();
    // Of as many input as output blocks; an odd one goes to the first half.
    let half = ((blocks.len() - 2) / 2).div_ceil(2);
    let wanted: &dyn Fn(usize) -> bool = match name.to_uppercase().as_str() {
        "ALL" => &|_| true,
        "NONE" => return Some(vec![0.0; blocks.len()]),
        "INALL" => &|index| (1..M00).contains(&index),
        "INS" => &|index| (1..=half).contains(&index),
        "IND" => &|index| (1 + half..M00).contains(&index),
        "MIDD" => &|index| (1 + half..=M00 + half).contains(&index),
        "OUTALL" => &|index| index > M00,
        "OUTD" => &|index| (M00 + 1..=M00 + half).contains(&index),
        "OUTS" => &|index| index > M00 + half,
        _ => return None,
    };
    let weight = |block: &Block| f64::from(u8::from(block.index() == BASE || wanted(block.index())));
    Some(blocks.iter().map(weight).collect())
}
