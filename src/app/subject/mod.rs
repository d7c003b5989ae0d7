//! What is analysed: a prompt with a LoRA under test, and the plans of its pictures.

mod check;

use std::ops::Range;
use std::sync::Arc;

pub use check::twice;

use super::catalogue::ModelFiles;
use super::error::{Error, Result};
use super::renderer::{Module, Renderer};
use super::session::{Asked, Session};
use crate::block::{Block, Family, Layout};
use crate::diagnostic::{Source, code};
use crate::infotext::float_text;
use crate::lora::Strength;
use crate::plan::{LoraPlan, Plan, Request, Settings, frames};
use crate::say;
use crate::study::analyzer_prompt::Marked;
use crate::study::tune::Thirds;
use crate::study::words::Idle;
use crate::study::xyz_weights::{Run, complement, weights};

/// Prompts to verify on where the user gives none: those of the embedded model's world, and such that every model knows.
const EMBEDDED: [&str; 3] = [
    "blue star, yellow background, flat color",
    "green square, white background, gradient",
    "red heart, gray background, thick outline",
];
const OTHERS: [&str; 3] = ["portrait of a woman", "a house in a landscape", "a cat on a chair"];
/// Seeds to verify with; they begin so far after the last that was used.
const SEEDS: i64 = 2;
const APART: i64 = 1000;
/// Entries of the vectors that are drawn with, whatever the model.
const ENTRIES: usize = 26;

/// The block of the text encoders.
pub const BASE: &str = "BASE";

pub struct Subject {
    pub session: Arc<Session>,
    pub request: Request,
    pub model: ModelFiles,
    pub open_seed: bool,
    pub marked: Marked,
    /// Weight of the changed block and of all others, as written.
    pub range: [String; 2],
    /// The vector of the whole LoRA.
    pub reference: String,
    /// The steps that were asked for, also where the analysis takes a quarter of them.
    whole_steps: u32,
}

impl Subject {
    /// The prompt of `asked` with a LoRA under test, which is named where none is marked. `range` has the weight of the changed
    /// block, and of all others.
    pub fn new(session: Arc<Session>, asked: Asked, lora: Option<&str>, range: [String; 2]) -> Result<Self> {
        if asked.images > 1 {
            let message = say!(
                "--n-iter and --batch-size: a study draws one picture of a prompt; use --seeds for more",
                "--n-iter と --batch-size: 分析で描くのはプロンプトごとに 1 枚です。増やすには --seeds を使います"
            );
            return Err(Error::words(code::STUDY, message));
        }
        let Asked { request, model, open_seed, .. } = asked;
        let dialect = request.settings.lbw_dialect;
        if !dialect.is_webui() {
            let tool = dialect.tool();
            let message = say!(
                "--lbw-dialect: a study writes its own vectors, as webui reads them; {tool} would read them otherwise",
                "--lbw-dialect: 分析は webui の読み方でベクトルを書きます。{tool} では読み方が違います"
            );
            return Err(Error::words(code::STUDY, message));
        }
        if i64::try_from(request.settings.seed).is_err() {
            let seed = request.settings.seed;
            let message = say!(
                "--seed {seed}: a study counts its seeds from 0 to 9223372036854775807",
                "--seed {seed}: 分析のシードは 0 から 9223372036854775807 までです"
            );
            return Err(Error::words(code::OUT_OF_LIMITS, message));
        }
        let marked = Marked::new(&request.prompt.text, lora).map_err(|error| {
            // A tag that is not closed is no tag, for one.
            let presets = session.presets.with_marks(&whole(request.family));
            Error::from(error).after(session.lower(&request, &presets).1)
        })?;
        let (reference, whole_steps) = (vec![range[1].as_str(); ENTRIES].join(","), request.settings.steps);
        Ok(Subject { session, request, model, open_seed, marked, range, reference, whole_steps })
    }

    pub fn seed(&self) -> i64 {
        i64::try_from(self.request.settings.seed).unwrap_or(i64::MAX)
    }

    pub fn quarter_steps(&mut self) -> Result<()> {
        let steps = &mut self.request.settings.steps;
        if *steps < 4 {
            let message = say!(
                "--quick takes a quarter of the steps, and there are only {steps}",
                "--quick はステップ数の 4 分の 1 を使いますが、{steps} しかありません"
            );
            return Err(Error::words(code::STUDY, message));
        }
        *steps /= 4;
        Ok(())
    }

