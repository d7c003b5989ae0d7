//! Prompts with seeds that a study draws, each with the LoRA under test in several versions.

use super::draw::{Event, Sink};
use super::easel::Easel;
use super::error::{Error, Result};
use super::session::Asked;
use super::subject::{Subject, factors, idle};
use crate::diagnostic::{Diagnostic, Source, Text, code};
use crate::plan::{Plan, Request, Settings};
use crate::say;
use crate::study::analyzer_prompt::{self, Marked, tags_behind};
use crate::study::words::Idle;

/// A prompt and a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// As it was given, with the LoRA's tag or without.
    pub prompt: String,
    pub seed: i64,
}

/// What is drawn of a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version<'a> {
    /// Without the LoRA.
    Base,
    /// With this vector.
    Vector(&'a str),
    /// With this vector of some blocks on the base model, from one step on and up to another. What is marked `ZYX` is as it is there.
    Alone(&'a str, Option<[u32; 2]>),
}

impl Scene {
    /// The prompt with the LoRA under test at a vector, or without it.
    pub fn text(&self, subject: &Subject, lora: Option<&str>, version: Version<'_>) -> Result<String> {
        let of_base = || subject.complement(&subject.reference);
        let edit = |marked: &Marked| -> Result<String> {
            Ok(match version {
                Version::Base => marked.without(&of_base()?),
                Version::Vector(vector) => marked.with(vector, &subject.complement(vector)?),
                Version::Alone(vector, None) => marked.with(vector, &of_base()?),
                Version::Alone(vector, Some([from, to])) => {
                    marked.with(&format!("{vector}:step={from}-{to}"), &of_base()?)
                }
            })
        };
        match Marked::new(&self.prompt, lora) {
            Ok(own) if own.names == subject.marked.names => edit(&own),
            _ => Ok(tags_behind(&self.prompt, &edit(&subject.marked)?)),
        }
    }

    /// The plan of it, with all steps or fewer.
    pub fn plan(&self, subject: &Subject, lora: Option<&str>, version: Version<'_>, steps: u32) -> Result<Plan> {
        subject.plan_with(self.text(subject, lora, version)?, self.seed, steps)
    }
}

/// The first of all that is asked for, and the words of all. Where a prompt says nothing, the first with the LoRA says how it is used. The
/// others are drawn with its settings, so theirs may not be different.
pub fn one_setting(mut asked: Vec<Asked>, lora: Option<&str>) -> Result<(Asked, Vec<String>)> {
    let marked = |asked: &Asked| Marked::new(&asked.request.prompt.text, lora);
    let says_how = asked.iter().position(|asked| marked(asked).is_ok());
    // Where none does, the one that comes nearest to it says what is missing.
    let is_near = |asked: &Asked| marked(asked).is_err_and(|error| error != analyzer_prompt::Error::NoLora);
    if let Some(at) = says_how.or_else(|| asked.iter().position(is_near)) {
        asked.swap(0, at);
    }
    let texts = asked.iter().map(|asked| asked.request.prompt.text.to_string()).collect();
    let mut asked = asked.into_iter();
    let Some(first) = asked.next() else {
        return Err(Error::words(code::GOAL, say!("there is no prompt", "プロンプトがありません")));
    };
    let alike = |request: &Request| Request {
        prompt: Source::new("prompt", ""),
        settings: Settings { seed: 0, ..request.settings.clone() },
        ..request.clone()
    };
    let (wanted, mut others) = (alike(&first.request), asked);
    match others.find(|other| alike(&other.request) != wanted || other.model != first.model) {
        None => Ok((first, texts)),
        Some(other) => {
            let prompt = &other.request.prompt.text;
            let message = say!(
                "`{prompt}`: all prompts are drawn with the same settings, and these are others",
                "`{prompt}`: すべてのプロンプトは同じ設定で描きますが、この設定は違います"
            );
            Err(Error::words(code::STUDY, message))
        }
    }
}

/// Says which prompts count steps and are drawn with fewer than were asked for.
pub fn say_of_steps(
    sink: &mut dyn Sink,
    subject: &Subject,
    lora: Option<&str>,
    scenes: &[Scene],
    steps: u32,
) -> Result<()> {
    let mut told: Vec<&str> = Vec::new();
    for scene in scenes {
        let prompt = scene.prompt.as_str();
        if told.contains(&prompt) {
            continue;
        }
        told.push(prompt);
        let whole = subject.whole_steps();
        let few = scene.plan(subject, lora, Version::Base, steps)?;
        if !changes_alike(&few, &scene.plan(subject, lora, Version::Base, whole)?) {
            let message = say!(
                "`{prompt}` counts steps: of the {steps} that are drawn with here they are others than of {whole}",
                "`{prompt}` はステップの番号で変わります。ここでは {whole} ではなく {steps} ステップで描くので、時期がずれます"
            );
            let found = Diagnostic::new(code::WITHOUT_EFFECT, message).help(say!(
                "write shares of the steps, as in `[a:b:0.3]`; `start=`, `stop=` and `step=` of a LoRA count them",
                "`[a:b:0.3]` のように割合で書いてください。LoRA の `start=`・`stop=`・`step=` はステップの番号です"
            ));
            sink.event(Event::Found(&found));
        }
    }
    Ok(())
}

/// Whether the texts and LoRAs of two plans change at the same time, as far as the fewer steps can tell.
fn changes_alike(few: &Plan, whole: &Plan) -> bool {
    let changes = |plan: &Plan| -> Vec<Vec<f64>> {
        let steps = f64::from(plan.settings().steps.max(1));
        let texts = plan.first.positive.iter().map(|part| &part.schedule).chain([&plan.first.negative]);
        let texts = texts.map(|text| text.iter().map(|segment| f64::from(segment.last_step) / steps).collect());
        let loras = plan.loras().map(|lora| {
            let window = [lora.window.start, lora.window.stop].into_iter().flatten().map(|step| step as f64);
            let (unet, blocks) = (lora.over_time.unet.iter(), lora.over_time.blocks.iter());
            let places = unet.map(|point| point.step).chain(blocks.map(|point| point.step));
            window.chain(places).map(|step| step / steps).collect()
        });
        texts.chain(loras).collect()
    };
    let one = 1.0 / f64::from(few.settings().steps.max(1));
    let (few, whole) = (changes(few), changes(whole));
    few.len() == whole.len()
        && few.iter().zip(&whole).all(|(few, whole)| {
            few.len() == whole.len() && few.iter().zip(whole).all(|(few, whole)| (few - whole).abs() <= one)
        })
}

/// Blocks by whether their weights change anything.
#[derive(Default)]
pub struct Working {
    /// Those that do.
    pub blocks: Vec<usize>,
    /// The others, and why not.
    pub idle: Vec<(usize, Idle)>,
}

/// Of blocks with their weights in the whole LoRA's vector, those in which the LoRA does anything at all, and why it does nothing in the
/// others. Says what is surprising about the files. `plan` makes a plan with a vector.
pub fn that_matter(
    easel: &mut Easel<'_>,
    subject: &Subject,
    blocks: impl Iterator<Item = (usize, f64)>,
    plan: impl Fn(&str) -> Result<Plan>,
) -> Result<Working> {
    let full = plan(&subject.reference)?;
    easel.check(&full)?;
    let networks = easel.renderer.modules(&full, &subject.model)?;
    let (names, of_full) = (subject.blocks(), factors(&full, &networks));
    let mut working = Working::default();
    for (block, weight) in blocks {
        // Any other weight shows whether the LoRA has weights there.
        let other = plan(&subject.vector([(names[block], weight + 1.0)].into_iter())?)?;
        match factors(&other, &networks) == of_full {
            true => working.idle.push((block, idle(&other, &full, &networks))),
            false => working.blocks.push(block),
        }
    }
    if !working.blocks.is_empty() {
        return Ok(working);
    }
    let names = Text::list(&subject.marked.names);
    let is_off = of_full.iter().all(|factor| *factor == 0);
    if working.idle.iter().any(|(_, why)| *why == Idle::Elements) && !is_off {
        let message = say!(
            "element rules (lbwe=) say all ratios of {names}, so the weights of its blocks change nothing",
            "要素ルール (lbwe=) が {names} の比率をすべて決めるので、ブロックの重みでは何も変わりません",
            with names
        );
        return Err(Error::words(code::STUDY, message)
            .help(say!("take lbwe= out of the tag", "タグから lbwe= を外してください")));
    }
    let message = match is_off {
        true => say!(
            "{names} changes nothing here: its strength is 0, or it has no weights for this model",
            "{names} はここでは何も変えません。強度が 0 か、このモデル用の重みがありません",
            with names
        ),
        false => say!(
            "{names} has no weights in any block, only outside of them",
            "{names} の重みはどのブロックにもなく、ブロックの外だけにあります",
            with names
        ),
    };
    Err(Error::words(code::STUDY, message))
}
