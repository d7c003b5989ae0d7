//! What is wrong or surprising about the prompts of a study, told before anything is drawn and with what stands in them.

use super::{Subject, whole};
use crate::app::error::{Error, Result};
use crate::app::scene::{Scene, Version};
use crate::diagnostic::{Diagnostic, Text, code};
use crate::infotext::looks_like_infotext;
use crate::plan::network::lora_tags;
use crate::say;
use crate::study::analyzer_prompt::{Marked, marked_names};
use crate::syntax::Prompt;

impl Subject {
    /// All that is to be said of the prompt, and of `others` that are drawn with its settings; an error where something refuses. In the
    /// prompts the mark is the whole LoRA.
    pub fn check(&self, lora: Option<&str>, others: &[String]) -> Result<Vec<Diagnostic>> {
        if let Some(text) = others.iter().find(|text| looks_like_infotext(text)) {
            let first = text.lines().next().unwrap_or_default();
            let message = say!(
                "`{first}` … is an infotext, and the settings are those of the study",
                "`{first}` … は infotext です。設定は分析と同じものを使います"
            );
            return Err(Error::words(code::STUDY, message)
                .help(say!("give its prompt alone", "プロンプトだけを書いてください")));
        }
        let mut found: Vec<Diagnostic> = Vec::new();
        let mut told: Vec<&str> = Vec::new();
        let presets = self.session.presets.with_marks(&whole(self.request.family));
        for text in [&*self.request.prompt.text].into_iter().chain(others.iter().map(String::as_str)) {
            if told.contains(&text) {
                continue;
            }
            told.push(text);
            let request = self.request_of(text, self.request.settings.clone());
            let own = Marked::new(text, lora).ok().filter(|own| own.names == self.marked.names);
            for one in self.session.lower(&request, &presets).1.into_iter().chain(replaced(own.as_ref())) {
                // What is about the settings is so of every prompt.
                if !found.contains(&one) {
                    found.push(one);
                }
            }
            if own.is_none() {
                found.extend(self.with_others(text));
            }
        }
        match self.session.refuses(&found) {
            true => Err(Error::refused(found)),
            false => Ok(found),
        }
    }

    /// Of a prompt without the LoRA under test: that it is added beside others; and that another may not be marked.
    fn with_others(&self, text: &str) -> Option<Diagnostic> {
        let tags = Prompt::parse(text).tags;
        if lora_tags(&tags).is_empty() {
            return None;
        }
        let (names, marked) = (Text::list(&self.marked.names), marked_names(text));
        if !marked.is_empty() {
            let marked = Text::list(&marked);
            let message = say!(
                "`{text}`: {marked} is marked here, and the LoRA under test is {names}",
                "`{text}`: ここでは {marked} に印がありますが、調べる LoRA は {names} です",
                with marked, names
            );
            let help = say!(
                "mark the same LoRA in every prompt, or in the first alone",
                "どのプロンプトでも同じ LoRA に印を付けるか、最初のプロンプトだけに付けてください"
            );
            return Some(Diagnostic::new(code::STUDY, message).help(help));
        }
        let message = say!(
            "`{text}`: its LoRAs stay as they are, and {names} is added",
            "`{text}`: 書かれている LoRA はそのままで、{names} を加えます",
            with names
        );
        Some(Diagnostic::new(code::PLANNED, message))
    }

    /// An error where a tag of the LoRA under test has a window of its own, here or in `others`: `why` says what that stands in the way of.
    pub fn refuse_windows(&self, lora: Option<&str>, others: &[String], why: &Text) -> Result<()> {
        let is_meant = |name: &str| self.marked.names.iter().any(|meant| meant == name);
        for text in [&*self.request.prompt.text].into_iter().chain(others.iter().map(String::as_str)) {
            let scene = Scene { prompt: text.to_owned(), seed: self.seed() };
            let full = scene.plan(self, lora, Version::Vector(&self.reference), self.whole_steps())?;
            if let Some(lora) = full.loras().find(|lora| is_meant(&lora.name) && !lora.window.is_always()) {
                let name = &lora.name;
                let message = say!(
                    "the tag of {name} has start=, stop= or step=, and {why}",
                    "{name} のタグに start=・stop=・step= がありますが、{why}",
                    with why
                );
                return Err(Error::words(code::STUDY, message)
                    .help(say!("take it out of the tag", "タグからそれを外してください")));
            }
        }
        Ok(())
    }
}

/// The weights in a prompt that are not those it is drawn with.
fn replaced(own: Option<&Marked>) -> Vec<Diagnostic> {
    let weights = own.map_or(&[][..], |own| &own.replaced).iter().filter(|weights| *weights != "XYZ");
    let said = |weights: &String| {
        let message = say!(
            "lbw={weights}: the weights that are tried take the place of these; every other block is as in the whole LoRA",
            "lbw={weights}: この重みの代わりに、試す重みが使われます。ほかのブロックは LoRA 全体のままです"
        );
        Diagnostic::new(code::WITHOUT_EFFECT, message)
    };
    weights.map(said).collect()
}

/// What is said of prompts to verify on: which of them are given twice.
pub fn twice(prompts: &[String]) -> Vec<Diagnostic> {
    let again = prompts.iter().enumerate().filter(|(at, prompt)| prompts[..*at].contains(prompt));
    let said = |(_, prompt): (usize, &String)| {
        let message =
            say!("--verify-prompt `{prompt}` is given twice", "--verify-prompt `{prompt}` が二度指定されています");
        Diagnostic::new(code::WITHOUT_EFFECT, message)
    };
    again.map(said).collect()
}
