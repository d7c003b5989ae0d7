//! A session: the files that prompts are read with — presets, LoRAs, embeddings, styles — and how an entry becomes plans.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use sha2::{Digest, Sha256};

use super::catalogue::{Catalogue, ModelFiles, Places};
use super::error::{Error, Result, refuses};
use super::files::{load_presets, read_text};
use super::source::{self, Reading};
use super::webui::WebuiConfig;
use super::{embeddings, over, settings};
use crate::batch::{Entry, Place};
use crate::block::Family;
use crate::checkpoint::{Checkpoint, TensorFile};
use crate::diagnostic::{Diagnostic, Said, Severity, Source, Text, code, did_you_mean};
use crate::engine::InitImage;
use crate::files::hex;
use crate::infotext::Pasted;
use crate::lora::{IndexEntry, IndexError, Inspection, LoraIndex};
use crate::model::Architecture;
use crate::plan::network::lora_tags;
use crate::plan::settings::MAX_IMAGES;
use crate::plan::{
    HiresUpscaler, Options, Patch, Plan, Request, Settings, Start, Wanted, limits, lower_with_files, unknown_lora,
};
use crate::preset::PresetSet;
use crate::preset::styles::{Style, Styles};
use crate::say;
use crate::syntax::Prompt;
use crate::text::EmbeddingFiles;
use crate::upscale::UpscalerIndex;

/// What a file is, or why it cannot be read.
type Opened<T> = std::result::Result<T, Text>;

/// What prompts are read with.
pub struct Session {
    /// Where files are found.
    pub catalogue: Catalogue,
    /// The LoRA files there are.
    pub loras: LoraIndex,
    /// The embeddings there are.
    pub embeddings: EmbeddingFiles,
    /// The upscalers there are.
    pub upscalers: UpscalerIndex,
    /// The presets there are.
    pub presets: PresetSet,
    /// What is to be said about all these files.
    pub found: Vec<Diagnostic>,
    /// What the caller sets.
    caller: Caller,
    /// What LoRA files are, by name, each file opened once, or why one cannot be read.
    inspections: Mutex<HashMap<String, Opened<Arc<Inspection>>>>,
    /// [`Session::lora_list`], once somebody has asked.
    listed: OnceLock<Vec<ListedLora>>,
    /// Pictures that are drawn over, by path.
    pictures: Mutex<HashMap<String, Arc<InitImage>>>,
    /// What checkpoints are made as, each opened once, or why one cannot be read.
    architectures: Mutex<HashMap<PathBuf, Opened<Option<Arc<Architecture>>>>>,
}

/// A LoRA file with what its header says of itself.
#[derive(Debug, Clone)]
pub struct ListedLora {
    /// The file and its names.
    pub entry: IndexEntry,
    /// `ss_output_name` and its kin.
    pub metadata: BTreeMap<String, String>,
}

/// What the caller sets, and how it stands to what the texts say.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// Flags, or the fields of a request.
    pub patch: Patch,
    /// Whether the texts win: the caller's values are then for texts that say nothing else.
    pub is_default: bool,
    /// Whether warnings refuse, too.
    pub strict: bool,
}

/// What stands beside the words of a request and is not looked up by name.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// webui's options, where they are not those of its file.
    pub config: Option<WebuiConfig>,
    /// Checkpoint and VAE.
    pub model: Option<ModelFiles>,
    /// The picture that is drawn over.
    pub picture: Option<Arc<InitImage>>,
    /// Its mask.
    pub mask: Option<Arc<InitImage>>,
}

/// What an entry asks for, resolved.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Where it stands; `None` for words of the caller's own.
    pub place: Option<Place>,
    /// The request for the first picture.
    pub request: Request,
    /// How many pictures there are, seeds counting up.
    pub images: u64,
    /// The checkpoint and VAE.
    pub model: ModelFiles,
    /// What an infotext says about its files.
    pub pasted: Option<Box<Pasted>>,
    /// Whether the seed was left open; the request has one all the same.
    pub open_seed: bool,
    /// The picture that is drawn over, and its mask.
    pub pictures: Vec<Arc<InitImage>>,
}

