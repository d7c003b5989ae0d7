//! Plans to pictures: an engine that stays open, with what infotext and job ids need to know about its files.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use candle_core::Device;

use super::catalogue::ModelFiles;
use super::error::{Error, ErrorKind, Result};
use super::memory;
use super::session::Session;
use super::surprising;
use crate::checkpoint::{Checkpoint, cached_sha256, sha256_of_file};
use crate::diagnostic::{Diagnostic, Said, Text, code};
use crate::engine::{self, Engine, EngineOptions, Features, InitImage, ModelType, Observer, Savings};
use crate::image_io::{self, Existing, Rgb, encode_png, write_file};
use crate::infotext::{ModelInfo, infotext};
use crate::lora::{KeyTable, LoraHashes, Network};
use crate::model::ops::card;
use crate::model::{Held, OperatorChoice, Precision};
use crate::plan::{HiresUpscaler, Plan, Start, job_id};
use crate::say;
use crate::text::{EmbeddingFiles, Embeddings, Unusable, Widths};
use crate::upscale::{Named, UpscaleError};

/// How plans are executed.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Where: [`device`].
    pub device: Device,
    /// Which LoRA keys are understood.
    pub lora_keys: KeyTable,
    /// Block weights scale the whole delta of every kind of network, also where the extension does not.
    pub exact_block_weights: bool,
    /// What the model predicts; `None` is found out from the checkpoint.
    pub model_type: Option<ModelType>,
    /// How weights are held.
    pub weights: Held,
    /// Which operators compute.
    pub operators: OperatorChoice,
    /// How many bytes it may take: [`super::memory::allowed`].
    pub memory: Option<u64>,
}

impl Default for EngineSettings {
    fn default() -> Self {
        EngineSettings {
            device: Device::Cpu,
            lora_keys: KeyTable::Lenient,
            exact_block_weights: false,
            model_type: None,
            weights: Held::Exact,
            operators: OperatorChoice::default(),
            memory: None,
        }
    }
}

impl EngineSettings {
    /// What of this changes pictures, as part of a job's id.
    fn key(&self, precision: Precision) -> String {
        let keys = match self.lora_keys {
            KeyTable::Webui => "webui",
            KeyTable::Lenient => "lenient",
        };
        let exact = if self.exact_block_weights { "exact" } else { "as the extension" };
        let prediction = self.model_type.map_or("detected", |t| match (t.is_v(), t.zero_terminal_snr) {
            (false, _) => "eps",
            (true, false) => "v",
            (true, true) => "v-ztsnr",
        });
        let weights = if self.weights == Held::Half { "f16" } else { "f32" };
        let mut key = format!("lora keys {keys}, block weights {exact}, prediction {prediction}, weights {weights}");
        if precision != Precision::F32 {
            key += &format!(", arithmetic {}", precision.name());
        }
        key
    }
}

/// An open engine and the hashes of its files.
pub struct Studio {
    /// The engine itself.
    pub engine: Engine,
    model: PathBuf,
    model_hash: Hash,
    vae: Option<PathBuf>,
    vae_hash: Option<String>,
    refiner: Option<PathBuf>,
    cache: PathBuf,
    lora_hashes: HashMap<PathBuf, LoraHashes>,
    embeddings: EmbeddingFiles,
    /// sha256 of the embedding files used so far, by name.
    embedding_hashes: HashMap<String, String>,
    /// [`EngineSettings::key`].
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
    /// The pixels.
    pub image: image::RgbImage,
    /// webui's infotext.
    pub parameters: String,
    /// The plan as JSON.
    pub plan: String,
    /// Who drew it, where it was another host.
    pub host: Option<String>,
}

impl Picture {
    /// The PNG with both texts in it.
    pub fn png(&self) -> Result<Vec<u8>> {
        Ok(encode_png(&self.image, &self.parameters, Some(&self.plan))?)
    }

    /// Writes the PNG; it is whole or absent at any moment.
    pub fn write(&self, path: &Path, existing: Existing) -> std::result::Result<(), image_io::Error> {
        write_file(path, &encode_png(&self.image, &self.parameters, Some(&self.plan))?, existing)
    }
}

