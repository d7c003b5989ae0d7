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

mod batches;
mod begin;
pub mod embedded;
mod enlarge;
mod error;
mod event;
mod guided;
mod image;
mod init_image;
mod memory;
mod model;
mod needs;
mod networks;
mod over;
mod parameterization;
mod preview;
mod prompt;
mod refiner;
mod seen;

pub use error::EngineError;
pub use event::{Event, Observer, unobserved};
pub use image::{from_rgb8, to_rgb8};
pub use init_image::InitImage;
pub use needs::{Needs, Savings, Short, amount};
pub use parameterization::{ModelType, ModelTypeSource};
pub use preview::{Preview, Previewer};
pub use prompt::PromptConditioning;
pub use seen::Features;

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};

use crate::checkpoint::Checkpoint;
use crate::lora::{KeyTable, LoraIndex};
use crate::model::ops::Operators;
use crate::model::{
    Architecture, Builder, Held, OperatorChoice, Precision, Tiling, Vae, Watch, Weights, unused_tensors,
};
use crate::plan::{HiresUpscaler, PadConds, Pass, Plan, Start as PassStart, limits};
use crate::sampling::{ImageRng, Run, Start, sample};
use crate::text::Embeddings;
use crate::upscale::{self, UpscalerIndex, Upscalers};
use event::watched;
use model::Model;
use over::Over;
use refiner::{Refiner, Switch};

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
    /// A checkpoint of the same architecture that takes over on the way, in plans that ask for it.
    pub refiner: Option<Checkpoint>,
    /// A VAE that replaces the checkpoint's, [`Checkpoint::open_vae`].
    pub vae: Option<Checkpoint>,
    /// How our kernels on the CPU hold the weights. With [`Held::Half`] those of the text encoders are given back when a prompt
    /// has been encoded, and are read again for the next one.
    pub weights: Held,
    /// How many bytes it may take; `None` is as many as it likes. What is saved for it costs time and changes nothing else.
    pub memory: Option<u64>,
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
            refiner: None,
            vae: None,
            weights: Held::default(),
            memory: None,
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
    choice: OperatorChoice,
    operators: Arc<dyn Operators>,
    model: Model,
    /// The checkpoint that takes over on the way, in plans that ask for it.
    refiner: Option<Model>,
    /// Whether only one of the two checkpoints' weights are in memory.
    takes_turns: bool,
    /// [`EngineOptions::memory`].
    memory: Option<u64>,
    vae: Arc<Vae>,
    /// Of a VAE in a file of its own.
    vae_weights: Option<Weights>,
    upscalers: Upscalers,
    skip_unused: bool,
    /// Of all convolutions.
    tiling: Tiling,
    /// By id.
    init_images: HashMap<String, InitImage>,
    previewer: Option<Previewer>,
}

impl Engine {
    /// Builds the models of `checkpoint`. Weights are read when they are first used.
    pub fn new(checkpoint: Checkpoint, mut options: EngineOptions) -> Result<Self, EngineError> {
        if options.vae.is_none() {
            checkpoint.require_vae()?;
        }
        let (vae, refiner) = (options.vae.take(), options.refiner.take());
        let operators = options.operators.open(&options.device)?;
        let tiling = Tiling::default();
        let (model, own) =
            Model::new(checkpoint, &operators, &options, &tiling, |b| vae.is_none().then(|| Vae::new(b)))?;
        let (vae, vae_weights) = match (own, vae) {
            (Some(own), _) => (own, None),
            (None, None) => return Err(EngineError::NoEncoder),
            (None, Some(file)) => {
                let b = Builder::new(Arc::new(file), model.architecture.clone(), operators.clone());
                let mut b = b.held(options.weights).tiled(tiling.clone());
                let vae = Vae::new(&mut b);
                (vae, Some(b.finish()?))
            }
        };
        let refiner = match refiner {
            None => None,
            Some(checkpoint) => {
                let path = checkpoint.path().to_owned();
                let (refiner, ()) = Model::new(checkpoint, &operators, &options, &tiling, |_| ())?;
                if !model.can_hand_over_to(&refiner) {
                    return Err(EngineError::OtherRefiner { path });
                }
                Some(refiner)
            }
        };
        Ok(Engine {
            choice: options.operators,
            device: options.device,
            model,
            refiner,
            takes_turns: options.weights == Held::Exact || options.memory.is_some(),
            memory: options.memory,
            vae: Arc::new(vae),
            vae_weights,
            upscalers: Upscalers::new(options.upscalers, operators.exact()),
            operators,
            skip_unused: options.skip_unused,
            tiling,
            init_images: HashMap::new(),
            previewer: None,
        })
    }

