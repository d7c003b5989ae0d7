//! The conditioning of a whole plan, over its steps.

use candle_core::{DType, Device, Tensor};

use super::EngineError;
use crate::plan::{Piece, Plan, Schedule};
use crate::text::{CHUNK, Conditioning, Embeddings, EncodeOptions, Sizes, TextEncoders};

/// Conditioning per step for every part of the prompt and for the negative prompt.
#[derive(Debug, Clone)]
pub struct PromptConditioning {
    /// Each with its weight.
    pub parts: Vec<(f64, Scheduled)>,
    /// Of the negative prompt.
    pub negative: Scheduled,
}

/// Conditionings in order with the last step each is used at.
#[derive(Debug, Clone)]
pub struct Scheduled(pub Vec<(u32, Conditioning)>);

impl Scheduled {
    /// What is used at the model call number `call` (0-based): the first entry whose last step is not before it, or
    /// webui's fallback, the first of all.
    pub fn at(&self, call: u32) -> Option<&Conditioning> {
        self.0.iter().find(|(last, _)| call <= *last).or(self.0.first()).map(|(_, c)| c)
    }
}

/// The plan-independent key of a conditioning.
#[derive(PartialEq)]
struct Key {
    parts: Vec<(f64, Schedule)>,
    negative: Schedule,
    options: EncodeOptions,
    sizes: Sizes,
    /// Text-encoder factors of the networks in force.
    networks: String,
}

/// The last conditionings made, so that a change of UNet weights alone does not encode again.
#[derive(Default)]
pub(super) struct Cache(Vec<(Key, PromptConditioning)>);

/// Entries kept; a grid alternates between few prompts at a time.
const KEPT: usize = 8;

impl Cache {
    /// The conditioning of `plan`, and whether the text encoders had to run for it.
    pub(super) fn get(
        &mut self,
        plan: &Plan,
        networks: String,
        text: &TextEncoders,
        embeddings: &Embeddings,
        context_dim: usize,
        device: &Device,
    ) -> Result<(PromptConditioning, bool), EngineError> {
        let s = &plan.settings;
        let key = Key {
            parts: plan.positive.iter().map(|p| (p.weight, p.schedule.clone())).collect(),
            negative: plan.negative.clone(),
            options: EncodeOptions {
                emphasis: s.emphasis,
                clip_l_layer: if s.clip_skip_sdxl { s.clip_skip.max(1) } else { 2 },
                comma_padding_backtrack: s.comma_padding_backtrack,
            },
            sizes: Sizes { height: s.height, width: s.width, crop_top: s.crop_top, crop_left: s.crop_left },
            networks,
        };
        if let Some(at) = self.0.iter().position(|(k, _)| *k == key) {
            // Most recently used last.
            let hit = self.0.remove(at);
            let conditioning = hit.1.clone();
            self.0.push(hit);
            return Ok((conditioning, false));
        }
        let conditioning = key.encode(text, embeddings, context_dim, device)?;
        if self.0.len() == KEPT {
            self.0.remove(0);
        }
        self.0.push((key, conditioning.clone()));
        Ok((conditioning, true))
    }
}

impl Key {
    fn encode(
        &self,
        text: &TextEncoders,
        embeddings: &Embeddings,
        context_dim: usize,
        device: &Device,
    ) -> Result<PromptConditioning, EngineError> {
        let sizes = self.sizes.embed(device)?;
        let encode = |schedule: &Schedule| -> Result<Scheduled, EngineError> {
            let texts: Vec<&[Piece]> = schedule.iter().map(|s| s.pieces.as_slice()).collect();
            let encoded = text.encode(&texts, self.options, embeddings)?;
            let entries = schedule.iter().zip(encoded).map(|(segment, e)| {
                let vector = Tensor::cat(&[&e.pooled, &sizes], 1)?;
                Ok((segment.last_step, Conditioning { crossattn: e.crossattn, vector }))
            });
            Ok(Scheduled(entries.collect::<candle_core::Result<_>>()?))
        };
        let parts: Vec<(f64, Scheduled)> = self
            .parts
            .iter()
            .map(|(weight, schedule)| Ok((*weight, encode(schedule)?)))
            .collect::<Result<_, EngineError>>()?;
        let negative = if self.negative.is_empty() {
            // An empty negative prompt is all zeros, pooled text included; the sizes stay.
            let width = parts.first().and_then(|(_, s)| s.at(0)).map_or(Ok(0), |c| c.vector.dim(1))?;
            let pooled = Tensor::zeros((1, width - sizes.dim(1)?), DType::F32, device)?;
            let crossattn = Tensor::zeros((1, CHUNK, context_dim), DType::F32, device)?;
            Scheduled(vec![(0, Conditioning { crossattn, vector: Tensor::cat(&[&pooled, &sizes], 1)? })])
        } else {
            encode(&self.negative)?
        };
        Ok(PromptConditioning { parts, negative })
    }
}
