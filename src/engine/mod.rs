//! Executes plans: a checkpoint stays open, its weights follow the LoRA factors that each plan asks for.
//!
//! ```no_run
//! use lbw::engine::{Engine, EngineOptions, unobserved};
//! use lbw::plan::{Request, lower};
//! use lbw::preset::PresetSet;
//! let plan = lower(&Request::new("1girl, (red hair:1.2)", "blurry"), PresetSet::builtin()).plan.ok_or("see the diagnostics")?;
//! let checkpoint = lbw::checkpoint::Checkpoint::open("model.safetensors".as_ref())?;
//! let mut engine = Engine::new(checkpoint, EngineOptions::default())?;
//! let image = engine.run(&plan, &mut unobserved)?;
//! println!("{} × {}", image.width, image.height);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod embedded;
mod enlarge;
mod error;
mod event;
mod guided;
mod image;
mod init_image;
mod networks;
mod parameterization;
mod preview;
mod prompt;

pub use error::EngineError;
pub use event::{Event, Observer, unobserved};
pub use image::{from_rgb8, to_rgb8};
pub use init_image::InitImage;
pub use parameterization::{ModelType, ModelTypeSource};
pub use preview::{Preview, Previewer};
pub use prompt::PromptConditioning;

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};

use crate::checkpoint::{Checkpoint, CheckpointError, Refusal};
use crate::lora::{KeyTable, LoraIndex, ModuleTable};
use crate::model::{Architecture, Builder, Held, OperatorChoice, Unet, Vae, Watch, Weights, unused_tensors};
use crate::plan::{Emphasis, HiresUpscaler, PadConds, Pass, Plan, Start as PassStart, limits};
use crate::sampling::{ImageRng, Run, Start, sample};
use crate::text::{Embedding, Embeddings, EncodeOptions, TextEncoders};
use crate::upscale::{Tiling, UpscalerIndex, Upscalers};
use event::{tell, watched};

/// What an engine is opened with.
pub struct EngineOptions {
    /// Where tensors live.
    pub device: Device,
    /// What the models compute with.
    pub operators: OperatorChoice,
    /// Where LoRA names are looked up.
    pub loras: LoraIndex,
    /// How the tensors of LoRAs are matched to modules.
    pub lora_keys: KeyTable,
    /// Block weights scale the whole delta of every kind, also where the extension does something else.
    pub exact_block_weights: bool,
    /// What the network predicts; `None` is found out from the checkpoint.
    pub model_type: Option<ModelType>,
    /// Textual inversions by name.
    pub embeddings: Embeddings,
    /// Where upscalers' names are looked up.
    pub upscalers: UpscalerIndex,
    /// A VAE that replaces the checkpoint's, [`Checkpoint::open_vae`].
    pub vae: Option<Checkpoint>,
    /// How our kernels on the CPU hold the weights. With [`Held::Half`] those of the text encoders are given back when a prompt
    /// has been encoded, and are read again for the next one.
    pub weights: Held,
    /// Whether the negative prompt is left out where it has no effect, at CFG 1. webui evaluates it all the same.
    pub skip_unused: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        EngineOptions {
            device: Device::Cpu,
            operators: OperatorChoice::default(),
            loras: LoraIndex::default(),
            lora_keys: KeyTable::Lenient,
            exact_block_weights: false,
            model_type: None,
            embeddings: Embeddings::default(),
            upscalers: UpscalerIndex::default(),
            vae: None,
            weights: Held::default(),
            skip_unused: true,
        }
    }
}

/// A finished image.
pub struct Image {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Rows of interleaved RGB.
    pub rgb: Vec<u8>,
    /// The latent it was decoded from, (1, 4, h, w).
    pub latent: Tensor,
}

/// A checkpoint ready to run plans.
pub struct Engine {
    device: Device,
    architecture: Arc<Architecture>,
    weights: Weights,
    text: TextEncoders,
    unet: Unet,
    vae: Arc<Vae>,
    previewer: Option<Previewer>,
    /// Of a VAE in a file of its own.
    vae_weights: Option<Weights>,
    networks: networks::Networks,
    embeddings: Embeddings,
    upscalers: Upscalers,
    model_type: ModelType,
    model_type_source: ModelTypeSource,
    skip_unused: bool,
    /// Whether the text encoders' weights are given back after each use.
    unloads_text: bool,
    conditioning: prompt::Cache,
    batches: guided::Batches,
    /// The encoding of an empty prompt, once a plan has asked for it.
    empty: Option<Tensor>,
    /// By id.
    init_images: HashMap<String, InitImage>,
}

