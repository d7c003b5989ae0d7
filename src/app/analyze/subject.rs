//! What is analysed: a prompt with a LoRA under test, and the plans of its pictures.

use std::sync::Arc;

use super::Wish;
use crate::app::catalogue::ModelFiles;
use crate::app::error::{Error, Result};
use crate::app::renderer::Module;
use crate::app::session::{Asked, Session};
use crate::diagnostic::{Diagnostic, Source, code};
use crate::lora::Strength;
use crate::plan::{LoraPlan, Plan, Request};
use crate::say;
use crate::study::analyzer::{Analysis, AnalysisPlan};
use crate::study::analyzer_prompt::Marked;
use crate::study::words::Idle;
use crate::study::xyz_weights::{Run, complement};

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
}

impl Subject {
    pub fn new(session: Arc<Session>, asked: Asked, wish: &Wish) -> Result<Self> {
        if asked.images > 1 {
            let message = say!(
                "--n-iter and --batch-size: an analysis has one prompt; use --seeds for more pictures",
                "--n-iter と --batch-size: 分析のプロンプトは一つです。枚数を増やすには --seeds を使います"
            );
            return Err(Error::words(code::STUDY, message));
        }
        if wish.seeds == 0 {
            let message = say!("--seeds 0: an analysis needs at least one seed", "--seeds 0: シードは一つ以上要ります");
            return Err(Error::words(code::STUDY, message));
        }
        if wish.threshold.trim().parse::<i64>().is_err() {
            let threshold = &wish.threshold;
            let message = say!(
                "--threshold {threshold}: the threshold is a whole number",
                "--threshold {threshold}: 閾値は整数です"
            );
            return Err(Error::words(code::STUDY, message));
        }
        let [value, rest] = range(wish)?;
        let Asked { request, model, open_seed, .. } = asked;
        let marked = Marked::new(&request.prompt.text, wish.lora.as_deref())?;
        let reference = vec![rest.as_str(); 26].join(",");
        Ok(Subject { session, request, model, open_seed, marked, range: [value, rest], reference })
    }

    /// What is wrong or surprising about the prompt; an error where it refuses.
    pub fn check(&self) -> Result<Vec<Diagnostic>> {
        // The vectors of the runs have 26 entries, on purpose; nobody needs to be told.
        let [with_attention, _] = self.request.family.layouts();
        let ones = vec!["1"; with_attention.len()].join(",");
        let found = self.lower(self.marked.with(&ones, &ones), self.request.settings.seed).1;
        match self.session.refuses(&found) {
            true => Err(Error::refused(found)),
            false => Ok(found),
        }
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

    /// The runs of the analysis; seeds count up.
    pub fn analysis(&self, wish: &Wish) -> Result<AnalysisPlan> {
        let mut next = self.seed();
        let mut draw = || {
            next += 1;
            next - 1
        };
        let [with_attention, _] = self.request.family.layouts();
        let all_blocks = format!("{}ALL", with_attention.len());
        let analysis = Analysis {
            range: &wish.range,
            blocks: wish.blocks.as_ref().unwrap_or(&all_blocks),
            seed: self.seed(),
            seeds: wish.seeds,
            leftover_z_values: "",
            title: &self.marked.title,
        };
        Ok(analysis.plan(&mut draw)?)
    }

    /// The plan of a run.
    pub fn plan(&self, run: &Run) -> Result<Plan> {
        self.plan_of(self.marked.with(&run.xyz, &run.zyx), run.seed)
    }

    /// The plan without the LoRA under test.
    pub fn base(&self, seed: i64) -> Result<Plan> {
        self.plan_of(self.marked.without(&self.complement(&self.reference)?), seed)
    }

    pub fn complement(&self, vector: &str) -> Result<String> {
        Ok(complement(vector)?)
    }

    /// The plan of a prompt and a seed with the settings of the analysis.
    pub fn plan_of(&self, prompt: String, seed: i64) -> Result<Plan> {
        let seed = u64::try_from(seed).map_err(|_| {
            let message = say!("a seed is 0 or more, not {seed}", "シードは 0 以上です ({seed} ではありません)");
            Error::words(code::BAD_VALUE, message)
        })?;
        let (plan, found) = self.lower(prompt, seed);
        plan.ok_or_else(|| Error::refused(found))
    }

    fn lower(&self, prompt: String, seed: u64) -> (Option<Plan>, Vec<Diagnostic>) {
        let mut request = Request { prompt: Source::new("prompt", prompt.as_str()), ..self.request.clone() };
        request.settings.seed = seed;
        self.session.lower(&request, &self.session.presets)
    }
}

/// Weight of the changed block and of all others.
fn range(wish: &Wish) -> Result<[String; 2]> {
    let range: Vec<String> = wish.range.split(',').map(|part| part.trim().to_owned()).collect();
    match range.as_slice() {
        [value, rest] => Ok([value.clone(), rest.clone()]),
        [value, rest, ..] if wish.webui_quirks => Ok([value.clone(), rest.clone()]),
        _ => {
            let range = &wish.range;
            let message = say!(
                "--range {range}: the range has two weights, that of the changed block and that of all others, as in `0,1`",
                "--range {range}: 変えるブロックの重みとほかの重みの二つを `0,1` のように書いてください"
            );
            Err(Error::words(code::STUDY, message))
        }
    }
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