impl Session {
    /// Reads presets and the folders of LoRAs and embeddings.
    pub fn open(places: &Places, caller: Caller) -> Result<Self> {
        let (catalogue, said) = Catalogue::open(places)?;
        let mut found = [places.found.as_slice(), &said].concat();
        let (presets, said) = load_presets(&catalogue)?;
        found.extend(said);
        let model = caller.patch.text("model").or(catalogue.settings.text("model"));
        let loras = LoraIndex::scan(&catalogue.loras(model)?)?;
        let embeddings = EmbeddingFiles::scan(&catalogue.embeddings)?;
        let upscalers = UpscalerIndex::scan(&catalogue.upscalers);
        let (inspections, pictures, listed, architectures) = Default::default();
        Ok(Session {
            catalogue,
            loras,
            embeddings,
            upscalers,
            presets,
            found,
            caller,
            inspections,
            listed,
            pictures,
            architectures,
        })
    }

    /// The same files with other presets.
    pub fn with_presets(&self, presets: PresetSet) -> Self {
        let (inspections, pictures, listed, architectures, found) = Default::default();
        let (catalogue, loras, embeddings) = (self.catalogue.clone(), self.loras.clone(), self.embeddings.clone());
        let upscalers = self.upscalers.clone();
        Session {
            catalogue,
            loras,
            embeddings,
            upscalers,
            presets,
            found,
            caller: self.caller.clone(),
            inspections,
            listed,
            pictures,
            architectures,
        }
    }

    /// From now on names are looked up in lists alone and never taken for paths: what is asked comes from somebody else.
    pub fn closed(mut self) -> Self {
        let named = |name| self.caller.patch.text(name).or(self.catalogue.settings.text(name)).map(str::to_owned);
        let (model, vae) = (named("model"), named("vae"));
        self.catalogue.close(model.as_deref(), vae.as_deref());
        self
    }

    /// Whether these findings refuse to draw.
    pub fn refuses(&self, found: &[Diagnostic]) -> bool {
        refuses(found, self.caller.strict)
    }

    /// Whether the program's own model runs where nothing else is asked for.
    pub fn is_embedded(&self) -> bool {
        self.catalogue.is_embedded(self.named_model())
    }

    /// Whether the caller names a checkpoint.
    pub fn names_model(&self) -> bool {
        self.named_model().is_some()
    }

    /// The checkpoint that the caller names, or the user's configuration.
    pub fn named_model(&self) -> Option<&str> {
        self.caller.patch.text("model").or(self.catalogue.settings.text("model"))
    }

    /// The checkpoint and VAE that the caller names, or what runs without.
    pub fn model(&self) -> Result<ModelFiles> {
        let catalogue = &self.catalogue;
        let patch = catalogue.config.patch.clone().with(&catalogue.settings).with(&self.caller.patch);
        self.catalogue.model(patch.text("model"), patch.text("vae"))
    }

    /// The checkpoints that can be chosen by name, each with its path below its folder.
    pub fn checkpoints(&self) -> Result<Vec<(PathBuf, String)>> {
        self.catalogue.checkpoints(self.named_model())
    }

    /// [`Session::model`], and the refiner that `plan` asks for: the caller's, or the one of its name.
    pub fn model_of(&self, plan: &Plan) -> Result<ModelFiles> {
        let mut files = self.model()?;
        if let Some(name) = plan.passes().find_map(|pass| pass.settings.refiner.as_deref()) {
            files.refiner = Some(self.catalogue.refiner(self.caller.patch.text("refiner").unwrap_or(name))?);
        }
        Ok(files)
    }

    /// Reads pictures and masks that plans draw over; a picture's transparency is one of the masks.
    pub fn read_pictures(&self, pictures: &[PathBuf], masks: &[PathBuf]) -> Result<()> {
        for path in pictures {
            let path = path.to_string_lossy();
            self.picture(&path)?;
            // Most pictures have none.
            let _ = self.mask(over::ALPHA, Some(&path));
        }
        masks.iter().try_for_each(|mask| self.mask(&mask.to_string_lossy(), None).map(drop))
    }

    /// The LoRA files with what their headers say of themselves; what cannot be read says nothing.
    pub fn lora_list(&self) -> &[ListedLora] {
        self.listed.get_or_init(|| {
            let files = self.loras.entries().iter().filter(|entry| !entry.is_pickle);
            let read = |entry: &IndexEntry| {
                let file = TensorFile::open(&entry.path).ok();
                file.map(|file| file.metadata().clone()).unwrap_or_default()
            };
            files.map(|entry| ListedLora { entry: entry.clone(), metadata: read(entry) }).collect()
        })
    }