impl Engine {
    /// Builds the models of `checkpoint`. Weights are read when they are first used.
    pub fn new(checkpoint: Checkpoint, options: EngineOptions) -> Result<Self, EngineError> {
        if options.vae.is_none() {
            checkpoint.require_vae()?;
        }
        let operators = options.operators.open(&options.device)?;
        let checkpoint = Arc::new(checkpoint);
        let unknown = || CheckpointError::Refused { path: checkpoint.path().to_owned(), refusal: Refusal::Unknown };
        let architecture = Arc::new(Architecture::of(checkpoint.file()).ok_or_else(unknown)?);
        let mut b = Builder::new(checkpoint.clone(), architecture.clone(), operators.clone()).held(options.weights);
        let (text, unet) = (TextEncoders::new(&mut b), Unet::new(&mut b));
        let (vae, vae_weights) = match options.vae {
            None => (Vae::new(&mut b), None),
            Some(file) => {
                let mut b = Builder::new(Arc::new(file), architecture.clone(), operators.clone()).held(options.weights);
                let vae = Vae::new(&mut b);
                (vae, Some(b.finish()?))
            }
        };
        let weights = b.finish()?;
        let modules = ModuleTable::of_checkpoint(checkpoint.file());
        let (model_type, model_type_source) = match options.model_type {
            Some(given) => (given, ModelTypeSource::Given),
            None => parameterization::detect(&checkpoint)?,
        };
        Ok(Engine {
            device: options.device,
            architecture,
            weights,
            text,
            unet,
            vae: Arc::new(vae),
            previewer: None,
            vae_weights,
            networks: networks::Networks::new(options.loras, modules, options.lora_keys, options.exact_block_weights),
            embeddings: options.embeddings,
            upscalers: Upscalers::new(options.upscalers, operators.exact()),
            model_type,
            model_type_source,
            skip_unused: options.skip_unused,
            unloads_text: options.weights == Held::Half,
            conditioning: prompt::Cache::default(),
            batches: guided::Batches::default(),
            empty: None,
            init_images: HashMap::new(),
        })
    }

    /// The checkpoint it was opened with.
    pub fn checkpoint(&self) -> &Checkpoint {
        self.weights.checkpoint()
    }

    /// The textual-inversion embeddings that prompts may name.
    pub fn embeddings(&self) -> &Embeddings {
        &self.embeddings
    }

    /// What the network predicts, and how that is known.
    pub fn model_type(&self) -> (ModelType, ModelTypeSource) {
        (self.model_type, self.model_type_source)
    }

    /// What the checkpoint is made of.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Tensors of the checkpoint that no model uses: their number and an example.
    pub fn unused_tensors(&self) -> (usize, Option<String>) {
        let replaced = |name: &str| self.vae_weights.is_some() && name.starts_with(self.architecture.vae.prefix);
        unused_tensors(self.checkpoint(), |name| self.weights.get(name).is_some() || replaced(name))
    }

    /// Reads all weights that stay in memory now instead of at their first use.
    pub fn load(&self, observer: Observer<'_>) -> Result<(), EngineError> {
        let mut loading = watched(observer, |part, of| Event::Loading { part, of });
        let watch = &mut Watch::new(&mut loading);
        let Architecture { unet, vae, .. } = &*self.architecture;
        let text = self.text_prefixes().filter(|_| !self.unloads_text);
        let prefixes: Vec<_> = text.chain([unet.prefix, vae.prefix]).collect();
        self.weights.load(&prefixes, watch)?;
        Ok(self.vae_weights.as_ref().map_or(Ok(()), |weights| weights.load(&[vae.prefix], watch))?)
    }