    /// Prompts to verify a result on: those that are given, or common ones that this prompt does not begin with.
    pub fn other_prompts(&self, given: &[String]) -> Vec<String> {
        let common = if self.session.is_embedded() { EMBEDDED } else { OTHERS };
        let other = common.iter().filter(|prompt| !self.request.prompt.text.trim().starts_with(**prompt));
        if given.is_empty() {
            return other.map(|prompt| (*prompt).to_owned()).collect();
        }
        let is_first = |(at, prompt): &(usize, &String)| !given[..*at].contains(prompt);
        given.iter().enumerate().filter(is_first).map(|(_, prompt)| prompt.clone()).collect()
    }

    /// The names of the model's blocks.
    pub fn blocks(&self) -> Vec<&'static str> {
        self.request.family.blocks().map(|block| block.name()).collect()
    }

    /// Those with attention, which all LoRAs may change, and of the others those in which this one has weights.
    pub fn usual_blocks(&self, renderer: &mut dyn Renderer) -> Result<Vec<&'static str>> {
        let long = &self.reference;
        let plan = self.plan_of(self.marked.with(long, &self.complement(long)?), self.seed())?;
        let networks = renderer.modules(&plan, &self.model)?;
        let has_weights = |block: Block| networks.iter().flatten().any(|module| module.block == Some(block));
        let [layout, _] = plan.family.layouts();
        let has_attention = |block: Block| (0..layout.len()).any(|entry| layout.block(entry) == Some(block));
        let blocks = plan.family.blocks().filter(|block| has_attention(*block) || has_weights(*block));
        Ok(blocks.map(|block| block.name()).collect())
    }

    /// The plan of a run.
    pub fn plan(&self, run: &Run) -> Result<Plan> {
        self.plan_of(self.marked.with(&run.xyz, &run.zyx), run.seed)
    }

    /// The plan without the LoRA under test.
    pub fn base(&self, seed: i64) -> Result<Plan> {
        self.plan_of(self.marked.without(&self.complement(&self.reference)?), seed)
    }

    /// The vector of the whole LoRA in which some blocks, or lists of blocks, have other weights.
    pub fn vector<'a>(&self, changed: impl Iterator<Item = (&'a str, f64)>) -> Result<String> {
        let mut vector = self.reference.clone();
        for (block, weight) in changed {
            vector = weights(&number(weight), block, &vector)?;
        }
        Ok(vector)
    }

    /// The vector of the whole LoRA in which some blocks have other weights in some thirds of the steps, with places in the pass where
    /// that is not all the time. The text encoders' weight has no time: it is the changed one. `written` writes each of the vectors.
    pub fn over_time(
        &self,
        changed: &[(&str, f64)],
        thirds: Thirds,
        mut written: impl FnMut(&str) -> Result<String>,
    ) -> Result<String> {
        let on = written(&self.vector(changed.iter().copied())?)?;
        if thirds.is_all() {
            return Ok(on);
        }
        let before_the_steps = changed.iter().copied().filter(|(block, _)| *block == BASE);
        let off = written(&self.vector(before_the_steps)?)?;
        let in_third = |third: usize| if thirds.0[third] { &on } else { &off };
        // Of two vectors at one place the second is in force from there on.
        let bounds =
            [(1, "0.333"), (2, "0.667")].into_iter().filter(|(third, _)| thirds.0[third - 1] != thirds.0[*third]);
        let pair =
            |(third, place): (usize, &str)| format!("{}@{place},{}@{place}", in_third(third - 1), in_third(third));
        Ok(bounds.map(pair).collect::<Vec<_>>().join(","))
    }

    /// The vector of a block alone: all others are off, those without attention as well.
    pub fn alone(&self, only: usize, weight: f64) -> Result<String> {
        let none = vec!["0"; ENTRIES].join(",");
        Ok(weights(&number(weight), self.blocks()[only], &none)?)
    }

    /// The vector in the shortest layout that reaches all blocks in which the LoRAs have weights.
    pub fn shortest(&self, long: &str, renderer: &mut dyn Renderer) -> Result<String> {
        let entries: Vec<&str> = long.split(',').collect();
        let plan = self.plan_of(self.marked.with(long, long), self.seed())?;
        let networks = renderer.modules(&plan, &self.model)?;
        let blocks: Vec<_> = networks.iter().flatten().filter_map(|module| module.block).collect();
        let of = |layout: Layout| (0..layout.len()).filter_map(move |entry| layout.block(entry));
        let mut layout = plan.family.layouts().into_iter();
        let layout = layout.find(|l| blocks.iter().all(|block| of(*l).any(|b| b == *block)));
        Ok(match layout {
            Some(layout) => of(layout).filter_map(|b| entries.get(b.index()).copied()).collect::<Vec<_>>().join(","),
            None => long.to_owned(),
        })
    }

    /// The vector of the LoRAs that are marked `ZYX`; at each place where there are several.
    pub fn complement(&self, vector: &str) -> Result<String> {
        let Some(frames) = frames(vector) else { return Ok(complement(vector)?) };
        let of = |(range, place): (Range<usize>, f64)| Ok(format!("{}@{place}", complement(&vector[range])?));
        Ok(frames.into_iter().map(of).collect::<Result<Vec<_>>>()?.join(","))
    }

    /// The plan of a prompt and a seed with the settings of the analysis.
    pub fn plan_of(&self, prompt: String, seed: i64) -> Result<Plan> {
        self.plan_with(prompt, seed, self.request.settings.steps)
    }

    /// The steps that were asked for, also where the analysis takes a quarter of them.
    pub fn whole_steps(&self) -> u32 {
        self.whole_steps
    }

    /// The same with so many steps.
    pub fn plan_with(&self, prompt: String, seed: i64, steps: u32) -> Result<Plan> {
        let seed = u64::try_from(seed).map_err(|_| {
            let message = say!("a seed is 0 or more, not {seed}", "シードは 0 以上です ({seed} ではありません)");
            Error::words(code::BAD_VALUE, message)
        })?;
        let request = self.request_of(&prompt, Settings { seed, steps, ..self.request.settings.clone() });
        let (plan, found) = self.session.lower(&request, &self.session.presets);
        plan.ok_or_else(|| Error::refused(found))
    }

    fn request_of(&self, prompt: &str, settings: Settings) -> Request {
        Request { prompt: Source::new("prompt", prompt), settings, ..self.request.clone() }
    }
}