impl Studio {
    /// Whether the checkpoint's file is another one than when it was opened.
    pub fn is_changed(&self) -> bool {
        self.engine.checkpoint().file().is_changed()
    }

    /// Opens `model` with the LoRAs and embeddings of `session`; also what is surprising about it. Weights are read when they
    /// are first used.
    pub fn open(model: &ModelFiles, session: &Session, settings: &EngineSettings) -> Result<(Self, Vec<Diagnostic>)> {
        let mut embeddings = session.embeddings.clone();
        let (engine, found) = open_engine(model, session, &mut embeddings, settings)?;
        let (path, cache) = (model.checkpoint.clone(), session.catalogue.cache.clone());
        let hash = std::thread::spawn({
            let (path, cache) = (path.clone(), cache.clone());
            move || cached_sha256(&path, &cache)
        });
        let key = settings.key(engine.precision());
        let studio = Studio {
            engine,
            model: path,
            vae: model.vae.clone(),
            vae_hash: None,
            refiner: model.refiner.clone(),
            cache,
            model_hash: Hash::Running(Some(hash)),
            lora_hashes: HashMap::new(),
            embeddings,
            embedding_hashes: HashMap::new(),
            settings: key,
            said: HashSet::new(),
        };
        Ok((studio, found))
    }

    /// Makes a picture known that plans draw over.
    pub fn add_picture(&mut self, picture: &InitImage) {
        self.engine.add_init_image(picture.clone());
    }

    /// Forgets a picture that no plan draws over any more.
    pub fn remove_picture(&mut self, id: &str) {
        self.engine.remove_init_image(id);
    }

    /// Takes the LoRAs and embeddings of `session`.
    pub fn refresh(&mut self, session: &Session) -> Result<()> {
        self.engine.set_loras(session.loras.clone());
        let mut embeddings = session.embeddings.clone();
        let loaded = match Widths::of(self.engine.checkpoint()) {
            Some(widths) => embeddings.load(&widths)?,
            None => Embeddings::default(),
        };
        self.engine.set_embeddings(loaded);
        self.embeddings = embeddings;
        self.lora_hashes.clear();
        self.embedding_hashes.clear();
        Ok(())
    }

    /// What the checkpoint itself sees in a picture.
    pub fn see(&mut self, picture: &image::RgbImage, observer: Observer<'_>) -> Result<Features> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let picture = Rgb { width, height, bytes: picture.as_raw().clone() };
        Ok(self.engine.see(&picture, observer)?)
    }

    /// Opens every LoRA of `plan`; what is surprising about each, once, and likewise about embeddings.
    pub fn check(&mut self, plan: &Plan) -> Result<Vec<Diagnostic>> {
        let mut found = Vec::new();
        for (file, why) in self.embeddings.unusable_in(plan) {
            // Everything else was seen before there was a model.
            if matches!(why, Unusable::Width { .. } | Unusable::Values(_))
                && self.said.insert((file.path.clone(), String::new()))
            {
                let path = file.path.display();
                let message =
                    say!("{path}: {why}; the name is read as words", "{path}: {why} 名前は単語として読まれます");
                found.push(Diagnostic::new(code::UNUSABLE_EMBEDDING, message));
            }
        }
        self.engine.open_upscalers(plan)?;
        let savings = self.engine.save_memory(plan)?;
        if savings != Savings::default() && self.said.insert((self.model.clone(), format!("{savings:?}"))) {
            found.extend(memory::saved(&self.engine.needs(plan)?, savings));
        }
        // Bands for want of memory have been said.
        let is_large = !savings.bands && self.engine.decodes_in_bands(plan);
        if is_large && self.said.insert((self.model.clone(), "bands".to_owned())) {
            let message = say!(
                "a picture of this size is decoded some rows at a time: the same picture in less memory, but slower",
                "この大きさの画像は数行ずつ復号します。同じ画像が少ないメモリーで得られますが、遅くなります"
            );
            found.push(Diagnostic::new(code::DECODED_IN_BANDS, message));
        }
        let networks = self.networks(plan)?;
        for (lora, network) in plan.loras().zip(&networks) {
            if self.said.insert((
                network.path().to_owned(),
                format!("{:?}", (&lora.blocks, &lora.over_time.blocks, &lora.elements)),
            )) {
                found.extend(surprising::lora(lora, network, plan));
            }
        }
        Ok(found)
    }

