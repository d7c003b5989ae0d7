//! Plans to pictures: an engine that stays open, with what infotext and job ids need to know about its files.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use candle_core::Device;

use super::args::{EngineArgs, LoraKeysArg, PredictionArg, WeightsArg};
use super::exit::Failure;
use super::files::{ModelFiles, cache_dir};
use super::report;
use crate::checkpoint::{Checkpoint, cached_sha256, sha256_of_file};
use crate::diagnostic::Said;
use crate::engine::{Engine, EngineError, EngineOptions, InitImage, ModelType, ModelTypeSource, Observer};
use crate::image_io::{self, Existing, read_picture, write_png};
use crate::infotext::{ModelInfo, infotext};
use crate::lora::{KeyTable, LoraHashes, LoraIndex, Network};
use crate::model::Held;
use crate::plan::{LoraPlan, Plan, check, job_id};
use crate::sampling::Parameterization;
use crate::text::{EmbeddingFiles, Embeddings, Unusable, Widths};

/// An open engine and the hashes of its files.
pub struct Painter {
    engine: Engine,
    model: PathBuf,
    model_hash: Hash,
    vae: Option<PathBuf>,
    vae_hash: Option<String>,
    lora_hashes: HashMap<PathBuf, LoraHashes>,
    embeddings: EmbeddingFiles,
    /// sha256 of the embedding files used so far, by name.
    embedding_hashes: HashMap<String, String>,
    /// Engine settings that change pictures and are not in the plan.
    settings: String,
    /// Files that something was said about, and the weights they had then.
    said: HashSet<(PathBuf, String)>,
}

/// Hashing a whole checkpoint takes as long as a few steps: it goes on beside them until it is asked for.
enum Hash {
    Running(Option<JoinHandle<std::io::Result<String>>>),
    Known(String),
}

/// A finished picture with its texts.
pub struct Picture {
    pub image: image::RgbImage,
    /// webui's infotext.
    pub parameters: String,
    /// The plan as JSON.
    pub plan: String,
}

impl Picture {
    /// Writes the PNG; it is whole or absent at any moment.
    pub fn write(&self, path: &Path, existing: Existing) -> Result<(), image_io::Error> {
        write_png(path, &self.image, &self.parameters, Some(&self.plan), existing)
    }
}

impl Painter {
    /// Opens `model`. Weights are read when they are first used.
    pub fn open(
        model: &ModelFiles,
        loras: LoraIndex,
        mut embeddings: EmbeddingFiles,
        args: &EngineArgs,
    ) -> Result<Self, Failure> {
        let engine = open(model, loras, &mut embeddings, args)?;
        let (path, cache) = (model.to_path_buf(), cache_dir());
        let hash = std::thread::spawn(move || cached_sha256(&path, &cache));
        Ok(Painter {
            engine,
            model: model.to_path_buf(),
            vae: model.vae.clone(),
            vae_hash: None,
            model_hash: Hash::Running(Some(hash)),
            lora_hashes: HashMap::new(),
            embeddings,
            embedding_hashes: HashMap::new(),
            settings: format!("{:?} {} {:?} {:?}", args.lora_keys, args.lbw_exact, args.prediction, args.weights),
            said: HashSet::new(),
        })
    }

    /// Opens every LoRA of `plans` and says what is surprising about each, once; likewise about embeddings.
    pub fn check_loras(&mut self, plans: &[Plan]) -> Result<(), Failure> {
        for plan in plans {
            for (file, why) in self.embeddings.unusable_in(plan) {
                // Everything else was seen before there was a model.
                if matches!(why, Unusable::Width { .. }) && self.said.insert((file.path.clone(), String::new())) {
                    report::warning(&format!("{}: {why}; the name is read as words", file.path.display()));
                }
            }
            let networks = self.engine.networks(plan).map_err(failure)?;
            for (lora, network) in plan.loras.iter().zip(&networks) {
                if self.said.insert((network.path().to_owned(), format!("{:?}", (&lora.blocks, &lora.elements)))) {
                    say_about(lora, network, plan);
                }
            }
        }
        Ok(())
    }

    /// The LoRA files of `plan`, matched to the model, in the plan's order.
    pub fn networks(&mut self, plan: &Plan) -> Result<Vec<Arc<Network>>, Failure> {
        self.engine.networks(plan).map_err(failure)
    }

    /// Draws one plan.
    pub fn paint(&mut self, plan: &Plan, observer: Observer<'_>) -> Result<Picture, Failure> {
        let image = self.engine.run(plan, observer).map_err(failure)?;
        let parameters = infotext(plan, &self.model_info(plan)?);
        let image = image::RgbImage::from_raw(image.width, image.height, image.rgb)
            .ok_or_else(|| Failure::file("the decoded image has the wrong size"))?;
        let plan = serde_json::to_string(plan).map_err(|e| Failure::text(e.to_string()))?;
        Ok(Picture { image, parameters, plan })
    }

