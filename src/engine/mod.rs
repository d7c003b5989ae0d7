//! Executes plans: a checkpoint stays open, its weights follow the LoRA factors that each plan asks for.
//!
//! ```no_run
//! use lbw::engine::{Engine, EngineOptions};
//! use lbw::plan::{Request, lower};
//! use lbw::preset::PresetSet;
//! let plan = lower(&Request::new("1girl, (red hair:1.2)", "blurry"), PresetSet::builtin()).plan.ok_or("see the diagnostics")?;
//! let checkpoint = lbw::checkpoint::Checkpoint::open("model.safetensors".as_ref())?;
//! let mut engine = Engine::new(checkpoint, EngineOptions::default())?;
//! let image = engine.run(&plan, &mut |_| {})?;
//! println!("{} × {}", image.width, image.height);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod embedded;
mod error;
mod guided;
mod image;
mod init_image;
mod limits;
mod networks;
mod parameterization;
mod prompt;

pub use error::EngineError;
pub use image::to_rgb8;
pub use init_image::InitImage;
pub use limits::check as check_limits;
pub use parameterization::{ModelType, ModelTypeSource};
pub use prompt::PromptConditioning;

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};

use crate::block::Family;
use crate::checkpoint::{Checkpoint, prefix};
use crate::lora::{KeyTable, LoraIndex, ModuleTable};
use crate::model::{Builder, Held, Unet, Vae, Weights, kernels, unused_tensors};
use crate::plan::{Emphasis, Hires, HiresPrompts, PadConds, Plan};
use crate::sampling::{ImageRng, Run, Start, sample, upscale};
use crate::text::{Embeddings, EncodeOptions, TextEncoders};

/// What an engine is opened with.
pub struct EngineOptions {
    /// Where tensors live.
    pub device: Device,
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
            loras: LoraIndex::default(),
            lora_keys: KeyTable::Lenient,
            exact_block_weights: false,
            model_type: None,
            embeddings: Embeddings::default(),
            vae: None,
            weights: Held::default(),
            skip_unused: true,
        }
    }
}

/// What happens while a plan runs.
pub enum Event<'a> {
    /// LoRA factors were put in force; this many parameters were made anew.
    Merged {
        /// How many were made anew.
        parameters: usize,
    },
    /// The text encoders ran.
    Encoded,
    /// The UNet answered: raw outputs for each part of the prompt, then for the negative prompt unless it was skipped.
    Predicted {
        /// What the network predicts, (1, 4, h, w) each.
        outputs: &'a [Tensor],
    },
    /// A step of `steps` begins (0-based), as webui's callback has it.
    Step {
        /// From 0.
        index: usize,
        /// How many there are.
        steps: usize,
        /// The noisy latent (1, 4, h, w).
        x: &'a Tensor,
        /// What the network takes it for, of the same shape.
        denoised: &'a Tensor,
    },
    /// The VAE begins.
    Decoding,
}

const TEXT_ENCODERS: [&str; 2] = [prefix::CLIP_L, prefix::CLIP_G];

