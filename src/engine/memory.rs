//! How much memory a plan takes, and how it gets along with less: known before its first step, from sizes alone.

use std::collections::HashSet;

use super::guided::texts_of;
use super::model::Model;
use super::needs::{Needs, Savings, Short};
use super::networks::Scope;
use super::{Engine, EngineError};
use crate::model::{Asked, Vae};
use crate::plan::{HiresUpscaler, Pass, Plan, Start};

impl Engine {
    /// What `plan` takes, of each part the most in any of its passes.
    pub fn needs(&mut self, plan: &Plan) -> Result<Needs, EngineError> {
        let mut most = Needs { overhead: self.operators.overhead(), ..Needs::default() };
        for pass in plan.passes() {
            let mut needs = self.model.needs(pass)?;
            if let Some(refiner) = self.refiner.as_mut().filter(|_| pass.settings.refiner.is_some()) {
                let other = refiner.needs(pass)?;
                most.text = most.text.max(needs.text + if self.takes_turns { 0 } else { other.text });
                most.unet = most.unet.max(needs.unet + if self.takes_turns { 0 } else { other.unet });
                needs = needs.max(other);
            }
            let (width, height) = pass.size();
            needs.add_pictures(&self.vae, pass, (height as usize / 8, width as usize / 8));
            most = most.max(needs);
        }
        let vae = self.vae_weights.as_ref().unwrap_or(&self.model.weights);
        most.vae = vae.bytes(self.model.architecture.vae.prefix, &HashSet::new()).0;
        Ok(most)
    }

    /// Sees to it that `plan` takes no more memory than it may; says what is saved.
    pub fn save_memory(&mut self, plan: &Plan) -> Result<Savings, EngineError> {
        let Some(most) = self.memory else { return Ok(Savings::default()) };
        let needs = self.needs(plan)?;
        let Some(savings) = needs.within(most) else {
            let fits = self.size_that_fits(plan, most)?;
            return Err(EngineError::Memory(Short { least: needs.least(), most, fits }));
        };
        self.operators.spare(savings.waits);
        self.vae.set_saves(savings.bands);
        let models = std::iter::once(&mut self.model).chain(&mut self.refiner);
        models.into_iter().try_for_each(|model| model.save(plan, savings))?;
        Ok(savings)
    }

    /// The largest size of the same proportions that fits, in steps of a sixteenth; for plans of one pass.
    fn size_that_fits(&mut self, plan: &Plan, most: u64) -> Result<Option<(u32, u32)>, EngineError> {
        if !plan.later.is_empty() {
            return Ok(None);
        }
        let (width, height) = plan.first.size();
        for sixteenths in (4..16).rev() {
            let side = |of: u32| of * sixteenths / 16 / 64 * 64;
            let mut smaller = plan.clone();
            (smaller.first.settings.width, smaller.first.settings.height) = (side(width), side(height));
            let size = smaller.first.size();
            if size.0 >= 64 && size.1 >= 64 && self.needs(&smaller)?.least() <= most {
                return Ok(Some(size));
            }
        }
        Ok(None)
    }
}

impl Needs {
    /// What lies between latents (`height`, `width`) and pictures.
    fn add_pictures(&mut self, vae: &Vae, pass: &Pass, (height, width): (usize, usize)) {
        let encoded = match &pass.start {
            Start::Picture { .. } | Start::Previous { upscaler: HiresUpscaler::Pixel(_), .. } => {
                vae.memory_of_encoding(height, width)
            }
            Start::Noise | Start::Previous { .. } => 0,
        };
        self.picture = vae.memory_of_decoding(height, width, false).max(encoded);
        self.picture_in_bands = vae.memory_of_decoding(height, width, true).max(encoded);
    }
}

impl Model {
    /// Weights and steps of `pass`.
    fn needs(&mut self, pass: &Pass) -> Result<Needs, EngineError> {
        let changed = self.changed(pass)?;
        let mut needs = Needs::default();
        for (prefix, to) in self.text_prefixes().map(|p| (p, true)).chain([(self.architecture.unet.prefix, false)]) {
            let (bytes, largest) = self.weights.bytes(prefix, &changed);
            *(if to { &mut needs.text } else { &mut needs.unet }) += bytes;
            needs.largest = needs.largest.max(largest);
        }
        let (width, height) = pass.size();
        let (texts, separate, tokens) = texts_of(pass);
        let asked = Asked { texts, tokens, height: height as usize / 8, width: width as usize / 8 };
        let (step, kept) = self.unet.memory(asked);
        needs.step = step + kept * (separate - 1) as u64;
        needs.loras = self.networks.bytes(pass)?;
        if self.unloads_text {
            // They are there as long as no step is made.
            needs.step = needs.step.max(std::mem::take(&mut needs.text));
        }
        Ok(needs)
    }

    /// The tensors that LoRAs of `pass` may change at some step: all that they have something for, whatever the weights of its block.
    fn changed(&mut self, pass: &Pass) -> Result<HashSet<String>, EngineError> {
        let mut changed = HashSet::new();
        for active in self.networks.active(pass, 0, Scope::TextEncoding)? {
            for module in active.network.modules() {
                changed.insert(module.target().tensor.clone());
                changed.extend(module.target().bias.clone().filter(|_| module.has_bias()));
            }
        }
        Ok(changed)
    }

    /// Keeps as much of its weights as `savings` say.
    fn save(&mut self, plan: &Plan, savings: Savings) -> Result<(), EngineError> {
        let mut changed = HashSet::new();
        for pass in plan.passes() {
            changed.extend(self.changed(pass)?);
        }
        let text = if savings.text { 0 } else { u64::MAX };
        self.text_prefixes().for_each(|prefix| self.weights.keep(prefix, text, &changed));
        self.weights.keep(self.architecture.unet.prefix, savings.unet.unwrap_or(u64::MAX), &changed);
        Ok(())
    }
}