    /// What tells the picture of `plan` from every other: the same id, the same picture, whoever draws it when.
    pub fn job_id(&mut self, plan: &Plan) -> Result<String, Failure> {
        let mut hashes = vec![self.settings.clone(), self.model_hash()?.to_owned()];
        for hash in self.hashes_of_loras(plan)? {
            hashes.push(hash.sha256);
        }
        hashes.extend(self.vae_hash()?);
        hashes.extend(self.hashes_of_embeddings(plan)?.into_iter().map(|(_, hash)| hash));
        Ok(job_id(plan, hashes.iter().map(String::as_str)))
    }

    /// The ten digits that webui shows.
    pub fn short_model_hash(&mut self) -> Result<String, Failure> {
        Ok(self.model_hash()?.chars().take(10).collect())
    }

    /// sha256 of the VAE's own file.
    fn vae_hash(&mut self) -> Result<Option<String>, Failure> {
        if let (Some(path), None) = (&self.vae, &self.vae_hash) {
            let hash = cached_sha256(path, &cache_dir());
            self.vae_hash = Some(hash.map_err(|e| Failure::file(format!("{}: {e}", path.display())))?);
        }
        Ok(self.vae_hash.clone())
    }

    fn model_hash(&mut self) -> Result<&str, Failure> {
        if let Hash::Running(thread) = &mut self.model_hash {
            let damaged = || Failure::file("the checkpoint could not be hashed");
            let result = thread.take().ok_or_else(damaged)?.join().map_err(|_| damaged())?;
            let hash = result.map_err(|e| Failure::file(format!("{}: {e}", self.model.display())))?;
            self.model_hash = Hash::Known(hash);
        }
        match &self.model_hash {
            Hash::Known(hash) => Ok(hash),
            Hash::Running(_) => Err(Failure::file("the checkpoint could not be hashed")),
        }
    }

    /// The hashes of the plan's LoRA files, in the order of the plan. A file is hashed once, however many images it is in.
    fn hashes_of_loras(&mut self, plan: &Plan) -> Result<Vec<LoraHashes>, Failure> {
        let networks = self.engine.networks(plan).map_err(failure)?;
        let mut hashes = Vec::new();
        for network in networks {
            let known = self.lora_hashes.get(network.path()).cloned();
            hashes.push(match known {
                Some(known) => known,
                None => {
                    let new = LoraHashes::of_file(network.path()).map_err(|e| Failure::file(e.to_string()))?;
                    self.lora_hashes.insert(network.path().to_owned(), new.clone());
                    new
                }
            });
        }
        Ok(hashes)
    }

    /// Names and sha256 of the embeddings that the plan uses, in webui's order.
    fn hashes_of_embeddings(&mut self, plan: &Plan) -> Result<Vec<(String, String)>, Failure> {
        let mut hashes = Vec::new();
        for name in self.engine.embeddings().used_by(plan) {
            let Some(file) = self.embeddings.get(&name) else { continue };
            let hash = match self.embedding_hashes.get(&name) {
                Some(known) => known.clone(),
                None => {
                    sha256_of_file(&file.path).map_err(|e| Failure::file(format!("{}: {e}", file.path.display())))?
                }
            };
            self.embedding_hashes.insert(name.clone(), hash.clone());
            hashes.push((name, hash));
        }
        Ok(hashes)
    }

    fn model_info(&mut self, plan: &Plan) -> Result<ModelInfo, Failure> {
        let hashes = self.hashes_of_loras(plan)?;
        let model_hash = Some(self.short_model_hash()?);
        Ok(ModelInfo {
            model: self.model.file_stem().map(|s| s.to_string_lossy().into_owned()),
            model_hash,
            loras: plan.loras.iter().map(|l| l.name.clone()).zip(hashes.into_iter().map(|h| h.webui)).collect(),
            embeddings: self.hashes_of_embeddings(plan)?,
            vae_hash: self.vae_hash()?.map(|hash| hash.chars().take(10).collect()),
            vae: self.vae.as_ref().and_then(|p| Some(p.file_name()?.to_string_lossy().into_owned())),
        })
    }
}

