//! One model call of a sampler: the right conditioning, the right LoRA factors, the fewest UNet calls.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;

use candle_core::{DType, Tensor, TensorId};

use super::event::tell;
use super::networks::{Networks, Scope};
use super::prompt::PromptConditioning;
use super::{EngineError, Event, Observer};
use crate::model::{Progress, Unet, Watch, Weights};
use crate::plan::{Moment, PadConds, Pass};
use crate::sampling::{Error, Guided, Predictions, Step};
use crate::text::Conditioning;

/// What the model and the step callback both touch.
pub(super) struct Shared<'a> {
    observer: RefCell<Observer<'a>>,
    /// The step that webui's extensions see: the one last reported.
    sampling_step: Cell<usize>,
}

impl<'a> Shared<'a> {
    pub(super) fn new(observer: Observer<'a>) -> Self {
        Shared { observer: RefCell::new(observer), sampling_step: Cell::new(0) }
    }

    pub(super) fn step(&self, step: &Step<'_>, steps: usize) -> Result<(), Error> {
        self.sampling_step.set(step.index);
        // The only number that is read back at each step.
        let sum = step.x.sum_all()?.to_dtype(DType::F32)?.to_scalar::<f32>()?;
        if sum.is_nan() {
            return Err(Error::caller(EngineError::NanLatent { step: step.index + 1 }));
        }
        let event = Event::Step { index: step.index, steps, x: step.x, denoised: step.denoised };
        self.tell(event).map_err(Error::caller)
    }

    fn ask(&self, event: Event<'_>) -> ControlFlow<()> {
        (self.observer.borrow_mut())(event)
    }

    fn tell(&self, event: Event<'_>) -> Result<(), EngineError> {
        tell(&mut |event| self.ask(event), event)
    }
}

/// The UNet as samplers see it.
pub(super) struct GuidedUnet<'a> {
    pub pass: &'a Pass,
    pub conditioning: &'a PromptConditioning,
    /// What shorter texts are lengthened with, where the settings say so: the encoding of an empty prompt, (1, 77, width).
    pub empty: Option<&'a Tensor>,
    pub unet: &'a Unet,
    pub batches: &'a mut Batches,
    pub weights: &'a mut Weights,
    pub networks: &'a mut Networks,
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
        self.follow_steps().map_err(Error::caller)?;
        let skip = self.skips_negative(level);
        let conditioning = self.conditioning;
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
    /// Puts the LoRA factors of this step in force, if they are not those of the step before.
    fn follow_steps(&mut self) -> Result<(), EngineError> {
        let sampling_step = self.shared.sampling_step.get() as i64;
        let pass = self.pass;
        let now: Vec<Moment<'_>> = pass.loras.iter().map(|lora| lora.at(sampling_step)).collect();
        if self.in_force.as_ref() == Some(&now) {
            return Ok(());
        }
        let active = self.networks.active(self.pass, sampling_step, Scope::Sampling)?;
        let mut merging = |Progress { part, of }| self.shared.ask(Event::Merging { part, of });
        let parameters = self.weights.apply(&active, &mut Watch::new(&mut merging))?;
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
            empty: self.empty.map(Tensor::id),
        };
        if let Some(batches) = self.batches.get(&key) {
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
        Ok(self.batches.keep(key, batches))
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
        match (self.pass.settings.pad_conds, self.empty) {
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
        let x = x.repeat((batch.count, 1, 1, 1))?;
        let t = Tensor::full(t, batch.count, x.device())?;
        let (mut part, of) = (0, self.unet.blocks());
        let mut tap = |id: &str, _: &Tensor| {
            part += 1;
            self.shared.ask(Event::Block { id, part, of })
        };
        let output = self.unet.forward(&x, &t, &batch.context, batch.vector.as_ref(), &mut tap);
        let output = output.map_err(|error| Error::caller(EngineError::from(error)))?;
        (0..batch.count).map(|i| Ok(output.narrow(0, i, 1)?)).collect()
    }
}

/// Conditionings that the UNet is given together.
#[derive(Clone)]
struct Batch {
    context: Tensor,
    vector: Option<Tensor>,
    count: usize,
}

impl Batch {
    /// So many texts go through the UNet together: more of them take more memory and no less time.
    const MOST: usize = 8;

    /// Shorter texts are lengthened by repeating their last vector, all of them to one length.
    fn several(conds: &[&Conditioning]) -> candle_core::Result<Vec<Self>> {
        let tokens = conds.iter().map(|c| c.crossattn.dim(1)).collect::<candle_core::Result<Vec<_>>>()?;
        let longest = tokens.into_iter().max().unwrap_or(0);
        conds.chunks(Self::MOST).map(|conds| Self::new(conds, longest)).collect()
    }

    fn new(conds: &[&Conditioning], longest: usize) -> candle_core::Result<Self> {
        let texts = conds.iter().map(|c| lengthened(&c.crossattn, longest)).collect::<candle_core::Result<Vec<_>>>()?;
        let vectors: Option<Vec<&Tensor>> = conds.iter().map(|c| c.vector.as_ref()).collect();
        let vector = vectors.map(|vectors| Tensor::cat(&vectors, 0)).transpose()?;
        Ok(Batch { context: Tensor::cat(&texts, 0)?, vector, count: conds.len() })
    }
}

/// Which tensors, put together how.
#[derive(PartialEq)]
struct Key {
    parts: Vec<[Option<TensorId>; 2]>,
    negative: Option<[Option<TensorId>; 2]>,
    keeps_negative: bool,
    pads: PadConds,
    empty: Option<TensorId>,
}

/// The last batches made. The UNet knows a text by its tensor, and keeps what it makes of it.
#[derive(Default)]
pub(super) struct Batches(Vec<(Key, Vec<Batch>)>);

impl Batches {
    /// With and without the negative prompt, before and after a change of the prompt.
    const KEPT: usize = 4;

    fn get(&self, key: &Key) -> Option<Vec<Batch>> {
        self.0.iter().find(|(kept, _)| kept == key).map(|(_, batches)| batches.clone())
    }

    fn keep(&mut self, key: Key, batches: Vec<Batch>) -> Vec<Batch> {
        if self.0.len() == Self::KEPT {
            self.0.remove(0);
        }
        self.0.push((key, batches.clone()));
        batches
    }
}

/// `crossattn` with its last vector repeated up to `length`.
fn lengthened(crossattn: &Tensor, length: usize) -> candle_core::Result<Tensor> {
    let tokens = crossattn.dim(1)?;
    if tokens >= length {
        return Ok(crossattn.clone());
    }
    let last = crossattn.narrow(1, tokens - 1, 1)?.repeat((1, length - tokens, 1))?;
    Tensor::cat(&[crossattn, &last], 1)
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