    /// What is to be said about a plan that somebody else made.
    pub fn check(&self, plan: &Plan) -> Vec<Diagnostic> {
        let mut found: Vec<_> = limits(plan).iter().map(|limit| limit.diagnostic()).collect();
        found.extend(embeddings::unusable(&self.embeddings, plan));
        found
    }

    /// What `entry` asks for: settings laid over each other, files found. What is odd is added to `found`.
    pub fn ask(&self, entry: Entry, found: &mut Vec<Diagnostic>) -> Result<Asked> {
        self.ask_beside(entry, Beside::default(), found)
    }

    /// The same with files and options that were settled before.
    pub fn ask_beside(&self, entry: Entry, beside: Beside, found: &mut Vec<Diagnostic>) -> Result<Asked> {
        let Entry { place, patch, pasted } = entry;
        let place = Some(place).filter(|place| place.line > 0);
        let config = beside.config.as_ref().unwrap_or(&self.catalogue.config);
        let mut patch = settings::layers(&self.catalogue, config, &self.caller, patch, pasted.is_some());
        let styles = self.styles(&patch)?;
        let picture = match beside.picture {
            Some(picture) => Some(picture),
            None => patch.text("init").map(|path| self.picture(path)).transpose()?,
        };
        let mask = match beside.mask {
            Some(mask) => Some(mask),
            None => patch.text("mask").map(|mask| self.mask(mask, patch.text("init"))).transpose()?,
        };
        let mut model = match beside.model {
            Some(model) => model,
            None => self.catalogue.model(patch.text("model"), patch.text("vae"))?,
        };
        if let (None, Some(name)) = (&model.refiner, patch.text("refiner")) {
            model.refiner = Some(self.catalogue.refiner(name)?);
        }
        if model.refiner.as_ref() == Some(&model.checkpoint) {
            model.refiner = None;
            let message = say!(
                "the refiner is the checkpoint itself: nothing takes over",
                "refiner がチェックポイントと同じなので、切り替えません"
            );
            found.push(Diagnostic::new(code::WITHOUT_EFFECT, message));
        }
        patch.remove("refiner");
        if let Some(stem) = model.refiner.as_ref().and_then(|refiner| refiner.file_stem()) {
            // A plan holds names, not paths.
            patch.put_named("refiner", stem.to_string_lossy().into_owned());
        }
        let architecture = self.architecture(&model.checkpoint);
        let family = architecture.as_ref().map_or(self.catalogue.family(), |architecture| architecture.family);
        let own_size = match &picture {
            Some(picture) => picture.size_for_model(),
            None => self.native_size(patch.text("model"), family),
        };
        for (name, side) in [("width", own_size.0), ("height", own_size.1)] {
            if patch.get(name).is_none() {
                patch.put_named(name, side);
            }
        }
        let mut wanted = Wanted::default();
        patch.apply(&mut wanted);
        for style in &styles {
            let texts = &mut wanted.texts;
            (texts.prompt, texts.negative_prompt) = style.apply(&texts.prompt, &texts.negative_prompt);
        }
        settings::finish(config, &mut wanted);
        let open_seed = settings::draw_seeds(&patch, &mut wanted);
        let images = wanted.images();
        if !(1..=u64::from(MAX_IMAGES)).contains(&images) {
            let message = say!(
                "--n-iter times --batch-size is {images}; it must be from 1 to {MAX_IMAGES}",
                "--n-iter × --batch-size が {images} です。1〜{MAX_IMAGES} にしてください"
            );
            return Err(Error::words(code::OUT_OF_LIMITS, message));
        }
        match (&picture, &mask) {
            (Some(picture), Some(mask)) => over::check(picture, mask, &wanted, found)?,
            (None, Some(_)) => return Err(over::mask_alone()),
            (None, None) => found.extend(over::without_effect(&patch, place.as_ref())),
            (Some(_), None) => {}
        }
        let drawn_over = picture.as_deref().map(|picture| (picture.id(), mask.as_deref().map(InitImage::id)));
        let mut request = Request { family, ..request(place.as_ref(), &wanted, drawn_over, found) };
        if let Some(HiresUpscaler::Pixel(name)) = request.hires.as_mut().map(|hires| &mut hires.upscaler) {
            *name = self.upscaler(name)?;
        }
        let pictures = picture.into_iter().chain(mask).collect();
        Ok(Asked { place, request, images, model, pasted, open_seed, pictures })
    }