/// Sees what happens while a plan runs.
pub type Observer<'a> = &'a mut dyn FnMut(Event<'_>);

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

/// An SDXL checkpoint ready to run plans.
pub struct Engine {
    device: Device,
    weights: Weights,
    text: TextEncoders,
    unet: Unet,
    vae: Vae,
    /// Of a VAE in a file of its own.
    vae_weights: Option<Weights>,
    networks: networks::Networks,
    embeddings: Embeddings,
    model_type: ModelType,
    model_type_source: ModelTypeSource,
    skip_unused: bool,
    /// Whether the text encoders' weights are given back after each use.
    unloads_text: bool,
    conditioning: prompt::Cache,
    /// The encoding of an empty prompt, once a plan has asked for it.
    empty: Option<Tensor>,
    /// By id.
    init_images: HashMap<String, InitImage>,
}

impl Engine {
    /// Builds the models of `checkpoint`. Weights are read when they are first used.
    pub fn new(checkpoint: Checkpoint, options: EngineOptions) -> Result<Self, EngineError> {
        kernels::choice()?;
        let checkpoint = Arc::new(checkpoint);
        let mut b = Builder::new(checkpoint.clone(), &options.device).held(options.weights);
        let (text, unet) = (TextEncoders::new(&mut b), Unet::new(&mut b));
        let (vae, vae_weights) = match options.vae {
            None => (Vae::new(&mut b), None),
            Some(file) => {
                let mut b = Builder::new(Arc::new(file), &options.device).held(options.weights);
                let vae = Vae::new(&mut b);
                (vae, Some(b.finish()?))
            }
        };
        let weights = b.finish()?;
        let file = checkpoint.file();
        let tensors = file.names().filter_map(|name| Some((name, file.shape(name)?)));
        let modules = ModuleTable::new(Family::Sdxl, tensors);
        let (model_type, model_type_source) = match options.model_type {
            Some(given) => (given, ModelTypeSource::Given),
            None => parameterization::detect(&checkpoint)?,
        };
        Ok(Engine {
            device: options.device,
            weights,
            text,
            unet,
            vae,
            vae_weights,
            networks: networks::Networks::new(options.loras, modules, options.lora_keys, options.exact_block_weights),
            embeddings: options.embeddings,
            model_type,
            model_type_source,
            skip_unused: options.skip_unused,
            unloads_text: options.weights == Held::Half,
            conditioning: prompt::Cache::default(),
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

    /// Tensors of the checkpoint that no model uses: their number and an example.
    pub fn unused_tensors(&self) -> (usize, Option<String>) {
        let replaced = |name: &str| self.vae_weights.is_some() && name.starts_with(prefix::VAE);
        unused_tensors(self.checkpoint(), |name| self.weights.get(name).is_some() || replaced(name))
    }

    /// Reads all weights that stay in memory now instead of at their first use.
    pub fn load(&self) -> Result<(), EngineError> {
        let text = TEXT_ENCODERS.into_iter().filter(|_| !self.unloads_text);
        Ok(text
            .chain([prefix::UNET, prefix::VAE])
            .try_for_each(|p| self.weights.load(p))
            .and_then(|()| self.vae_weights.as_ref().map_or(Ok(()), |w| w.load(prefix::VAE)))?)
    }

    /// Makes a picture known that plans of img2img draw over.
    pub fn add_init_image(&mut self, image: InitImage) {
        self.init_images.insert(image.id().to_owned(), image);
    }

    /// The networks of `plan`, opened and matched to the model, in the plan's order. What is wrong with any of them is
    /// reported before the first step.
    pub fn networks(&mut self, plan: &Plan) -> Result<Vec<Arc<crate::lora::Network>>, EngineError> {
        self.networks.open(plan)
    }

    /// The conditioning of `plan` over its steps, with its LoRAs' full text-encoder strength.
    pub fn condition(&mut self, plan: &Plan, observer: Observer<'_>) -> Result<PromptConditioning, EngineError> {
        let active = self.networks.active(plan, 0, networks::Scope::TextEncoding)?;
        let parameters = self.weights.apply(&active)?;
        if parameters > 0 {
            observer(Event::Merged { parameters });
        }
        let context_dim = self.unet.config().context_dim;
        let networks = self.networks.text_signature(plan)?;
        let (conditioning, encoded) =
            self.conditioning.get(plan, networks, &self.text, &self.embeddings, context_dim, &self.device)?;
        if encoded {
            observer(Event::Encoded);
            if self.unloads_text {
                TEXT_ENCODERS.into_iter().for_each(|p| self.weights.unload(p));
            }
        }
        Ok(conditioning)
    }

    /// Runs `plan` from noise, or from the picture it draws over.
    pub fn run(&mut self, plan: &Plan, observer: Observer<'_>) -> Result<Image, EngineError> {
        let start = self.start(plan)?;
        self.run_from(plan, start, observer)
    }

    fn start(&self, plan: &Plan) -> Result<Start, EngineError> {
        limits::check(plan)?;
        let Some(img2img) = &plan.settings.img2img else { return Ok(Start::Noise) };
        let unknown = || EngineError::InitImage(img2img.image.clone());
        let image = self.init_images.get(&img2img.image).ok_or_else(unknown)?;
        let (width, height) = (plan.settings.width as usize, plan.settings.height as usize);
        let latent = self.encode_image(&image.tensor(img2img.resize_mode, width, height, &self.device)?)?;
        Ok(Start::Latent {
            latent,
            strength: img2img.denoising_strength,
            fix_steps: img2img.fix_steps,
            noise_multiplier: img2img.noise_multiplier,
        })
    }

    /// Runs `plan` from noise or from a latent.
    pub fn run_from(&mut self, plan: &Plan, start: Start, observer: Observer<'_>) -> Result<Image, EngineError> {
        let latent = self.latent_from(plan, start, observer)?;
        observer(Event::Decoding);
        let decoded = self.vae.decode(&latent)?;
        let (_, _, height, width) = decoded.dims4()?;
        Ok(Image { width: width as u32, height: height as u32, rgb: to_rgb8(&decoded)?, latent })
    }

    /// The latent of `plan`, (1, 4, height / 8, width / 8), as it is before the VAE.
    pub fn latent_from(&mut self, plan: &Plan, start: Start, observer: Observer<'_>) -> Result<Tensor, EngineError> {
        limits::check(plan)?;
        let conditioning = self.condition(plan, observer)?;
        let latent = self.sample(plan, &conditioning, start, observer)?;
        match (&plan.settings.hires, &plan.hires) {
            (Some(hires), Some(prompts)) => self.second_pass(plan, hires, prompts, latent, observer),
            _ => Ok(latent),
        }
    }

    /// Enlarges `latent` and draws over it, as webui's hires. fix does: with noise that is drawn anew for the larger size.
    fn second_pass(
        &mut self,
        plan: &Plan,
        hires: &Hires,
        prompts: &HiresPrompts,
        latent: Tensor,
        observer: Observer<'_>,
    ) -> Result<Tensor, EngineError> {
        let first = &plan.settings;
        let target = hires.size.target(first.width, first.height);
        let (height, width) = (target.height as usize / 8, target.width as usize / 8);
        let (cut_x, cut_y) = (target.cut.0 as usize, target.cut.1 as usize);
        let latent = upscale(&latent, height, width, hires.upscaler)
            .and_then(|l| Ok(l.narrow(2, cut_y / 2, height - cut_y)?.narrow(3, cut_x / 2, width - cut_x)?))?;

        let mut second = Plan {
            positive: prompts.positive.clone(),
            negative: prompts.negative.clone(),
            loras: prompts.loras.clone(),
            settings: hires.settings_of(first),
            hires: None,
            ..plan.clone()
        };
        let conditioning = self.condition(&second, observer)?;
        // The model is told the size asked for; the latent has whole eighths of it.
        second.settings.width = 8 * (width - cut_x) as u32;
        second.settings.height = 8 * (height - cut_y) as u32;
        let strength = hires.denoising_strength;
        let start = Start::Latent { latent, strength, fix_steps: true, noise_multiplier: 1.0 };
        self.sample(&second, &conditioning, start, observer)
    }

    /// The encoding of an empty prompt without any network, (1, 77, width).
    fn empty_prompt(&mut self) -> Result<Tensor, EngineError> {
        if let Some(empty) = &self.empty {
            return Ok(empty.clone());
        }
        self.weights.apply(&[])?;
        let options = EncodeOptions { emphasis: Emphasis::Original, clip_l_layer: 2, comma_padding_backtrack: 0 };
        let encoded = self.text.encode(&[&[]], options, &self.embeddings)?;
        let crossattn = encoded.into_iter().next().map(|e| e.crossattn);
        let empty = crossattn.ok_or_else(|| candle_core::Error::Msg("a text has no encoding".to_owned()))?;
        Ok(self.empty.insert(empty).clone())
    }

    fn sample(
        &mut self,
        plan: &Plan,
        conditioning: &PromptConditioning,
        start: Start,
        observer: Observer<'_>,
    ) -> Result<Tensor, EngineError> {
        let empty = match plan.settings.pad_conds {
            PadConds::EmptyPrompts => Some(self.empty_prompt()?),
            PadConds::Separate | PadConds::NegativeOnly => None,
        };
        let levels = self.model_type.levels(&plan.settings);
        let steps = start.steps(plan.settings.steps as usize)?;
        let shared = guided::Shared::new(observer);
        let mut model = guided::GuidedUnet {
            plan,
            conditioning,
            empty: empty.as_ref(),
            unet: &self.unet,
            weights: &mut self.weights,
            networks: &mut self.networks,
            shared: &shared,
            skip_unused: self.skip_unused,
            calls: 0,
            windows: None,
        };
        let mut rng = ImageRng::new(&plan.settings, &self.device);
        let run = Run {
            settings: &plan.settings,
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
    pub fn encode_image(&self, image: &Tensor) -> Result<Tensor, EngineError> {
        Ok(self.vae.encode(image)?)
    }
}
