//! One model call of a sampler: the right conditioning, the right LoRA factors, the fewest UNet calls.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;

use candle_core::{DType, Tensor};

use super::batches::{Batch, Key, lengthened};
use super::event::tell;
use super::model::Model;
use super::networks::Scope;
use super::prompt::PromptConditioning;
use super::refiner::Refiner;
use super::{EngineError, Event, Observer};
use crate::model::{Progress, Watch};
use crate::plan::{Moment, PadConds, Pass, Segment};
use crate::sampling::{Error, Guided, Predictions, Step};
use crate::text::{CHUNK, Conditioning};

/// What the model and the step callback both touch.
pub(super) struct Shared<'a> {
    observer: RefCell<Observer<'a>>,
    /// The step that webui's extensions see: the one last reported.
    sampling_step: Cell<usize>,
    /// The last step, and the sum of the latent that it began with.
    last: RefCell<Option<(usize, Tensor)>>,
}

impl<'a> Shared<'a> {
    pub(super) fn new(observer: Observer<'a>) -> Self {
        Shared { observer: RefCell::new(observer), sampling_step: Cell::new(0), last: RefCell::default() }
    }

    pub(super) fn step(&self, step: &Step<'_>, steps: usize) -> Result<(), Error> {
        self.sampling_step.set(step.index);
        // The only number that is read back, and a step later: until then a card has it ready.
        let sum = step.x.sum_all()?.to_dtype(DType::F32)?;
        let before = self.last.replace(Some((step.index, sum)));
        before.map_or(Ok(()), is_number)?;
        let event = Event::Step { index: step.index, steps, x: step.x, denoised: step.denoised };
        self.tell(event).map_err(Error::caller)
    }

    /// Refuses what the last step began with, and the `latent` that it made, where they are no numbers.
    pub(super) fn end(&self, latent: &Tensor) -> Result<(), Error> {
        let Some((index, sum)) = self.last.take() else { return Ok(()) };
        is_number((index, sum))?;
        is_number((index, latent.sum_all()?.to_dtype(DType::F32)?))
    }

    fn ask(&self, event: Event<'_>) -> ControlFlow<()> {
        (self.observer.borrow_mut())(event)
    }

    fn tell(&self, event: Event<'_>) -> Result<(), EngineError> {
        tell(&mut |event| self.ask(event), event)
    }
}

fn is_number((index, sum): (usize, Tensor)) -> Result<(), Error> {
    match sum.to_scalar::<f32>()?.is_finite() {
        true => Ok(()),
        false => Err(Error::caller(EngineError::NanLatent { step: index + 1 })),
    }
}

/// The UNet as samplers see it.
pub(super) struct GuidedUnet<'a> {
    pub pass: &'a Pass,
    pub conditioning: PromptConditioning,
    /// What shorter texts are lengthened with, where the settings say so: the encoding of an empty prompt, (1, 77, width).
    pub empty: Option<Tensor>,
    pub model: &'a mut Model,
    /// The model that will take over.
    pub refiner: Option<Refiner<'a>>,
    /// Whether the model that is done gives its memory back.
    pub takes_turns: bool,
    /// What an inpainting network is given beside the latent, (1, 5, h, w).
    pub beside: Option<&'a Tensor>,
    pub shared: &'a Shared<'a>,
    /// [`EngineOptions::skip_unused`](super::EngineOptions::skip_unused).
    pub skip_unused: bool,
    /// Model calls so far; webui chooses prompts by it.
    pub calls: u32,
    /// What was in force of each LoRA at the last call.
    pub in_force: Option<Vec<Moment<'a>>>,
}

impl Guided for GuidedUnet<'_> {
    fn predict(&mut self, x_in: &Tensor, t: f32, level: f32) -> Result<Predictions, Error> {
        self.hand_over(level).map_err(Error::caller)?;
        self.follow_steps().map_err(Error::caller)?;
        let skip = self.skips_negative(level);
        let conditioning = self.conditioning.clone();
        let parts = conditioning.parts.iter().filter_map(|(w, s)| Some((*w, s.at(self.calls)?)));
        let (weights, conds): (Vec<f64>, Vec<&Conditioning>) = parts.unzip();
        self.calls += 1;

        let negative = conditioning.negative.at(self.calls - 1).filter(|_| !skip);
        let keeps_negative = self.uses_negative(&weights);
        let batches = self.batches(&conds, negative, keeps_negative)?;
        let mut outputs = Vec::new();
        for batch in &batches {
            outputs.extend(self.forward(x_in, t, batch)?);
        }
        self.shared.tell(Event::Predicted { outputs: &outputs }).map_err(Error::caller)?;
        let uncond = negative.filter(|_| keeps_negative).and_then(|_| outputs.pop());
        Ok(Predictions { parts: outputs.into_iter().zip(weights).collect(), uncond })
    }
}