/// Opens `model` and says what is surprising about it.
pub fn open(
    model: &ModelFiles,
    loras: LoraIndex,
    embeddings: &mut EmbeddingFiles,
    args: &EngineArgs,
) -> Result<Engine, Failure> {
    let device = device(&args.device)?;
    let checkpoint = Checkpoint::open(model).map_err(|e| Failure::file(e.to_string()))?;
    let vae = model.vae.as_deref().map(Checkpoint::open_vae).transpose().map_err(|e| Failure::file(e.to_string()))?;
    let loaded = match Widths::of(&checkpoint) {
        Some(widths) => embeddings.load(widths).map_err(|e| Failure::file(e.to_string()))?,
        // Without text encoders the engine will not open.
        None => Embeddings::default(),
    };
    let options = EngineOptions {
        device,
        loras,
        lora_keys: match args.lora_keys {
            LoraKeysArg::Webui => KeyTable::Webui,
            LoraKeysArg::Lenient => KeyTable::Lenient,
        },
        exact_block_weights: args.lbw_exact,
        model_type: args.prediction.map(|p| match p {
            PredictionArg::Eps => ModelType::default(),
            PredictionArg::V => ModelType { parameterization: Parameterization::V, zero_terminal_snr: false },
            PredictionArg::VZtsnr => ModelType { parameterization: Parameterization::V, zero_terminal_snr: true },
        }),
        embeddings: loaded,
        vae,
        weights: match args.weights {
            WeightsArg::F32 => Held::Exact,
            WeightsArg::F16 => Held::Half,
        },
        skip_unused: true,
    };
    let mut engine = Engine::new(checkpoint, options).map_err(failure)?;
    for path in &args.init {
        engine.add_init_image(InitImage::new(read_picture(path).map_err(|e| Failure::file(e.to_string()))?));
    }
    if let (count @ 1.., Some(example)) = engine.unused_tensors() {
        report::note(&format!("{}: {count} tensors are not used, for example {example}", model.display()));
    }
    if let (model_type, ModelTypeSource::Markers) = engine.model_type() {
        let snr = if model_type.zero_terminal_snr { " with zero terminal SNR" } else { "" };
        report::note(&format!(
            "the checkpoint is marked as v-prediction{snr}, and run so; webui 1.10 ignores these marks (--prediction eps does too)"
        ));
    }
    Ok(engine)
}

fn device(name: &str) -> Result<Device, Failure> {
    let absent = |e: candle_core::Error| Failure::file(format!("--device {name}: {e}"));
    match name.split_once(':').unwrap_or((name, "0")) {
        ("cpu", _) => Ok(Device::Cpu),
        ("cuda", n) => {
            let n = n
                .parse()
                .map_err(|_| Failure::text(format!("--device {name}: `{n}` is not the number of a device")))?;
            Device::new_cuda(n).map_err(absent)
        }
        ("metal", _) => Device::new_metal(0).map_err(absent),
        _ => Err(Failure::text(format!("--device {name}: there are cpu, cuda, cuda:N and metal"))),
    }
}

/// What is surprising about a LoRA file, now that it and the model are open.
fn say_about(lora: &LoraPlan, network: &Network, plan: &Plan) {
    let name = &lora.name;
    if let Some(example) = network.unmatched().first() {
        // `MODULE.lora_down.weight` and its like: one module each, as far as the names tell.
        let modules: HashSet<_> = network.unmatched().iter().map(|t| t.split('.').next().unwrap_or_default()).collect();
        let all = modules.len() + network.modules().len();
        report::diagnostics(&[check::unmatched_keys(name, modules.len(), all, example)]);
    }
    if network.leniently_matched() > 0 {
        report::warning(&format!(
            "{name}: {} tensors have names that webui does not know; they are loaded as their author meant (--lora-keys webui ignores them)",
            network.leniently_matched()
        ));
    }
    let weighted = lora.blocks.iter().any(|w| *w != 1.0) || !lora.elements.is_empty();
    if !weighted {
        return;
    }
    let outside: Vec<_> = network.modules().iter().filter(|m| m.block().is_none()).collect();
    if let Some(first) = outside.first() {
        report::note(&format!(
            "{name}: {} modules lie outside the blocks and keep ratio 1, for example {}",
            outside.len(),
            first.name()
        ));
    }
    let mut quirks: BTreeMap<_, usize> = BTreeMap::new();
    for module in network.modules().iter().filter(|m| lora.ratio(plan.family, m.name()) != 1.0) {
        module.quirks().into_iter().for_each(|quirk| *quirks.entry(quirk).or_default() += 1);
    }
    for (quirk, modules) in quirks {
        report::diagnostics(&[check::nonlinear_kind(name, &quirk.said(), modules)]);
    }
}

/// Names and settings are the user's text; everything else concerns files and devices.
pub fn failure(error: EngineError) -> Failure {
    match error {
        EngineError::LoraName(_) | EngineError::Limit { .. } | EngineError::Family(_) | EngineError::Format(_) => {
            Failure::text(error.to_string())
        }
        other => Failure::file(other.to_string()),
    }
}
