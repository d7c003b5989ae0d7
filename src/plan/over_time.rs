//! Strength over time: numbers that change while an image is sampled, level before their first point and behind their last one,
//! straight lines in between.
//!
//! Facts from github.com/cheald/sd-webui-loractl, `loractl/lib/utils.py` and `network_patch.py`, whose reading SD.Next has taken
//! over: a position up to 1 is a share of the pass, larger ones are steps; the step counted is the one last reported, which is 0
//! during the first two iterations and the number of steps less 2 during the last one, where the share is 1.
//!
//! ```
//! use lbw::plan::{Request, lower};
//! use lbw::preset::PresetSet;
//! let lowering = lower(&Request::new("<lora:a:0@0,1@0.5>", ""), PresetSet::builtin());
//! let lora = &lowering.plan.unwrap().first.loras[0];
//! // Of 20 steps the count reaches 18, and half of it is step 9.
//! assert_eq!([0, 3, 9, 18].map(|step| lora.at(step).unet), [0.0, 1.0 / 3.0, 1.0, 1.0]);
//! ```

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::LoraPlan;
use crate::syntax::python;

/// What of a LoRA changes while an image is sampled, by the step that was last reported.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OverTime {
    /// The UNet's strength; without points it stays what it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unet: Vec<Point>,
    /// The weights of the blocks; without points they stay what they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<BlocksPoint>,
}

/// A strength at a step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The reported step, which need not be a whole number.
    pub step: f64,
    #[serde(with = "super::number")]
    /// The strength at it.
    pub value: f64,
}

/// The weights of all blocks at a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlocksPoint {
    /// The reported step, which need not be a whole number.
    pub step: f64,
    /// One number per block of the space.
    #[serde(with = "super::numbers")]
    pub blocks: Vec<f64>,
}

impl OverTime {
    /// Whether nothing changes.
    pub fn is_level(&self) -> bool {
        self.unet.is_empty() && self.blocks.is_empty()
    }

    /// The UNet's strength at a reported step, where it changes.
    pub fn unet_at(&self, step: f64) -> Option<f64> {
        let (before, after, share) = around(self.unet.iter().map(|point| point.step), step)?;
        Some(between(self.unet[before].value, self.unet[after].value, share))
    }

    /// The weights of the blocks at a reported step, where they change.
    pub fn blocks_at(&self, step: f64) -> Option<Vec<f64>> {
        let (before, after, share) = around(self.blocks.iter().map(|point| point.step), step)?;
        let pairs = self.blocks[before].blocks.iter().zip(&self.blocks[after].blocks);
        Some(pairs.map(|(a, b)| between(*a, *b, share)).collect())
    }
}

/// What is in force of a LoRA at one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment<'a> {
    /// The UNet's strength.
    pub unet: f64,
    /// One weight per block.
    pub blocks: Cow<'a, [f64]>,
}

impl LoraPlan {
    /// What is in force when the step last reported is `sampling_step` ([`Window::is_on`](super::Window::is_on) tells how it counts).
    pub fn at(&self, sampling_step: i64) -> Moment<'_> {
        if !self.window.is_on(sampling_step) {
            return Moment { unet: 0.0, ..self.beginning() };
        }
        let step = sampling_step as f64;
        Moment {
            unet: self.over_time.unet_at(step).unwrap_or(self.unet),
            blocks: self.over_time.blocks_at(step).map_or(Cow::Borrowed(&self.blocks), Cow::Owned),
        }
    }

    /// What is in force before the first step, without regard to a step window.
    pub fn beginning(&self) -> Moment<'_> {
        Moment { unet: self.unet, blocks: Cow::Borrowed(&self.blocks) }
    }
}

/// The points around `at` and the share of the way from the first to the second. Where two stand at one place, the later counts.
fn around(places: impl ExactSizeIterator<Item = f64> + Clone, at: f64) -> Option<(usize, usize, f64)> {
    let last = places.len().checked_sub(1)?;
    let passed = places.clone().take_while(|place| *place <= at).count();
    let Some(before) = passed.checked_sub(1) else { return Some((0, 0, 0.0)) };
    if before == last {
        return Some((last, last, 0.0));
    }
    let place = |n: usize| places.clone().nth(n).unwrap_or_default();
    let (from, to) = (place(before), place(before + 1));
    Some((before, before + 1, (at - from) / (to - from)))
}

fn between(from: f64, to: f64, share: f64) -> f64 {
    // The ends are met exactly, infinities included.
    if share == 0.0 || from == to { from } else { from + (to - from) * share }
}

/// Values and positions as they are written, positions ascending.
#[derive(Debug, Clone, PartialEq)]
pub struct Written<T> {
    points: Vec<(f64, T)>,
}

impl<T: Clone> Written<T> {
    /// Points in the order in which they are written; those at one place stay in it.
    pub fn new(mut points: Vec<(f64, T)>) -> Self {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Written { points }
    }

    /// The points, in their order.
    pub fn points(&self) -> &[(f64, T)] {
        &self.points
    }

    /// Whether it is the same all the time.
    pub fn is_constant(&self) -> bool {
        self.points.len() < 2
    }

    /// Whether positions are shares of the pass.
    fn is_share(&self) -> bool {
        self.points.last().is_none_or(|(position, _)| *position <= 1.0)
    }