impl GuidedUnet<'_> {
    /// Lets the refiner take over, if this is its time: with texts that are its own, under the same LoRAs.
    fn hand_over(&mut self, level: f32) -> Result<(), EngineError> {
        let Some(Refiner { model, .. }) = self.refiner.take_if(|refiner| refiner.switch.is_due(self.calls, level))
        else {
            return Ok(());
        };
        if self.takes_turns {
            self.model.unload();
        }
        let shared = self.shared;
        let observer: Observer<'_> = &mut |event| shared.ask(event);
        self.conditioning = model.condition(self.pass, observer)?;
        if self.empty.is_some() {
            self.empty = Some(model.empty_prompt(observer)?);
        }
        self.model = model;
        self.in_force = None;
        Ok(())
    }

    /// Puts the LoRA factors of this step in force, if they are not those of the step before.
    fn follow_steps(&mut self) -> Result<(), EngineError> {
        let sampling_step = self.shared.sampling_step.get() as i64;
        let pass = self.pass;
        let now: Vec<Moment<'_>> = pass.loras.iter().map(|lora| lora.at(sampling_step)).collect();
        if self.in_force.as_ref() == Some(&now) {
            return Ok(());
        }
        let active = self.model.networks.active(self.pass, sampling_step, Scope::Sampling)?;
        let mut merging = |Progress { part, of }| self.shared.ask(Event::Merging { part, of });
        let parameters = self.model.weights.apply(&active, &mut Watch::new(&mut merging))?;
        if parameters > 0 {
            self.shared.tell(Event::Merged { parameters })?;
        }
        self.in_force = Some(now);
        Ok(())
    }

    /// Options of webui that leave out the negative prompt: every second call (or all) below a noise level, and the first
    /// share of the steps.
    fn skips_negative(&self, level: f32) -> bool {
        let s = &self.pass.settings;
        let below = s.s_min_uncond > 0.0 && f64::from(level) < s.s_min_uncond;
        let turn = s.s_min_uncond_all || self.calls % 2 == 1;
        let progress = f64::from(self.calls) / f64::from(s.schedule_steps().max(1));
        (below && turn) || (s.skip_early_cond > 0.0 && progress <= s.skip_early_cond)
    }

    /// At CFG 1 a single part of weight 1 is all of u + (c − u) · 1, except where the sampler moves along u.
    fn uses_negative(&self, weights: &[f64]) -> bool {
        let s = &self.pass.settings;
        !self.skip_unused || s.cfg_scale != 1.0 || weights != [1.0] || s.sampler.uses_uncond()
    }

    /// What the UNet is asked, parts first and the negative prompt last, the same tensors whenever the same texts are asked for.
    fn batches(
        &mut self,
        parts: &[&Conditioning],
        negative: Option<&Conditioning>,
        keeps_negative: bool,
    ) -> Result<Vec<Batch>, Error> {
        let pads = self.pass.settings.pad_conds;
        let tensors = |c: &&Conditioning| [Some(c.crossattn.id()), c.vector.as_ref().map(Tensor::id)];
        let key = Key {
            parts: parts.iter().map(tensors).collect(),
            negative: negative.as_ref().map(tensors),
            keeps_negative,
            pads,
            empty: self.empty.as_ref().map(Tensor::id),
        };
        if let Some(batches) = self.model.batches.get(&key) {
            return Ok(batches);
        }
        let padded = negative.map(|negative| self.padded(parts, negative)).transpose()?;
        let (parts, negative) = match &padded {
            Some((parts, negative)) => (parts.iter().collect(), Some(negative).filter(|_| keeps_negative)),
            None => (parts.to_vec(), None),
        };
        let together = negative.filter(|n| same_length(&parts, n));
        let mut batches = Batch::several(&parts.iter().copied().chain(together).collect::<Vec<_>>())?;
        if let (Some(negative), None) = (negative, together) {
            batches.extend(Batch::several(&[negative])?);
        }
        Ok(self.model.batches.keep(key, batches))
    }

    /// Parts and negative prompt brought to one length, where the settings say so.
    fn padded(
        &self,
        parts: &[&Conditioning],
        negative: &Conditioning,
    ) -> candle_core::Result<(Vec<Conditioning>, Conditioning)> {
        let mut parts: Vec<Conditioning> = parts.iter().map(|c| (*c).clone()).collect();
        let mut negative = negative.clone();
        let lengths = parts.iter().map(|c| c.crossattn.dim(1)).collect::<candle_core::Result<Vec<_>>>()?;
        let longest = lengths.into_iter().max().unwrap_or(0);
        let length = negative.crossattn.dim(1)?;
        match (self.pass.settings.pad_conds, self.empty.as_ref()) {
            (PadConds::EmptyPrompts, Some(empty)) if length < longest => {
                negative.crossattn = with_empty(&negative.crossattn, longest, empty)?;
            }
            (PadConds::EmptyPrompts, Some(empty)) if length > longest => {
                for part in &mut parts {
                    let own = lengthened(&part.crossattn, longest)?;
                    part.crossattn = with_empty(&own, length, empty)?;
                }
            }
            (PadConds::NegativeOnly, _) if length < longest => {
                negative.crossattn = lengthened(&negative.crossattn, longest)?;
            }
            (PadConds::NegativeOnly, _) if length > longest => {
                negative.crossattn = negative.crossattn.narrow(1, 0, longest)?;
            }
            _ => {}
        }
        Ok((parts, negative))
    }

    /// The raw output for each conditioning of a batch.
    fn forward(&self, x: &Tensor, t: f32, batch: &Batch) -> Result<Vec<Tensor>, Error> {
        let x = match self.beside {
            Some(beside) => Tensor::cat(&[x, beside], 1)?,
            None => x.clone(),
        };
        let x = x.repeat((batch.count, 1, 1, 1))?;
        let t = Tensor::full(t, batch.count, x.device())?;
        let (mut part, of) = (0, self.model.unet.blocks());
        let mut tap = |id: &str, _: &Tensor| {
            part += 1;
            self.shared.ask(Event::Block { id, part, of })
        };
        let ratio = self.pass.settings.token_merging_ratio;
        let (unet, vector) = (&self.model.unet, batch.vector.as_ref());
        let output = unet.forward_merging(&x, &t, &batch.context, vector, ratio, &mut tap);
        let output = output.map_err(|error| Error::caller(EngineError::from(error)))?;
        (0..batch.count).map(|i| Ok(output.narrow(0, i, 1)?)).collect()
    }
}