    /// The checkpoint it was opened with.
    pub fn checkpoint(&self) -> &Checkpoint {
        self.model.weights.checkpoint()
    }

    /// The textual-inversion embeddings that prompts may name.
    pub fn embeddings(&self) -> &Embeddings {
        &self.model.embeddings
    }

    /// What the network predicts, and how that is known.
    pub fn model_type(&self) -> (ModelType, ModelTypeSource) {
        (self.model.model_type, self.model.model_type_source)
    }

    /// The type of number that the text encoders and the UNet compute in.
    pub fn precision(&self) -> Precision {
        self.choice.precision(&self.device)
    }

    /// What the checkpoint is made of.
    pub fn architecture(&self) -> &Architecture {
        &self.model.architecture
    }

    /// Tensors of the checkpoint that no model uses: their number and an example.
    pub fn unused_tensors(&self) -> (usize, Option<String>) {
        let replaced = |name: &str| self.vae_weights.is_some() && name.starts_with(self.model.architecture.vae.prefix);
        unused_tensors(self.checkpoint(), |name| self.model.weights.get(name).is_some() || replaced(name))
    }

    /// Reads all weights that stay in memory now instead of at their first use.
    pub fn load(&self, observer: Observer<'_>) -> Result<(), EngineError> {
        let mut loading = watched(observer, |part, of| Event::Loading { part, of });
        let watch = &mut Watch::new(&mut loading);
        let vae = self.model.architecture.vae;
        let prefixes = [self.model.prefixes(), vec![vae.prefix]].concat();
        self.model.weights.load(&prefixes, watch)?;
        Ok(self.vae_weights.as_ref().map_or(Ok(()), |weights| weights.load(&[vae.prefix], watch))?)
    }

    /// Makes a picture known that plans of img2img draw over.
    pub fn add_init_image(&mut self, image: InitImage) {
        self.init_images.insert(image.id().to_owned(), image);
    }

    /// Looks names of LoRAs up in `index` from now on; files that were open are opened anew.
    pub fn set_loras(&mut self, index: LoraIndex) {
        if let Some(refiner) = &mut self.refiner {
            refiner.networks.set_index(index.clone());
        }
        self.model.networks.set_index(index);
    }

    /// Prompts may name these embeddings from now on.
    pub fn set_embeddings(&mut self, embeddings: Embeddings) {
        if let Some(refiner) = &mut self.refiner {
            refiner.set_embeddings(embeddings.clone());
        }
        self.model.set_embeddings(embeddings);
    }

    /// Forgets a picture that no plan draws over any more.
    pub fn remove_init_image(&mut self, id: &str) {
        self.init_images.remove(id);
    }

    /// The networks of `plan`, opened and matched to the model, in the plan's order. What is wrong with any of them is
    /// reported before the first step.
    pub fn networks(&mut self, plan: &Plan) -> Result<Vec<Arc<crate::lora::Network>>, EngineError> {
        self.model.networks.open(plan)
    }

    /// The conditioning of `pass` over its steps, with its LoRAs' full text-encoder strength.
    pub fn condition(&mut self, pass: &Pass, observer: Observer<'_>) -> Result<PromptConditioning, EngineError> {
        self.model.condition(pass, observer)
    }

    /// Reads the VAE's decoder: a broken number in it is found before the first step, not after the last.
    fn load_decoder(&self) -> Result<(), EngineError> {
        let weights = self.vae_weights.as_ref().unwrap_or(&self.model.weights);
        let decoder = format!("{}decoder.", self.model.architecture.vae.prefix);
        Ok(weights.load(&[&decoder], &mut Watch::nobody())?)
    }

    /// Runs `plan`, pass by pass.
    pub fn run(&mut self, plan: &Plan, observer: Observer<'_>) -> Result<Image, EngineError> {
        self.save_memory(plan)?;
        self.load_decoder()?;
        let (latent, over) = self.draw(plan, observer)?;
        self.finish(&latent, over.as_ref(), observer)
    }

    /// The picture of a latent, in the picture that was drawn over.
    fn finish(&self, latent: &Tensor, over: Option<&Over>, observer: Observer<'_>) -> Result<Image, EngineError> {
        let picture = self.picture(latent, observer)?;
        let picture = over.map_or(picture.clone(), |over| over.finish(picture));
        let (width, height) = (picture.width as u32, picture.height as u32);
        Ok(Image { width, height, rgb: picture.bytes, latent: latent.clone() })
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
        Ok(self.draw(plan, observer)?.0)
    }