    /// What a prompt file, a picture or a folder of pictures asks for. What is odd is added to `found`, also what is wrong with single
    /// entries.
    pub fn ask_file(&self, path: &Path, found: &mut Vec<Diagnostic>) -> Result<Vec<Asked>> {
        let sources = source::files(&[path.to_owned()], Reading::default())?;
        found.extend(sources.found.into_iter().map(|found| found.diagnostic));
        let mut asked = Vec::new();
        for entry in sources.entries {
            match self.ask(entry, found) {
                Ok(one) => asked.push(one),
                Err(error) => found.extend(error.findings),
            }
        }
        Ok(asked)
    }

    /// The upscaler of this name, as infotext has it.
    fn upscaler(&self, name: &str) -> Result<String> {
        if self.catalogue.remote.is_some() {
            return Ok(name.to_owned());
        }
        let found = self.upscalers.resolve(name);
        Ok(found.map_err(|error| settings::no_upscaler(&error, &self.upscalers))?.name().to_owned())
    }

    /// Pixels of an image where nothing is said.
    fn native_size(&self, model: Option<&str>, family: Family) -> (u32, u32) {
        let side = match self.catalogue.is_embedded(model) {
            true => crate::engine::embedded::SIZE,
            false => Architecture::full_size(family).map_or(0, |architecture| architecture.native_size),
        };
        (side, side)
    }

    /// What the checkpoint at `path` is made as; `None` where that cannot be told, which is reported where it is drawn with.
    pub fn architecture(&self, path: &Path) -> Option<Arc<Architecture>> {
        self.opened(path).ok().flatten()
    }

    /// Why the checkpoint at `path` cannot be drawn with, where its header already tells.
    fn unusable_model(&self, path: &Path) -> Option<Diagnostic> {
        self.opened(path).err().map(|why| Diagnostic::new(code::UNUSABLE_FILE, why))
    }

    fn opened(&self, path: &Path) -> Opened<Option<Arc<Architecture>>> {
        // What other hosts draw with is a name, and no file of this machine.
        if self.catalogue.remote.is_some() {
            return Ok(None);
        }
        let mut known = self.architectures.lock().unwrap_or_else(|e| e.into_inner());
        let read = || {
            let checkpoint = Checkpoint::open(path).map_err(|error| error.said())?;
            Ok(Architecture::of(checkpoint.file()).map(Arc::new))
        };
        known.entry(path.to_owned()).or_insert_with(read).clone()
    }

    /// A picture to draw over, each file read once.
    pub fn picture(&self, path: &str) -> Result<Arc<InitImage>> {
        if self.catalogue.is_closed() {
            let message = say!("no file is read that somebody else names", "ほかの人が名指すファイルは読みません");
            return Err(Error::words(code::NO_PICTURE, message));
        }
        self.read_once(path.to_owned(), || over::picture(path))
    }

    /// The mask of this name — a file, or `alpha` for the transparency of the picture in the file `init` — read once.
    pub fn mask(&self, mask: &str, init: Option<&str>) -> Result<Arc<InitImage>> {
        if self.catalogue.is_closed() {
            let message = say!("no file is read that somebody else names", "ほかの人が名指すファイルは読みません");
            return Err(Error::words(code::NO_PICTURE, message));
        }
        match (mask, init) {
            (over::ALPHA, None) => Err(over::mask_alone()),
            (over::ALPHA, Some(init)) => self.read_once(format!("{init}\0alpha"), || over::transparency(init)),
            (file, _) => self.read_once(format!("{file}\0mask"), || over::mask(file)),
        }
    }

    fn read_once(&self, key: String, read: impl FnOnce() -> Result<InitImage>) -> Result<Arc<InitImage>> {
        let mut pictures = self.pictures.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(known) = pictures.get(&key) {
            return Ok(known.clone());
        }
        let picture = Arc::new(read()?);
        pictures.insert(key, picture.clone());
        Ok(picture)
    }

    /// The pictures and masks that `plan` draws over, as far as they have been read.
    pub fn pictures_of(&self, plan: &Plan) -> Vec<Arc<InitImage>> {
        let ids: Vec<&str> = plan.passes().flat_map(|pass| pass.start.pictures()).collect();
        let pictures = self.pictures.lock().unwrap_or_else(|e| e.into_inner());
        pictures.values().filter(|picture| ids.contains(&picture.id())).cloned().collect()
    }