/// How many texts of `pass` go through the UNet together at most, in how many calls a step asks for all of them, and about how many
/// tokens the longest has: those of words are counted by their letters.
pub(super) fn texts_of(pass: &Pass) -> (usize, usize, usize) {
    const LETTERS_OF_A_TOKEN: usize = 4;
    let letters = |schedule: &[Segment]| {
        let of = |segment: &Segment| segment.pieces.iter().map(|piece| piece.text.len()).sum::<usize>();
        schedule.iter().map(of).max().unwrap_or(0)
    };
    let chunks = |schedule: &[Segment]| (letters(schedule) / LETTERS_OF_A_TOKEN).div_ceil(CHUNK - 2).max(1);
    let positive = pass.positive.iter().map(|part| chunks(&part.schedule)).max().unwrap_or(1);
    let negative = chunks(&pass.negative);
    let guides = usize::from(pass.settings.cfg_scale != 1.0 || pass.settings.sampler.uses_uncond());
    let together = if positive == negative { guides } else { 0 };
    let calls = (pass.positive.len() + together).div_ceil(Batch::MOST) + guides - together;
    let changes = pass.positive.iter().map(|part| part.schedule.len()).max().unwrap_or(1);
    let texts = (pass.positive.len() + together).min(Batch::MOST);
    (texts, calls.max(changes).min(2), CHUNK * positive.max(negative))
}

/// `crossattn` with as many whole `empty` prompts behind it as fit into `length`.
fn with_empty(crossattn: &Tensor, length: usize, empty: &Tensor) -> candle_core::Result<Tensor> {
    let times = length.saturating_sub(crossattn.dim(1)?) / empty.dim(1)?.max(1);
    Tensor::cat(&[crossattn, &empty.repeat((1, times, 1))?], 1)
}

/// Whether the longest part and the negative prompt have equally many tokens, so that they can share a batch.
fn same_length(parts: &[&Conditioning], negative: &Conditioning) -> bool {
    let tokens = |c: &Conditioning| c.crossattn.dim(1).ok();
    parts.iter().map(|c| tokens(c)).max().flatten() == tokens(negative)
}