    /// The LoRA files of `plan`, matched to the model, in the order of [`Plan::loras`].
    pub fn networks(&mut self, plan: &Plan) -> Result<Vec<Arc<Network>>> {
        Ok(self.engine.networks(plan)?)
    }

    /// Draws one plan.
    pub fn draw(&mut self, plan: &Plan, observer: Observer<'_>) -> Result<Picture> {
        let image = self.engine.run(plan, observer)?;
        self.picture(plan, image)
    }

    /// A picture with what is to be told about it.
    pub(super) fn picture(&mut self, plan: &Plan, image: engine::Image) -> Result<Picture> {
        let parameters = infotext(plan, &self.model_info(plan)?);
        let image = image::RgbImage::from_raw(image.width, image.height, image.rgb)
            .ok_or_else(|| candle_core::Error::Msg("the decoded image has the wrong size".to_owned()))?;
        Ok(Picture { image, parameters, plan: json(plan), host: None })
    }

    /// What tells the picture of `plan` from every other: the same id, the same picture, whoever draws it when.
    pub fn id(&mut self, plan: &Plan) -> Result<String> {
        let mut hashes = vec![self.settings.clone(), self.model_hash()?.to_owned()];
        for hash in self.hashes_of_loras(plan)? {
            hashes.push(hash.sha256);
        }
        hashes.extend(self.vae_hash()?);
        hashes.extend(self.refiner_hash()?);
        hashes.extend(self.hashes_of_embeddings(plan)?.into_iter().map(|(_, hash)| hash));
        hashes.extend(self.hashes_of_upscalers(plan)?);
        Ok(job_id(plan, hashes.iter().map(String::as_str)))
    }

    /// sha256 of the files of the plan's upscalers, in the order of the passes.
    fn hashes_of_upscalers(&self, plan: &Plan) -> Result<Vec<String>> {
        let mut hashes = Vec::new();
        for pass in plan.passes() {
            let Start::Previous { upscaler: HiresUpscaler::Pixel(name), .. } = &pass.start else { continue };
            if let Named::File { path, .. } = self.engine.upscalers().resolve(name).map_err(UpscaleError::from)? {
                hashes.push(cached_sha256(&path, &self.cache).map_err(|e| Error::reading(&path, &e))?);
            }
        }
        Ok(hashes)
    }

    /// The ten digits that webui shows.
    pub fn short_model_hash(&mut self) -> Result<String> {
        Ok(self.model_hash()?.chars().take(10).collect())
    }

    /// sha256 of the VAE's own file.
    fn vae_hash(&mut self) -> Result<Option<String>> {
        if let (Some(path), None) = (&self.vae, &self.vae_hash) {
            self.vae_hash = Some(cached_sha256(path, &self.cache).map_err(|e| Error::reading(path, &e))?);
        }
        Ok(self.vae_hash.clone())
    }

    /// sha256 of the checkpoint that takes over on the way.
    fn refiner_hash(&self) -> Result<Option<String>> {
        let hash = |path: &PathBuf| cached_sha256(path, &self.cache).map_err(|e| Error::reading(path, &e));
        self.refiner.as_ref().map(hash).transpose()
    }

    fn model_hash(&mut self) -> Result<&str> {
        if let Hash::Running(thread) = &mut self.model_hash {
            let path = &self.model;
            let damaged = || Error::reading(path, &std::io::Error::other("the checkpoint could not be hashed"));
            let result = thread.take().ok_or_else(damaged)?.join().map_err(|_| damaged())?;
            let hash = result.map_err(|e| Error::reading(path, &e))?;
            self.model_hash = Hash::Known(hash);
        }
        match &self.model_hash {
            Hash::Known(hash) => Ok(hash),
            Hash::Running(_) => Ok(""),
        }
    }

