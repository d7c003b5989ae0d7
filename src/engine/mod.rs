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
mod limits;
mod networks;
mod parameterization;
mod prompt;

pub use error::EngineError;
pub use image::to_rgb8;
pub use limits::check as check_limits;
pub use parameterization::{ModelType, ModelTypeSource};
pub use prompt::PromptConditioning;

use std::sync::Arc;

use candle_core::{Device, Tensor};

use crate::block::Family;
use crate::checkpoint::{Checkpoint, prefix};
use crate::lora::{KeyTable, LoraIndex, ModuleTable};
use crate::model::{Builder, Unet, Vae, Weights, unused_tensors};
use crate::plan::Plan;
use crate::sampling::{ImageRng, NoiseLevels, Run, Start, sample};
use crate::text::{Embeddings, TextEncoders};

/// What an engine is opened with.
pub struct EngineOptions {
    pub device: Device,
    /// Where LoRA names are looked up.
    pub loras: LoraIndex,
    pub lora_keys: KeyTable,
    /// Block weights scale the whole delta of every kind, also where the extension does something else.
    pub exact_block_weights: bool,
    /// What the network predicts; `None` is found out from the checkpoint.
    pub model_type: Option<ModelType>,
    pub embeddings: Embeddings,
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
        }
    }
}

/// What happens while a plan runs.
pub enum Event<'a> {
    /// LoRA factors were put in force; this many parameters were made anew.
    Merged {
        parameters: usize,
    },
    /// The text encoders ran.
    Encoded,
    /// The UNet answered: raw outputs for each part of the prompt, then for the negative prompt unless it was skipped.
    Predicted {
        outputs: &'a [Tensor],
    },
    /// A step of `steps` begins (0-based), as webui's callback has it.
    Step {
        index: usize,
        steps: usize,
        x: &'a Tensor,
        denoised: &'a Tensor,
    },
    Decoding,
}

/// Sees what happens while a plan runs.
pub type Observer<'a> = &'a mut dyn FnMut(Event<'_>);

/// A finished image.
pub struct Image {
    pub width: u32,
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
    networks: networks::Networks,
    embeddings: Embeddings,
    model_type: ModelType,
    model_type_source: ModelTypeSource,
    levels: NoiseLevels,
    conditioning: prompt::Cache,
}

impl Engine {
    /// Builds the models of `checkpoint`. Weights are read when they are first used.
    pub fn new(checkpoint: Checkpoint, options: EngineOptions) -> Result<Self, EngineError> {
        let checkpoint = Arc::new(checkpoint);
        let mut b = Builder::new(checkpoint.clone(), &options.device);
        let (text, unet, vae) = (TextEncoders::new(&mut b), Unet::new(&mut b), Vae::new(&mut b));
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
            networks: networks::Networks::new(options.loras, modules, options.lora_keys, options.exact_block_weights),
            embeddings: options.embeddings,
            levels: model_type.levels(),
            model_type,
            model_type_source,
            conditioning: prompt::Cache::default(),
        })
    }

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
        unused_tensors(self.checkpoint(), |name| self.weights.get(name).is_some())
    }

    /// Reads all weights now instead of at their first use.
    pub fn load(&self) -> Result<(), EngineError> {
        Ok([prefix::CLIP_L, prefix::CLIP_G, prefix::UNET, prefix::VAE]
            .into_iter()
            .try_for_each(|p| self.weights.load(p))?)
    }

    /// The networks of `plan`, opened and matched to the model, in the plan's order. What is wrong with any of them is
    /// reported before the first step.
    pub fn networks(&mut self, plan: &Plan) -> Result<Vec<Arc<crate::lora::Network>>, EngineError> {
        self.networks.open(plan)
    }

    /// The conditioning of `plan` over its steps, with its LoRAs' full text-encoder strength.
    pub fn condition(&mut self, plan: &Plan, observer: Observer<'_>) -> Result<PromptConditioning, EngineError> {
        limits::check(plan)?;
        let active = self.networks.active(plan, 0, networks::Scope::TextEncoding)?;
        let parameters = self.weights.apply(&active)?;
        if parameters > 0 {
            observer(Event::Merged { parameters });
        }
        let context_dim = self.unet.config().context_dim;
        let networks = self.networks.text_signature(plan)?;
        let conditioning =
            self.conditioning.get(plan, networks, &self.text, &self.embeddings, context_dim, &self.device)?;
        observer(Event::Encoded);
        Ok(conditioning)
    }

    /// Runs `plan` from noise.
    pub fn run(&mut self, plan: &Plan, observer: Observer<'_>) -> Result<Image, EngineError> {
        self.run_from(plan, Start::Noise, observer)
    }

    /// Runs `plan` from noise or from a latent.
    pub fn run_from(&mut self, plan: &Plan, start: Start, observer: Observer<'_>) -> Result<Image, EngineError> {
        let conditioning = self.condition(plan, observer)?;
        let latent = self.sample(plan, &conditioning, start, observer)?;
        observer(Event::Decoding);
        let decoded = self.vae.decode(&latent)?;
        let (_, _, height, width) = decoded.dims4()?;
        Ok(Image { width: width as u32, height: height as u32, rgb: to_rgb8(&decoded)?, latent })
    }

    fn sample(
        &mut self,
        plan: &Plan,
        conditioning: &PromptConditioning,
        start: Start,
        observer: Observer<'_>,
    ) -> Result<Tensor, EngineError> {
        let shared = guided::Shared::new(observer);
        let mut model = guided::GuidedUnet {
            plan,
            conditioning,
            unet: &self.unet,
            weights: &mut self.weights,
            networks: &mut self.networks,
            shared: &shared,
            calls: 0,
            windows: None,
        };
        let mut rng = ImageRng::new(&plan.settings, &self.device);
        let run = Run {
            settings: &plan.settings,
            levels: &self.levels,
            parameterization: self.model_type.parameterization,
            model: &mut model,
            rng: &mut rng,
            start,
        };
        Ok(sample(run, &mut |step| shared.step(&step, plan.settings.steps as usize))?)
    }

    /// Encodes an image (1, 3, h, w) in −1…1 to a scaled latent: the encoder's mean, where webui draws from its
    /// distribution.
    pub fn encode_image(&self, image: &Tensor) -> Result<Tensor, EngineError> {
        Ok(self.vae.encode(image)?)
    }
}
