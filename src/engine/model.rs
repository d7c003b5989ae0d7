//! A checkpoint's text encoders and UNet, with the LoRAs in force.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::batches::Batches;
use super::event::{tell, watched};
use super::networks::{Networks, Scope};
use super::parameterization::{self, ModelType, ModelTypeSource};
use super::prompt::{self, PromptConditioning};
use super::{EngineError, EngineOptions, Event, Observer};
use crate::checkpoint::{Checkpoint, CheckpointError, Refusal};
use crate::lora::ModuleTable;
use crate::model::{Architecture, Builder, Held, Operators, Tiling, Unet, Watch, Weights};
use crate::plan::{Emphasis, Pass};
use crate::text::{Embedding, Embeddings, EncodeOptions, TextEncoders};

/// What makes latents of texts.
pub(super) struct Model {
    pub architecture: Arc<Architecture>,
    pub weights: Weights,
    pub unet: Unet,
    pub networks: Networks,
    pub embeddings: Embeddings,
    pub model_type: ModelType,
    pub model_type_source: ModelTypeSource,
    pub batches: Batches,
    text: TextEncoders,
    device: Device,
    /// Whether the text encoders' weights are given back after each use.
    pub unloads_text: bool,
    conditioning: prompt::Cache,
    /// The encoding of an empty prompt, once a plan has asked for it.
    empty: Option<Tensor>,
}

impl Model {
    /// Those of `checkpoint`, and what `also` builds of the same file.
    pub fn new<T>(
        checkpoint: Checkpoint,
        operators: &Arc<dyn Operators>,
        options: &EngineOptions,
        tiling: &Tiling,
        also: impl FnOnce(&mut Builder) -> T,
    ) -> Result<(Self, T), EngineError> {
        let checkpoint = Arc::new(checkpoint);
        let unknown = || CheckpointError::Refused { path: checkpoint.path().to_owned(), refusal: Refusal::Unknown };
        let architecture = Arc::new(Architecture::of(checkpoint.file()).ok_or_else(unknown)?);
        let mut b = Builder::new(checkpoint.clone(), architecture.clone(), operators.clone())
            .held(options.weights)
            .tiled(tiling.clone());
        let (text, unet) = (TextEncoders::new(&mut b), Unet::new(&mut b));
        let also = also(&mut b);
        let weights = b.finish()?;
        let modules = ModuleTable::of_checkpoint(checkpoint.file());
        let (model_type, model_type_source) = match options.model_type {
            Some(given) => (given, ModelTypeSource::Given),
            None => parameterization::detect(&checkpoint)?,
        };
        let networks = Networks::new(options.loras.clone(), modules, options.lora_keys, options.exact_block_weights);
        let model = Model {
            architecture,
            weights,
            unet,
            networks,
            embeddings: options.embeddings.clone(),
            model_type,
            model_type_source,
            batches: Batches::default(),
            text,
            device: options.device.clone(),
            unloads_text: options.weights == Held::Half,
            conditioning: prompt::Cache::default(),
            empty: None,
        };
        Ok((model, also))
    }

    /// Whether `other` can take over a latent that this one has begun.
    pub fn can_hand_over_to(&self, other: &Model) -> bool {
        let (own, other_is) = (&self.architecture, &other.architecture);
        own.family == other_is.family && own.unet.inputs == other_is.unet.inputs && self.model_type == other.model_type
    }

    /// Prompts may name these embeddings from now on.
    pub fn set_embeddings(&mut self, embeddings: Embeddings) {
        self.embeddings = embeddings;
        // A name may stand for other vectors now.
        self.conditioning = prompt::Cache::default();
        self.batches = Batches::default();
    }

    /// What the names of its weights begin with, those of the text encoders where they stay in memory.
    pub fn prefixes(&self) -> Vec<&'static str> {
        let text = self.text_prefixes().filter(|_| !self.unloads_text);
        text.chain([self.architecture.unet.prefix]).collect()
    }

    pub(super) fn text_prefixes(&self) -> impl Iterator<Item = &'static str> {
        self.architecture.text.iter().map(|encoder| encoder.prefix)
    }

    /// Gives the memory of its weights back; they are read again when they are needed.
    pub fn unload(&self) {
        self.text_prefixes().chain([self.architecture.unet.prefix]).for_each(|prefix| self.weights.unload(prefix));
    }

    /// The conditioning of `pass` over its steps, with its LoRAs' full text-encoder strength.
    pub fn condition(&mut self, pass: &Pass, observer: Observer<'_>) -> Result<PromptConditioning, EngineError> {
        let active = self.networks.active(pass, 0, Scope::TextEncoding)?;
        let mut merging = watched(observer, |part, of| Event::Merging { part, of });
        let parameters = self.weights.apply(&active, &mut Watch::new(&mut merging))?;
        drop(merging);
        if parameters > 0 {
            tell(observer, Event::Merged { parameters })?;
        }
        let networks = self.networks.text_signature(pass)?;
        let bundled = self.with_bundled(pass)?;
        let mut encoding = watched(observer, |part, of| Event::Encoding { part, of });
        let watch = &mut Watch::new(&mut encoding);
        let encoders = prompt::Encoders {
            text: &self.text,
            embeddings: bundled.as_ref().unwrap_or(&self.embeddings),
            architecture: &self.architecture,
            device: &self.device,
        };
        let got = self.conditioning.get(pass, networks, &encoders, watch);
        drop(encoding);
        let encoded = !matches!(got, Ok((_, false)));
        if encoded && self.unloads_text {
            self.text_prefixes().for_each(|p| self.weights.unload(p));
        }
        let (conditioning, encoded) = got?;
        if encoded {
            tell(observer, Event::Encoded)?;
        }
        Ok(conditioning)
    }

    /// The embeddings with those that the LoRAs of `pass` bring along; `None` where they bring none. As in webui a file of the
    /// user goes before a bundled embedding of its name.
    fn with_bundled(&mut self, pass: &Pass) -> Result<Option<Embeddings>, EngineError> {
        let active = self.networks.active(pass, 0, Scope::TextEncoding)?;
        let bundled: Vec<_> = active.iter().flat_map(|active| active.network.bundled()).collect();
        if bundled.is_empty() {
            return Ok(None);
        }
        let mut embeddings = self.embeddings.clone();
        for embedding in bundled {
            if embeddings.get(&embedding.name).is_none() {
                embeddings.add(&embedding.name, Embedding { vectors: embedding.vectors.clone() })?;
            }
        }
        Ok(Some(embeddings))
    }

    /// The encoding of an empty prompt without any network, (1, 77, width).
    pub fn empty_prompt(&mut self, observer: Observer<'_>) -> Result<Tensor, EngineError> {
        if let Some(empty) = &self.empty {
            return Ok(empty.clone());
        }
        let mut merging = watched(observer, |part, of| Event::Merging { part, of });
        self.weights.apply(&[], &mut Watch::new(&mut merging))?;
        drop(merging);
        let options = EncodeOptions { emphasis: Emphasis::Original, clip_skip: None, comma_padding_backtrack: 0 };
        let mut encoding = watched(observer, |part, of| Event::Encoding { part, of });
        let cut = self.text.cut(&[&[]], options, &self.embeddings);
        let encoded = self.text.encode(&cut, options, &self.embeddings, &mut Watch::new(&mut encoding))?;
        let crossattn = encoded.into_iter().next().map(|e| e.crossattn);
        let empty = crossattn.ok_or_else(|| candle_core::Error::Msg("a text has no encoding".to_owned()))?;
        Ok(self.empty.insert(empty).clone())
    }
}
