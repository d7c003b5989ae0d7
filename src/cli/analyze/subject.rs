//! What is analysed: a prompt with a LoRA under test, and the plans of its pictures.

use super::AnalyzeArgs;
use crate::block::Family;
use crate::cli::exit::{Exit, Failure};
use crate::cli::modules::LoraModules;
use crate::cli::report as talk;
use crate::cli::request::{Asked, ask, images_per_prompt};
use crate::diagnostic::Source;
use crate::lora::{Network, Strength};
use crate::plan::{Plan, Request};
use crate::study::analyzer::{Analysis, AnalysisPlan};
use crate::study::analyzer_prompt::Marked;
use crate::study::xyz_weights::{Run, complement};

pub struct Subject {
    pub asked: Asked,
    pub request: Request,
    pub marked: Marked,
    /// Weight of the changed block and of all others, as written.
    pub range: [String; 2],
    /// The vector of the whole LoRA.
    pub reference: String,
}

impl Subject {
    pub fn new(args: &AnalyzeArgs) -> Result<Self, Failure> {
        let one =
            |flag: &str| Failure::text(format!("{flag}: an analysis has one prompt; use --seeds for more pictures"));
        if args.prompt.prompts.len() != 1 {
            return Err(one("several prompts"));
        }
        if images_per_prompt(&args.prompt)? > 1 {
            return Err(one("--n-iter and --batch-size"));
        }
        if args.seeds == 0 {
            return Err(Failure::text("--seeds 0: an analysis needs at least one seed"));
        }
        if args.threshold.trim().parse::<i64>().is_err() {
            return Err(Failure::text(format!("--threshold {}: the threshold is a whole number", args.threshold)));
        }
        let range: Vec<String> = args.range.split(',').map(|part| part.trim().to_owned()).collect();
        let [value, rest] = match range.as_slice() {
            [value, rest] => [value.clone(), rest.clone()],
            [value, rest, ..] if args.webui_quirks => [value.clone(), rest.clone()],
            _ => {
                let why = "the range has two weights, that of the changed block and that of all others, as in `0,1`";
                return Err(Failure::text(format!("--range {}: {why}", args.range)));
            }
        };
        let mut asked = ask(&args.prompt, &args.files)?;
        let request = asked.requests.pop().ok_or_else(|| one("no prompt"))?;
        let marked =
            Marked::new(&request.prompt.text, args.lora.as_deref()).map_err(|e| Failure::text(e.to_string()))?;
        let reference = vec![rest.as_str(); 26].join(",");
        let subject = Subject { asked, request, marked, range: [value, rest], reference };
        subject.check(args)?;
        Ok(subject)
    }

    /// Says what is wrong or surprising about the prompt.
    fn check(&self, args: &AnalyzeArgs) -> Result<(), Failure> {
        let mut found = self.asked.found.clone();
        // The vectors of the runs have 26 entries, on purpose; nobody needs to be told.
        let ones = ["1"; 12].join(",");
        found.extend(self.lower(self.marked.with(&ones, &ones), self.request.settings.seed).1);
        talk::diagnostics(&found);
        match talk::refuses(&found, args.prompt.strict) {
            true => Err(Failure { exit: Exit::Text, message: String::new() }),
            false => Ok(()),
        }
    }

    pub fn seed(&self) -> i64 {
        i64::try_from(self.request.settings.seed).unwrap_or(i64::MAX)
    }

    pub fn quarter_steps(&mut self) -> Result<(), Failure> {
        let steps = &mut self.request.settings.steps;
        if *steps < 4 {
            return Err(Failure::text(format!("--quick takes a quarter of the steps, and there are only {steps}")));
        }
        *steps /= 4;
        Ok(())
    }

    /// The runs of the analysis; seeds count up.
    pub fn analysis(&self, args: &AnalyzeArgs) -> Result<AnalysisPlan, Failure> {
        let mut next = self.seed();
        let mut draw = || {
            next += 1;
            next - 1
        };
        let analysis = Analysis {
            range: &args.range,
            blocks: &args.blocks,
            seed: self.seed(),
            seeds: args.seeds,
            leftover_z_values: "",
            title: &self.marked.title,
        };
        analysis.plan(&mut draw).map_err(|e| Failure::text(e.to_string()))
    }

    /// The plan of a run.
    pub fn plan(&self, run: &Run) -> Result<Plan, Failure> {
        self.plan_of(self.marked.with(&run.xyz, &run.zyx), run.seed)
    }

    /// The plan without the LoRA under test.
    pub fn base(&self, seed: i64) -> Result<Plan, Failure> {
        self.plan_of(self.marked.without(&self.complement(&self.reference)?), seed)
    }

    pub fn complement(&self, vector: &str) -> Result<String, Failure> {
        complement(vector).map_err(|e| Failure::text(format!("--range: {e}")))
    }

    /// The plan of a prompt and a seed with the settings of the analysis.
    pub fn plan_of(&self, prompt: String, seed: i64) -> Result<Plan, Failure> {
        let seed = u64::try_from(seed).map_err(|_| Failure::text(format!("a seed is 0 or more, not {seed}")))?;
        let (plan, found) = self.lower(prompt, seed);
        plan.ok_or_else(|| {
            talk::diagnostics(&found);
            Failure { exit: Exit::Text, message: String::new() }
        })
    }

    fn lower(&self, prompt: String, seed: u64) -> (Option<Plan>, Vec<crate::diagnostic::Diagnostic>) {
        let mut request = Request { prompt: Source::new("prompt", prompt.as_str()), ..self.request.clone() };
        request.settings.seed = seed;
        self.asked.lower(&request, &self.asked.presets, &LoraModules::new(&self.asked.loras))
    }
}

/// The factor of every module of a plan's networks. Plans of one prompt and seed with equal factors give one picture.
pub fn factors(plan: &Plan, networks: &[std::sync::Arc<Network>]) -> Vec<u64> {
    let of = |(lora, network): (&crate::plan::LoraPlan, &std::sync::Arc<Network>)| {
        let factor = |module: &crate::lora::NetworkModule| {
            let strength = if module.strength() == Strength::Te { lora.te } else { lora.unet };
            // 0 and −0 are one factor.
            (strength * lora.ratio(Family::Sdxl, module.name()) + 0.0).to_bits()
        };
        network.modules().iter().map(factor).collect::<Vec<_>>()
    };
    plan.loras.iter().zip(networks).flat_map(of).collect()
}