    /// The latent of `plan`, and what finishes its picture.
    fn draw(&mut self, plan: &Plan, observer: Observer<'_>) -> Result<(Tensor, Option<Over>), EngineError> {
        self.check(plan)?;
        self.open_upscalers(plan)?;
        let (mut latent, mut over) = (None, None);
        self.tiling.set(plan.settings().tiling);
        for pass in plan.passes() {
            let beginning = self.begin(pass, latent.take(), observer)?;
            let conditioning = self.condition(pass, observer)?;
            let (start, beside) = (beginning.start, beginning.beside);
            latent = Some(self.sample(pass, conditioning, start, beside, observer)?);
            over = beginning.over;
        }
        let latent = latent.ok_or_else(|| candle_core::Error::Msg("the plan has no pass".to_owned()))?;
        Ok((latent, over))
    }

    /// Refuses plans that cannot be run or would take all memory.
    fn check(&self, plan: &Plan) -> Result<(), EngineError> {
        if plan.family != self.model.architecture.family {
            return Err(EngineError::Family { plan: plan.family, checkpoint: self.model.architecture.family });
        }
        if let (Some(name), None) = (plan.passes().find_map(|pass| pass.settings.refiner.as_ref()), &self.refiner) {
            return Err(EngineError::NoRefiner(name.clone()));
        }
        limits(plan).into_iter().next().map_or(Ok(()), |limit| Err(EngineError::Limit(limit)))
    }

    /// Whether a picture of `plan` is so large that it is decoded some rows at a time.
    pub fn decodes_in_bands(&self, plan: &Plan) -> bool {
        plan.passes().map(Pass::size).any(|(width, height)| self.vae.is_in_bands(height as usize, width as usize))
    }

    /// Opens the upscalers of `plan`: what is wrong with them is reported before the first step.
    pub fn open_upscalers(&mut self, plan: &Plan) -> Result<(), EngineError> {
        for pass in plan.passes() {
            if let PassStart::Previous { upscaler: HiresUpscaler::Pixel(name), .. } = &pass.start {
                self.upscalers.get(name, upscale::Tiling::default())?;
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
        let beside = self.beside_nothing(pass, observer)?;
        self.sample(pass, conditioning.clone(), start, beside, observer)
    }

    fn sample(
        &mut self,
        pass: &Pass,
        conditioning: PromptConditioning,
        start: Start,
        beside: Option<Tensor>,
        observer: Observer<'_>,
    ) -> Result<Tensor, EngineError> {
        // The model is told the size asked for; the latent has whole eighths of it, less what is cut off.
        let mut sampled = pass.clone();
        (sampled.settings.width, sampled.settings.height) = pass.size();
        let pass = &sampled;
        let empty = match pass.settings.pad_conds {
            PadConds::EmptyPrompts => Some(self.model.empty_prompt(observer)?),
            PadConds::Separate | PadConds::NegativeOnly => None,
        };
        let Model { model_type, architecture, .. } = &self.model;
        let parameterization = model_type.parameterization;
        let levels = model_type.levels(&pass.settings, architecture);
        let steps = start.steps(pass.settings.steps as usize)?;
        let refiner = self.refiner.as_mut().filter(|_| pass.settings.refiner.is_some());
        let refiner = refiner.map(|model| Refiner { model, switch: Switch::new(&pass.settings, &levels, steps) });
        if let Some(refiner) = refiner.as_ref().filter(|_| self.takes_turns) {
            refiner.model.unload();
        }
        let shared = guided::Shared::new(observer);
        let mut model = guided::GuidedUnet {
            pass,
            conditioning,
            empty,
            model: &mut self.model,
            refiner,
            takes_turns: self.takes_turns,
            beside: beside.as_ref(),
            shared: &shared,
            skip_unused: self.skip_unused,
            calls: 0,
            in_force: None,
        };
        let mut rng = ImageRng::new(&pass.settings, &self.device);
        let run = Run {
            settings: &pass.settings,
            levels: &levels,
            parameterization,
            model: &mut model,
            rng: &mut rng,
            start,
        };
        let latent = sample(run, &mut |step| shared.step(&step, steps))?;
        shared.end(&latent)?;
        Ok(latent)
    }

    /// Encodes an image (1, 3, h, w) in −1…1 to a scaled latent: the encoder's mean, where webui draws from its
    /// distribution.
    pub fn encode_image(&self, image: &Tensor, observer: Observer<'_>) -> Result<Tensor, EngineError> {
        let mut encoding = watched(observer, |part, of| Event::EncodingImage { part, of });
        Ok(self.vae.encode(image, &mut Watch::new(&mut encoding))?)
    }
}
