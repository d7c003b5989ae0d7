//! Prompts with seeds that a study draws, each with the LoRA under test in several versions.

use super::easel::Easel;
use super::error::{Error, Result};
use super::session::Asked;
use super::subject::{Subject, factors};
use crate::diagnostic::{Source, code};
use crate::plan::{Plan, Request, Settings};
use crate::say;
use crate::study::analyzer_prompt::{Marked, tags_behind};

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
    if let Some(at) = asked.iter().position(|asked| Marked::new(&asked.request.prompt.text, lora).is_ok()) {
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

/// Of blocks with their weights in the whole LoRA's vector, those in which the LoRA does anything at all. Says what is surprising about the
/// files. `plan` makes a plan with a vector.
pub fn that_matter(
    easel: &mut Easel<'_>,
    subject: &Subject,
    blocks: impl Iterator<Item = (usize, f64)>,
    plan: impl Fn(&str) -> Result<Plan>,
) -> Result<Vec<usize>> {
    let full = plan(&subject.reference)?;
    easel.check(&full)?;
    let networks = easel.renderer.modules(&full, &subject.model)?;
    let (names, of_full) = (subject.blocks(), factors(&full, &networks));
    let mut matter = Vec::new();
    for (block, weight) in blocks {
        // Any other weight shows whether the LoRA has weights there.
        let other = subject.vector([(names[block], weight + 1.0)].into_iter())?;
        if factors(&plan(&other)?, &networks) != of_full {
            matter.push(block);
        }
    }
    Ok(matter)
}