    /// The styles that are asked for, in their order. A name that no file has is refused.
    fn styles(&self, patch: &Patch) -> Result<Vec<Style>> {
        let names: Vec<&str> =
            patch.get("styles").and_then(|v| v.as_array()).into_iter().flatten().filter_map(|v| v.as_str()).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let styles = self.all_styles()?;
        names.into_iter().map(|name| styles.get(name).cloned().ok_or_else(|| self.no_style(name, &styles))).collect()
    }

    /// All styles there are, later files over earlier ones.
    pub fn all_styles(&self) -> Result<Styles> {
        let mut styles = Styles::default();
        for path in &self.catalogue.styles {
            let parsed = Styles::parse(&read_text(path)?).map_err(|e| {
                let path = path.display();
                Error::words(code::NO_STYLE, say!("{path}: {e}", "{path}: {e}"))
            })?;
            styles.extend(parsed);
        }
        Ok(styles)
    }

    fn no_style(&self, name: &str, styles: &Styles) -> Error {
        let names: Vec<&str> = styles.iter().map(|style| style.name.as_str()).collect();
        let message = say!("--style `{name}`: there is no such style", "--style `{name}`: そのスタイルはありません");
        let listed = names.join(", ");
        Error::words(code::NO_STYLE, message).help(
            match (did_you_mean(name, names.iter().copied()), names.is_empty()) {
                (Some(near), _) => say!("did you mean `{near}`?", "`{near}` のことですか?"),
                (None, true) => say!(
                    "name the file with --styles-file, or the webui folder with --webui-dir",
                    "--styles-file でファイルを、または --webui-dir で webui のフォルダーを指定してください"
                ),
                (None, false) => say!("there are: {listed}", "あるもの: {listed}"),
            },
        )
    }

    /// The plans of all pictures of `asked`, and what is to be said about it, once. No plans where something is wrong.
    pub fn plan(&self, asked: &Asked) -> (Vec<Plan>, Vec<Diagnostic>) {
        self.plan_with(asked, &self.presets)
    }

    /// The same with other presets.
    pub fn plan_with(&self, asked: &Asked, presets: &PresetSet) -> (Vec<Plan>, Vec<Diagnostic>) {
        let (mut plans, mut found) = (Vec::new(), Vec::new());
        for image in 0..asked.images {
            let (plan, said) = self.lower(&of_image(&asked.request, image), presets);
            plans.extend(plan);
            if image == 0 {
                found = said;
            }
        }
        found.extend(self.unusable_model(&asked.model.checkpoint));
        if self.refuses(&found) {
            plans.clear();
        }
        (plans, found)
    }

    /// Lowers `request`, and says which of its LoRAs and embeddings cannot be used and what is too large.
    pub fn lower(&self, request: &Request, presets: &PresetSet) -> (Option<Plan>, Vec<Diagnostic>) {
        let mut found = self.unknown_loras(&request.prompt);
        if request.hires.is_some() {
            found.extend(self.unknown_loras(&request.hires_prompt));
        }
        found.extend(settings::unusual(&request.settings));
        let lowering = lower_with_files(request, presets, &|name| self.modules_of(name));
        found.extend(lowering.diagnostics);
        if let Some(plan) = &lowering.plan {
            found.extend(embeddings::unusable(&self.embeddings, plan));
            found.extend(limits(plan).iter().map(|limit| {
                let found = limit.diagnostic();
                if request.prompt.name.as_ref() == "prompt" { found } else { found.within(&request.prompt).at(0..0) }
            }));
        }
        (lowering.plan.filter(|_| !found.iter().any(|d| d.severity == Severity::Error)), found)
    }