    /// The points by the step reported, in a pass of so many steps.
    pub fn lowered(&self, steps: u32) -> Vec<(f64, T)> {
        // A pass of one or two steps reports step 0 alone.
        let last = if self.is_share() { f64::from(steps.saturating_sub(2).max(1)) } else { 1.0 };
        self.points.iter().map(|(position, value)| (position * last, value.clone())).collect()
    }
}

impl Written<f64> {
    /// The same number all the time.
    pub fn constant(value: f64) -> Self {
        Written { points: vec![(0.0, value)] }
    }

    /// `1`, or `0@0,1@0.5` with `,` or `;` between points and `@` or `~` before positions. A point without a position lies at the
    /// end; where the first one has none, it is all there is.
    pub fn read(text: &str) -> Option<Self> {
        let mut points = Vec::new();
        for (at, point) in text.split([',', ';']).enumerate() {
            let (value, position) = match point.split_once(['@', '~']) {
                Some((value, position)) => (python::float(value)?, python::float(position)?),
                None if at == 0 => return Some(Written::constant(python::float(point)?)),
                None => (python::float(point)?, 1.0),
            };
            if !position.is_finite() {
                return None;
            }
            points.push((position, value));
        }
        Some(Written::new(points))
    }

    /// The value in force at the beginning of a pass.
    pub fn first(&self) -> f64 {
        self.value_at(0.0)
    }

    /// The value at a position, which is on the same scale as those that are written.
    fn value_at(&self, position: f64) -> f64 {
        match around(self.points.iter().map(|(position, _)| *position), position) {
            Some((before, after, share)) => between(self.points[before].1, self.points[after].1, share),
            None => 0.0,
        }
    }

    /// The points for a plan, in a pass of so many steps; none where nothing changes.
    pub fn plan(&self, steps: u32, times: f64) -> Vec<Point> {
        if self.is_constant() {
            return Vec::new();
        }
        self.lowered(steps).into_iter().map(|(step, value)| Point { step, value: value * times }).collect()
    }
}

/// Weights of blocks that change, as a tag writes them.
#[derive(Debug, Clone, PartialEq)]
pub enum WeightsOverTime {
    /// All blocks at once.
    Frames {
        /// One weight per block of the space.
        points: Written<Vec<f64>>,
        /// Where they come from, for people.
        source: String,
    },
    /// The UNet's input blocks, middle block and output blocks apart (SD.Next).
    Sections {
        /// What each section's strength multiplies, one number per block of the space.
        base: Vec<f64>,
        /// The strengths of the three sections.
        strengths: [Written<f64>; 3],
    },
}

impl WeightsOverTime {
    /// The weights by the step reported, in a pass of so many steps; none where nothing changes.
    pub fn plan(&self, steps: u32) -> Vec<BlocksPoint> {
        match self {
            WeightsOverTime::Frames { points, .. } if points.is_constant() => Vec::new(),
            WeightsOverTime::Frames { points, .. } => {
                points.lowered(steps).into_iter().map(|(step, blocks)| BlocksPoint { step, blocks }).collect()
            }
            WeightsOverTime::Sections { base, strengths } => {
                const M00: usize = 13;
                let section = |block: usize| match block {
                    0 => None,
                    1..M00 => Some(0),
                    M00 => Some(1),
                    _ => Some(2),
                };
                let points = |strength: &Written<f64>| -> Vec<Point> {
                    strength.lowered(steps).into_iter().map(|(step, value)| Point { step, value }).collect()
                };
                sections(base, section, &strengths.each_ref().map(points))
            }
        }
    }
}

/// Whether a text is a number that changes over the steps.
pub fn is_over_time(text: &str) -> bool {
    text.contains(['@', '~'])
}

/// `NAME@0,1,0,…@0.5`: texts with positions. Nothing for a text that is not written so.
pub fn frames(text: &str) -> Option<Vec<(std::ops::Range<usize>, f64)>> {
    let mut frames = Vec::new();
    let (mut start, mut at) = (0, 0);
    for piece in text.split([',', ';']) {
        let end = at + piece.len();
        if let Some((value, position)) = piece.rsplit_once('@') {
            let position = python::float(position).filter(|position| position.is_finite())?;
            frames.push((start..at + value.len(), position));
            start = end + 1;
        }
        at = end + 1;
    }
    // The last piece has to have a position.
    (!frames.is_empty() && start == at).then_some(frames)
}

/// Weights of sections that change apart, for blocks: all places where any of them bends, each with the weights there.
fn sections(base: &[f64], section: impl Fn(usize) -> Option<usize>, curves: &[Vec<Point>]) -> Vec<BlocksPoint> {
    let mut places: Vec<f64> = curves.iter().flatten().map(|point| point.step).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    let value = |curve: &[Point], step: f64| match around(curve.iter().map(|point| point.step), step) {
        Some((before, after, share)) => between(curve[before].value, curve[after].value, share),
        None => 1.0,
    };
    let weights = |step: f64| {
        let weight = |(block, base): (usize, &f64)| match section(block) {
            Some(curve) => base * value(&curves[curve], step),
            None => *base,
        };
        base.iter().enumerate().map(weight).collect()
    };
    places.into_iter().map(|step| BlocksPoint { step, blocks: weights(step) }).collect()
}