/// The whole LoRA as people write it, in a model of this family.
pub fn whole(family: Family) -> String {
    let [with_attention, _] = family.layouts();
    vec!["1"; with_attention.len()].join(",")
}

/// Seeds to verify with, far from the `last` that was used.
pub fn other_seeds(last: i64) -> impl Iterator<Item = i64> {
    let first = last.saturating_add(APART);
    first..first.saturating_add(SEEDS)
}

/// A name for a picture with these weights.
pub fn name_of<'a>(weights: impl Iterator<Item = (&'a str, f64)>) -> String {
    weights.map(|(block, weight)| format!("{block}={}", number(weight))).collect::<Vec<_>>().join("+")
}

fn number(weight: f64) -> String {
    float_text((weight * 1000.0).round() / 1000.0)
}

/// The factor of every module of a plan's networks, at all points between which it goes. Plans of one prompt and seed with equal factors give one picture.
pub fn factors(plan: &Plan, networks: &[Vec<Module>]) -> Vec<u64> {
    let of = |(lora, network): (&LoraPlan, &Vec<Module>)| {
        let over_time = &lora.over_time;
        let mut factors: Vec<f64> = over_time.unet.iter().map(|point| point.step).collect();
        factors.extend(over_time.blocks.iter().map(|point| point.step));
        for module in network {
            for ratio in lora.weights().map(|blocks| lora.ratio_among(blocks, plan.family, &module.name)) {
                match module.strength {
                    Strength::Te => factors.push(lora.te * ratio),
                    Strength::Unet => factors.extend(lora.strengths().map(|strength| strength * ratio)),
                }
            }
        }
        factors
    };
    // 0 and −0 are one factor.
    plan.loras().zip(networks).flat_map(of).map(|factor| (factor + 0.0).to_bits()).collect()
}

/// Why two plans of one prompt give one picture although the weights of some blocks differ.
pub fn idle(changed: &Plan, full: &Plan, networks: &[Vec<Module>]) -> Idle {
    let mut there = Vec::new();
    for ((changed, full), network) in changed.loras().zip(full.loras()).zip(networks) {
        let is_changed = |module: &&Module| {
            module.block.is_some_and(|block| changed.blocks.get(block.index()) != full.blocks.get(block.index()))
        };
        let is_off = |module: &Module| match module.strength {
            Strength::Te => changed.te == 0.0,
            Strength::Unet => changed.strengths().all(|strength| strength == 0.0),
        };
        there.extend(network.iter().filter(is_changed).map(is_off));
    }
    match there.iter().all(|is_off| *is_off) {
        _ if there.is_empty() => Idle::Absent,
        true => Idle::Strength,
        false => Idle::Elements,
    }
}