    /// The LoRAs of a prompt that there are not, or several of.
    fn unknown_loras(&self, prompt: &Source) -> Vec<Diagnostic> {
        let elsewhere = self.catalogue.remote.iter().flat_map(|remote| &remote.loras).map(String::as_str);
        let names: Vec<&str> = self.loras.entries().iter().map(|e| e.name.as_str()).chain(elsewhere.clone()).collect();
        let is_there = |name: &str| {
            elsewhere.clone().any(|known| known == name)
                || !matches!(self.loras.resolve(name), Err(IndexError::NotFound { .. }))
        };
        let mut found = unknown_lora(prompt, is_there, names.iter().copied());
        let tags = Prompt::parse(&prompt.text).tags;
        for name in lora_tags(&tags).into_iter().filter_map(|tag| tag.positional().next()) {
            match self.loras.resolve(&name.text) {
                Err(IndexError::NotFound { .. }) => {}
                Ok(_) => {
                    if let Some(Err(why)) = self.inspection(&name.text) {
                        found.push(Diagnostic::new(code::UNUSABLE_FILE, why).within(prompt).at(name.span.clone()));
                    }
                }
                Err(error) => found.push(
                    Diagnostic::new(code::UNKNOWN_LORA, say!("{error}", "{error}"))
                        .within(prompt)
                        .at(name.span.clone()),
                ),
            }
        }
        found
    }

    /// The names of a LoRA's modules; nothing for a file that is not there or cannot be read, which is reported where it is used.
    pub fn modules_of(&self, name: &str) -> Option<Vec<String>> {
        Some(self.inspection_of(name)?.modules.clone())
    }

    /// What a LoRA's file is; nothing for a file that is not there or cannot be read, which is reported where it is used.
    pub fn inspection_of(&self, name: &str) -> Option<Arc<Inspection>> {
        self.inspection(name)?.ok()
    }

    /// What a LoRA's file is, or why it cannot be read; nothing where there is none.
    fn inspection(&self, name: &str) -> Option<Opened<Arc<Inspection>>> {
        let mut known = self.inspections.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(inspection) = known.get(name) {
            return Some(inspection.clone());
        }
        // Names of nothing are not remembered: there is no end of them.
        let path = self.loras.resolve(name).ok()?;
        let inspection = Inspection::of_file(path, None).map(Arc::new).map_err(|error| error.said());
        known.insert(name.to_owned(), inspection.clone());
        Some(inspection)
    }
}

/// What a prompt with its settings asks for.
fn request(
    place: Option<&Place>,
    wanted: &Wanted,
    picture: Option<(&str, Option<&str>)>,
    found: &mut Vec<Diagnostic>,
) -> Request {
    let Wanted { texts, settings, hires, picture: over, .. } = wanted;
    let start = match picture {
        None => Start::Noise,
        Some((picture, mask)) => {
            Start::over(picture, mask, hires.denoising_strength.unwrap_or(settings::IMG2IMG_STRENGTH), over)
        }
    };
    let second = match picture {
        Some(_) => None,
        None => hires.resolve(),
    };
    if second.is_none() && picture.is_none() && hires.denoising_strength.is_some() {
        found.push(settings::strength_without_effect());
    }
    Request {
        prompt: match place {
            None => Source::new("prompt", texts.prompt.as_str()),
            Some(place) => Source { first_line: place.line, ..Source::new(place.file.clone(), texts.prompt.as_str()) },
        },
        negative_prompt: Source::new("negative prompt", texts.negative_prompt.as_str()),
        settings: match (picture, over.token_merging_ratio_img2img) {
            (None, _) | (Some(_), 0.0) => settings.clone(),
            (Some(_), ratio) => Settings { token_merging_ratio: ratio, ..settings.clone() },
        },
        start,
        hires: second,
        family: Architecture::DRAWN[0],
        options: Options::default(),
        hires_prompt: Source::new("hires prompt", texts.hires_prompt.as_str()),
        hires_negative_prompt: Source::new("hires negative prompt", texts.hires_negative_prompt.as_str()),
    }
}

/// The request of a prompt's image of this number.
fn of_image(first: &Request, image: u64) -> Request {
    let mut request = first.clone();
    // With a variation strength all images share the seed and vary the subseed.
    let seed = match request.settings.subseed_strength == 0.0 {
        true => &mut request.settings.seed,
        false => &mut request.settings.subseed,
    };
    *seed = seed.wrapping_add(image);
    request
}

/// A seed as webui draws it, below 2³².
pub fn drawn_seed() -> u64 {
    new_seed_base() >> 32
}

/// What tells some bytes from others.
pub fn fingerprint(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes)[..8])
}

/// A name that nobody can guess, for what others may ask for by it.
pub fn new_id() -> String {
    format!("{:016x}", new_seed_base())
}

/// A number nobody can guess, for the seeds of a new batch.
pub fn new_seed_base() -> u64 {
    // The standard library's hasher is keyed by the system's random numbers.
    std::hash::RandomState::new().build_hasher().finish()
}