    fn text_prefixes(&self) -> impl Iterator<Item = &'static str> {
        self.architecture.text.iter().map(|encoder| encoder.prefix)
    }

    /// Makes a picture known that plans of img2img draw over.
    pub fn add_init_image(&mut self, image: InitImage) {
        self.init_images.insert(image.id().to_owned(), image);
    }

    /// Looks names of LoRAs up in `index` from now on; files that were open are opened anew.
    pub fn set_loras(&mut self, index: LoraIndex) {
        self.networks.set_index(index);
    }

    /// Prompts may name these embeddings from now on.
    pub fn set_embeddings(&mut self, embeddings: Embeddings) {
        self.embeddings = embeddings;
        // A name may stand for other vectors now.
        self.conditioning = prompt::Cache::default();
        self.batches = guided::Batches::default();
    }

    /// Forgets a picture that no plan draws over any more.
    pub fn remove_init_image(&mut self, id: &str) {
        self.init_images.remove(id);
    }

    /// The networks of `plan`, opened and matched to the model, in the plan's order. What is wrong with any of them is
    /// reported before the first step.
    pub fn networks(&mut self, plan: &Plan) -> Result<Vec<Arc<crate::lora::Network>>, EngineError> {
        self.networks.open(plan)
    }

    /// The conditioning of `pass` over its steps, with its LoRAs' full text-encoder strength.
    pub fn condition(&mut self, pass: &Pass, observer: Observer<'_>) -> Result<PromptConditioning, EngineError> {
        let active = self.networks.active(pass, 0, networks::Scope::TextEncoding)?;
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
        let active = self.networks.active(pass, 0, networks::Scope::TextEncoding)?;
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

    /// Reads the VAE's decoder: a broken number in it is found before the first step, not after the last.
    fn load_decoder(&self) -> Result<(), EngineError> {
        let weights = self.vae_weights.as_ref().unwrap_or(&self.weights);
        let decoder = format!("{}decoder.", self.architecture.vae.prefix);
        Ok(weights.load(&[&decoder], &mut Watch::nobody())?)
    }

    /// Runs `plan`, pass by pass.
    pub fn run(&mut self, plan: &Plan, observer: Observer<'_>) -> Result<Image, EngineError> {
        self.load_decoder()?;
        let latent = self.latent(plan, observer)?;
        self.decode(&latent, observer)
    }

    /// What makes small pictures of latents on their way.
    pub fn previewer(&mut self) -> Result<Previewer, EngineError> {
        if let Some(known) = &self.previewer {
            return Ok(known.clone());
        }
        let new = Previewer::new(&self.vae, &self.device)?;
        Ok(self.previewer.insert(new).clone())
    }

    /// The picture of a latent, such as a plan that was stopped has come to.
    pub fn decode(&self, latent: &Tensor, observer: Observer<'_>) -> Result<Image, EngineError> {
        let picture = self.picture(latent, observer)?;
        let (width, height) = (picture.width as u32, picture.height as u32);
        Ok(Image { width, height, rgb: picture.bytes, latent: latent.clone() })
    }

    /// The latent of `plan`, (1, 4, height / 8, width / 8), as it is before the VAE.
    pub fn latent(&mut self, plan: &Plan, observer: Observer<'_>) -> Result<Tensor, EngineError> {
        self.check(plan)?;
        self.open_upscalers(plan)?;
        let mut latent = None;
        for pass in plan.passes() {
            let start = self.start(pass, latent.take(), observer)?;
            latent = Some(self.run_pass(pass, start, observer)?);
        }
        latent.ok_or_else(|| candle_core::Error::Msg("the plan has no pass".to_owned()).into())
    }

    /// Refuses plans that cannot be run or would take all memory.
    fn check(&self, plan: &Plan) -> Result<(), EngineError> {
        if plan.family != self.architecture.family {
            return Err(EngineError::Family { plan: plan.family, checkpoint: self.architecture.family });
        }
        limits(plan).into_iter().next().map_or(Ok(()), |limit| Err(EngineError::Limit(limit)))
    }

    /// Opens the upscalers of `plan`: what is wrong with them is reported before the first step.
    pub fn open_upscalers(&mut self, plan: &Plan) -> Result<(), EngineError> {
        for pass in plan.passes() {
            if let PassStart::Previous { upscaler: HiresUpscaler::Pixel(name), .. } = &pass.start {
                self.upscalers.get(name, Tiling::default())?;
                if !self.vae.can_encode() {
                    return Err(EngineError::NoEncoder);
                }
            }
        }
        Ok(())
    }

    /// The upscalers that there are.
    pub fn upscalers(&self) -> &UpscalerIndex {
        self.upscalers.index()
    }

    /// What the sampling of `pass` starts from; `previous` is the latent of the pass before.
    pub fn start(
        &mut self,
        pass: &Pass,
        previous: Option<Tensor>,
        observer: Observer<'_>,
    ) -> Result<Start, EngineError> {
        match (&pass.start, previous) {
            (PassStart::Noise, _) | (PassStart::Previous { .. }, None) => Ok(Start::Noise),
            (PassStart::Picture { image: id, denoising_strength, fix_steps, resize_mode, noise_multiplier }, _) => {
                let image = self.init_images.get(id).ok_or_else(|| EngineError::InitImage(id.clone()))?;
                let (width, height) = (pass.settings.width as usize, pass.settings.height as usize);
                let image = image.tensor(*resize_mode, width, height, &self.device)?;
                Ok(Start::Latent {
                    latent: self.encode_image(&image, observer)?,
                    strength: *denoising_strength,
                    fix_steps: *fix_steps,
                    noise_multiplier: *noise_multiplier,
                })
            }
            (PassStart::Previous { denoising_strength, .. }, Some(latent)) => Ok(Start::Latent {
                latent: self.enlarged(&latent, pass, observer)?,
                strength: *denoising_strength,
                fix_steps: true,
                noise_multiplier: 1.0,
            }),
        }
    }

    /// Samples one pass from noise or from a latent. What is drawn over is drawn with noise of its own size, as webui does.
    pub fn run_pass(&mut self, pass: &Pass, start: Start, observer: Observer<'_>) -> Result<Tensor, EngineError> {
        let conditioning = self.condition(pass, observer)?;
        self.run_conditioned(pass, &conditioning, start, observer)
    }

    /// [`Engine::run_pass`] with this conditioning.
    pub fn run_conditioned(
        &mut self,
        pass: &Pass,
        conditioning: &PromptConditioning,
        start: Start,
        observer: Observer<'_>,
    ) -> Result<Tensor, EngineError> {
        let (width, height) = pass.size();
        // The model is told the size asked for; the latent has whole eighths of it, less what is cut off.
        let mut sampled = pass.clone();
        (sampled.settings.width, sampled.settings.height) = (width, height);
        self.sample(&sampled, conditioning, start, observer)
    }

    /// The encoding of an empty prompt without any network, (1, 77, width).
    fn empty_prompt(&mut self, observer: Observer<'_>) -> Result<Tensor, EngineError> {
        if let Some(empty) = &self.empty {
            return Ok(empty.clone());
        }
        let mut merging = watched(observer, |part, of| Event::Merging { part, of });
        self.weights.apply(&[], &mut Watch::new(&mut merging))?;
        drop(merging);
        let options = EncodeOptions { emphasis: Emphasis::Original, clip_skip: None, comma_padding_backtrack: 0 };
        let mut encoding = watched(observer, |part, of| Event::Encoding { part, of });
        let encoded = self.text.encode(&[&[]], options, &self.embeddings, &mut Watch::new(&mut encoding))?;
        let crossattn = encoded.into_iter().next().map(|e| e.crossattn);
        let empty = crossattn.ok_or_else(|| candle_core::Error::Msg("a text has no encoding".to_owned()))?;
        Ok(self.empty.insert(empty).clone())
    }

    fn sample(
        &mut self,
        pass: &Pass,
        conditioning: &PromptConditioning,
        start: Start,
        observer: Observer<'_>,
    ) -> Result<Tensor, EngineError> {
        let empty = match pass.settings.pad_conds {
            PadConds::EmptyPrompts => Some(self.empty_prompt(observer)?),
            PadConds::Separate | PadConds::NegativeOnly => None,
        };
        let levels = self.model_type.levels(&pass.settings, &self.architecture);
        let steps = start.steps(pass.settings.steps as usize)?;
        let shared = guided::Shared::new(observer);
        let mut model = guided::GuidedUnet {
            pass,
            conditioning,
            empty: empty.as_ref(),
            unet: &self.unet,
            batches: &mut self.batches,
            weights: &mut self.weights,
            networks: &mut self.networks,
            shared: &shared,
            skip_unused: self.skip_unused,
            calls: 0,
            in_force: None,
        };
        let mut rng = ImageRng::new(&pass.settings, &self.device);
        let run = Run {
            settings: &pass.settings,
            levels: &levels,
            parameterization: self.model_type.parameterization,
            model: &mut model,
            rng: &mut rng,
            start,
        };
        Ok(sample(run, &mut |step| shared.step(&step, steps))?)
    }

    /// Encodes an image (1, 3, h, w) in −1…1 to a scaled latent: the encoder's mean, where webui draws from its
    /// distribution.
    pub fn encode_image(&self, image: &Tensor, observer: Observer<'_>) -> Result<Tensor, EngineError> {
        let mut encoding = watched(observer, |part, of| Event::EncodingImage { part, of });
        Ok(self.vae.encode(image, &mut Watch::new(&mut encoding))?)
    }
}