    /// The hashes of the plan's LoRA files, in the order of the plan. A file is hashed once, however many images it is in.
    fn hashes_of_loras(&mut self, plan: &Plan) -> Result<Vec<LoraHashes>> {
        let mut hashes = Vec::new();
        for network in self.networks(plan)? {
            let known = self.lora_hashes.get(network.path()).cloned();
            hashes.push(match known {
                Some(known) => known,
                None => {
                    let new = LoraHashes::of_file(network.path())?;
                    self.lora_hashes.insert(network.path().to_owned(), new.clone());
                    new
                }
            });
        }
        Ok(hashes)
    }

    /// Names and sha256 of the embeddings that the plan uses, in webui's order.
    fn hashes_of_embeddings(&mut self, plan: &Plan) -> Result<Vec<(String, String)>> {
        let mut hashes = Vec::new();
        for name in self.engine.embeddings().used_by(plan) {
            let Some(file) = self.embeddings.get(&name) else { continue };
            let hash = match self.embedding_hashes.get(&name) {
                Some(known) => known.clone(),
                None => sha256_of_file(&file.path).map_err(|e| Error::reading(&file.path, &e))?,
            };
            self.embedding_hashes.insert(name.clone(), hash.clone());
            hashes.push((name, hash));
        }
        Ok(hashes)
    }

    /// What infotext says about the files of a plan.
    pub fn model_info(&mut self, plan: &Plan) -> Result<ModelInfo> {
        let mut loras: Vec<(String, String)> = Vec::new();
        for (lora, hash) in plan.loras().zip(self.hashes_of_loras(plan)?) {
            if !loras.iter().any(|(name, _)| *name == lora.name) {
                loras.push((lora.name.clone(), hash.webui));
            }
        }
        let short = |hash: String| hash.chars().take(10).collect();
        Ok(ModelInfo {
            model: self.model.file_stem().map(|s| s.to_string_lossy().into_owned()),
            model_hash: Some(self.short_model_hash()?),
            loras,
            embeddings: self.hashes_of_embeddings(plan)?,
            vae_hash: self.vae_hash()?.map(short),
            refiner_hash: self.refiner_hash()?.map(short),
            vae: self.vae.as_ref().and_then(|p| Some(p.file_name()?.to_string_lossy().into_owned())),
        })
    }
}

/// A plan as one line of JSON. It is plain data: it can always be written.
pub fn json(plan: &Plan) -> String {
    serde_json::to_string(plan).unwrap_or_default()
}

/// The plan that [`json`] has written.
pub fn plan_of_text(text: &str) -> Option<Plan> {
    serde_json::from_str(text).ok()
}

/// Opens `model`, and what is surprising about it.
pub fn open_engine(
    model: &ModelFiles,
    session: &Session,
    embeddings: &mut EmbeddingFiles,
    settings: &EngineSettings,
) -> Result<(Engine, Vec<Diagnostic>)> {
    engine::embedded::restore(&model.checkpoint)?;
    let checkpoint = Checkpoint::open(&model.checkpoint)?;
    let vae = model.vae.as_deref().map(Checkpoint::open_vae).transpose()?;
    let refiner = model.refiner.as_deref().map(Checkpoint::open).transpose()?;
    let loaded = match Widths::of(&checkpoint) {
        Some(widths) => embeddings.load(&widths)?,
        // Without text encoders the engine will not open.
        None => Embeddings::default(),
    };
    let options = EngineOptions {
        device: settings.device.clone(),
        operators: settings.operators,
        loras: session.loras.clone(),
        lora_keys: settings.lora_keys,
        exact_block_weights: settings.exact_block_weights,
        model_type: settings.model_type,
        embeddings: loaded,
        upscalers: session.upscalers.clone(),
        refiner,
        vae,
        weights: settings.weights,
        memory: settings.memory,
        skip_unused: true,
    };
    let engine = Engine::new(checkpoint, options)?;
    let mut found = settings.without_gain();
    if let (count @ 1.., Some(example)) = engine.unused_tensors() {
        let path = model.checkpoint.display();
        let message = say!(
            "{path}: {count} tensors are not used, for example {example}",
            "{path}: 使われないテンソルが {count} 個あります (例: {example})"
        );
        found.push(Diagnostic::new(code::UNUSED_TENSORS, message));
    }
    found.extend(surprising::prediction(&engine));
    let quantised = engine.checkpoint().file().quantised();
    if !quantised.is_empty() {
        let path = model.checkpoint.display();
        let kinds = quantised.iter().map(|(kind, (bits, count))| format!("{count} × {kind}, {bits} bits a weight"));
        let kinds = kinds.collect::<Vec<_>>().join("; ");
        let message = say!(
            "{path}: the weights are quantised ({kinds}); pictures are those of the rounded weights, not of the original model, and in memory the weights take as much as in f32",
            "{path}: 重みが量子化されています ({kinds})。画像は元のモデルではなく、丸められた重みのものです。メモリーは f32 と同じだけ使います"
        );
        found.push(Diagnostic::new(code::QUANTISED, message));
    }
    Ok((engine, found))
}

