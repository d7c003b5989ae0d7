//! The conditioning of a whole plan, over its steps.

use candle_core::{DType, Device, Tensor};

use super::EngineError;
use crate::files::limits::PROMPT_CHUNKS;
use crate::model::{Architecture, ClipSkip, EmptyText, TextEncoder, Watch};
use crate::plan::{LimitError, Pass, Piece, Schedule, Segment};
use crate::say;
use crate::text::{CHUNK, Conditioning, Cut, Embeddings, EncodeOptions, Sizes, TextEncoders};

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

/// What texts are encoded with.
pub(super) struct Encoders<'a> {
    pub text: &'a TextEncoders,
    pub embeddings: &'a Embeddings,
    pub architecture: &'a Architecture,
    pub device: &'a Device,
}

impl Cache {
    /// The conditioning of `pass`, and whether the text encoders had to run for it.
    pub(super) fn get(
        &mut self,
        pass: &Pass,
        networks: String,
        encoders: &Encoders<'_>,
        watch: &mut Watch<'_>,
    ) -> Result<(PromptConditioning, bool), EngineError> {
        let s = &pass.settings;
        let architecture = encoders.architecture;
        let follows = |encoder: &TextEncoder| match encoder.clip_skip {
            ClipSkip::Always => true,
            ClipSkip::WithOption => s.clip_skip_sdxl,
            ClipSkip::Never => false,
        };
        let key = Key {
            parts: pass.positive.iter().map(|p| (p.weight, p.schedule.clone())).collect(),
            negative: pass.negative.clone(),
            options: EncodeOptions {
                emphasis: s.emphasis,
                clip_skip: architecture.text.iter().any(follows).then_some(s.clip_skip.max(1)),
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
        let conditioning = key.encode(encoders, watch)?;
        if self.0.len() == KEPT {
            self.0.remove(0);
        }
        self.0.push((key, conditioning.clone()));
        Ok((conditioning, true))
    }
}

impl Key {
    fn encode(&self, encoders: &Encoders<'_>, watch: &mut Watch<'_>) -> Result<PromptConditioning, EngineError> {
        let Encoders { text, embeddings, architecture, device } = *encoders;
        let sizes = self.sizes.embed(device)?;
        let cut = |schedule: &Schedule| {
            let texts: Vec<&[Piece]> = schedule.iter().map(|s| s.pieces.as_slice()).collect();
            text.cut(&texts, self.options, embeddings)
        };
        let parts: Vec<Cut> = self.parts.iter().map(|(_, schedule)| cut(schedule)).collect();
        let nothing = vec![Segment { last_step: 0, pieces: Vec::new() }];
        let negative = match (self.negative.is_empty(), architecture.empty_text) {
            (true, EmptyText::Zeros) => None,
            (true, EmptyText::Encoded) => Some((&nothing, cut(&nothing))),
            (false, _) => Some((&self.negative, cut(&self.negative))),
        };
        let all = parts.iter().chain(negative.as_ref().map(|(_, cut)| cut));
        allow(all.map(Cut::count).sum())?;
        let mut encode = |schedule: &Schedule, cut: &Cut| -> Result<Scheduled, EngineError> {
            let encoded = text.encode(cut, self.options, embeddings, watch)?;
            let entries = schedule.iter().zip(encoded).map(|(segment, e)| {
                let vector = e.pooled.map(|pooled| Tensor::cat(&[&pooled, &sizes], 1)).transpose()?;
                Ok((segment.last_step, Conditioning { crossattn: e.crossattn, vector }))
            });
            Ok(Scheduled(entries.collect::<candle_core::Result<_>>()?))
        };
        let parts: Vec<(f64, Scheduled)> = self
            .parts
            .iter()
            .zip(&parts)
            .map(|((weight, schedule), cut)| Ok((*weight, encode(schedule, cut)?)))
            .collect::<Result<_, EngineError>>()?;
        let negative = match &negative {
            None => Scheduled(vec![(0, zeros(architecture, &sizes)?)]),
            Some((schedule, cut)) => encode(schedule, cut)?,
        };
        Ok(PromptConditioning { parts, negative })
    }
}

/// Refuses more chunks than are kept.
fn allow(chunks: usize) -> Result<(), EngineError> {
    if chunks <= PROMPT_CHUNKS {
        return Ok(());
    }
    let what = say!(
        "the number of chunks of 75 tokens in the texts of all steps",
        "全ステップの文を 75 トークンごとに区切った数"
    );
    let rule = say!("at most {PROMPT_CHUNKS} are allowed", "{PROMPT_CHUNKS} までです");
    Err(LimitError { what, value: chunks.to_string(), rule, nearest: None }.into())
}

/// What stands for no text at all: zeros, pooled text included; the sizes stay.
pub(super) fn zeros(architecture: &Architecture, sizes: &Tensor) -> candle_core::Result<Conditioning> {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, sizes.device());
    let crossattn = zeros(&[1, CHUNK, architecture.unet.context])?;
    let pooled = architecture.unet.vector.map(|width| width.saturating_sub(Sizes::WIDTH));
    let vector = pooled.map(|width| Tensor::cat(&[&zeros(&[1, width])?, sizes], 1)).transpose()?;
    Ok(Conditioning { crossattn, vector })
}