impl EngineSettings {
    /// Types of numbers that were asked for and cost something without a gain, or have no effect.
    pub fn without_gain(&self) -> Vec<Diagnostic> {
        let (precision, on_cpu) = (self.operators.precision(&self.device), self.device.is_cpu());
        let name = precision.name();
        let mut found = Vec::new();
        if on_cpu && precision != Precision::F32 {
            found.push(say!(
            "computing in {name} on the CPU is slower than in f32 and less exact; it is there to see what a GPU's arithmetic does to a picture",
            "CPU での {name} の計算は f32 より遅く、精度も落ちます。GPU の計算で画像がどう変わるかを見るためのものです"
        ));
        }
        if precision == Precision::Bf16 {
            found.push(say!(
            "bf16 keeps 8 bits of each number: pictures differ visibly from those of f32; f16 takes as much memory and comes closer",
            "bf16 は数値を 8 ビットの精度で持つため、画像が f32 と目に見えて変わります。f16 なら同じメモリーでより近くなります"
        ));
        }
        let by_cpu = on_cpu && precision == Precision::F32 && !matches!(self.operators, OperatorChoice::Candle(_));
        if self.weights == Held::Half && !by_cpu {
            found.push(say!(
            "--weights f16 is for the CPU's own arithmetic: here weights are held in {name} as --precision says, and the text encoders' are given back after use",
            "--weights f16 は CPU 独自の計算のためのものです。ここでは重みを --precision の {name} で持ち、テキストエンコーダーの重みは使うたびに手放します"
        ));
        }
        found.into_iter().map(|message| Diagnostic::new(code::NO_GAIN, message)).collect()
    }
}

/// The device of this name: cpu, cuda, cuda:N or metal. It is opened: where it is not there, that is an error.
pub fn device(name: &str) -> Result<Device> {
    let absent = |why: Text| {
        let message = say!("--device {name}: {why}", "--device {name} は使えません: {why}", with why);
        Error::new(ErrorKind::Device, code::NO_DEVICE, message)
            .help(say!("`--device cpu` draws without it, in f32", "`--device cpu` なら CPU だけで (f32 で) 描けます"))
    };
    let wrong = || {
        let message = say!(
            "--device {name}: there are cpu, cuda, cuda:N and metal",
            "--device {name}: cpu、cuda、cuda:N、metal があります"
        );
        Error::words(code::NO_DEVICE, message)
    };
    match name.split_once(':').unwrap_or((name, "0")) {
        ("cpu", _) => Ok(Device::Cpu),
        ("cuda", n) => card(n.parse().map_err(|_| wrong())?).map_err(|e| absent(e.said())),
        ("metal", _) if cfg!(not(feature = "metal")) => {
            Err(absent(say!("this lbw was built without Metal", "この lbw は Metal なしでビルドされています")))
        }
        ("metal", _) => Device::new_metal(0).map_err(|e| absent(e.said())),
        _ => Err(wrong()),
    }
}
