//! What an entry asks for: settings laid over each other, files found.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Session;
use super::idle::{Over, without_effect};
use crate::app::catalogue::ModelFiles;
use crate::app::error::{Error, Result};
use crate::app::files::read_text;
use crate::app::source::{self, Reading};
use crate::app::webui::WebuiConfig;
use crate::app::{over, settings};
use crate::batch::{Entry, Place};
use crate::block::Family;
use crate::diagnostic::{Diagnostic, Said, Source, code, did_you_mean};
use crate::engine::InitImage;
use crate::files::limits::PROMPT;
use crate::infotext::Pasted;
use crate::model::Architecture;
use crate::plan::settings::MAX_IMAGES;
use crate::plan::{HiresUpscaler, LatentUpscaler, Options, Patch, Plan, Request, Settings, Start, Wanted};
use crate::preset::styles::{Style, Styles};
use crate::say;

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
    /// What `entry` asks for: settings laid over each other, files found. What is odd is added to `found`.
    pub fn ask(&self, entry: Entry, found: &mut Vec<Diagnostic>) -> Result<Asked> {
        self.ask_beside(entry, Beside::default(), found)
    }

    /// The same with files and options that were settled before.
    pub fn ask_beside(&self, entry: Entry, beside: Beside, found: &mut Vec<Diagnostic>) -> Result<Asked> {
        let Entry { place, patch, pasted } = entry;
        let place = Some(place).filter(|place| place.line > 0);
        let config = beside.config.as_ref().unwrap_or(&self.catalogue.config);
        let said = patch.clone().with(&self.caller.patch);
        let mut patch = settings::layers(&self.catalogue, config, &self.caller, patch, pasted.is_some());
        let styles = self.styles(&patch)?;
        let picture = match beside.picture {
            Some(picture) => Some(picture),
            None => {
                let path = patch.text("init");
                if patch.get("width").is_none() || patch.get("height").is_none() {
                    path.map_or(Ok(()), |path| self.has_size_to_draw(path))?;
                }
                path.map(|path| self.picture(path)).transpose()?
            }
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
            let may_be_path = pasted.is_none() || self.caller.patch.text("refiner").is_some();
            model.refiner = Some(self.catalogue.refiner(name, may_be_path)?);
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
            let applied = style.apply(&texts.prompt, &texts.negative_prompt, PROMPT);
            (texts.prompt, texts.negative_prompt) = applied.ok_or_else(|| too_long(style))?;
        }
        if let Some(pasted) = pasted.as_deref() {
            self.choose_by_hash(&mut wanted.texts.prompt, pasted, found);
            self.choose_by_hash(&mut wanted.texts.hires_prompt, pasted, found);
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
            (_, None) => {}
        }
        let over = Over { picture: picture.is_some(), mask: mask.is_some() };
        found.extend(without_effect(&said, &wanted, over));
        let drawn_over = picture.as_deref().map(|picture| (picture.id(), mask.as_deref().map(InitImage::id)));
        let mut request = Request { family, ..request(place.as_ref(), &wanted, drawn_over) };
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
        Ok(found
            .map_err(|error| settings::no_upscaler(&error, &self.upscalers, &LatentUpscaler::ALL))?
            .name()
            .to_owned())
    }

    /// Pixels of an image where nothing is said.
    fn native_size(&self, model: Option<&str>, family: Family) -> (u32, u32) {
        let side = match self.catalogue.is_embedded(model) {
            true => crate::engine::embedded::SIZE,
            false => Architecture::full_size(family).map_or(0, |architecture| architecture.native_size),
        };
        (side, side)
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

    /// A picture to draw over, each file read once.
    pub fn picture(&self, path: &str) -> Result<Arc<InitImage>> {
        if self.catalogue.is_closed() {
            let message = say!("no file is read that somebody else names", "ほかの人が名指すファイルは読みません");
            return Err(Error::words(code::NO_PICTURE, message));
        }
        self.opened.picture(path.to_owned(), || over::picture(path))
    }

    /// Looks at a file's size before it is read. A pipe can be read only once.
    fn has_size_to_draw(&self, path: &str) -> Result<()> {
        if self.catalogue.is_closed() || !Path::new(path).is_file() {
            return Ok(());
        }
        over::has_size_to_draw(path)
    }

    /// The mask of this name — a file, or `alpha` for the transparency of the picture in the file `init` — read once.
    pub fn mask(&self, mask: &str, init: Option<&str>) -> Result<Arc<InitImage>> {
        if self.catalogue.is_closed() {
            let message = say!("no file is read that somebody else names", "ほかの人が名指すファイルは読みません");
            return Err(Error::words(code::NO_PICTURE, message));
        }
        match (mask, init) {
            (over::ALPHA, None) => Err(over::mask_alone()),
            (over::ALPHA, Some(init)) => self.opened.picture(format!("{init}\0alpha"), || over::transparency(init)),
            (file, _) => self.opened.picture(format!("{file}\0mask"), || over::mask(file)),
        }
    }

    /// The pictures and masks that `plan` draws over, as far as they have been read.
    pub fn pictures_of(&self, plan: &Plan) -> Vec<Arc<InitImage>> {
        let ids: Vec<&str> = plan.passes().flat_map(|pass| pass.start.pictures()).collect();
        self.opened.pictures(&ids)
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
                let (path, why) = (path.display(), e.said());
                Error::words(code::NO_STYLE, say!("{path}: {why}", "{path}: {why}", with why))
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
}

/// What a style makes of the prompt is too long.
fn too_long(style: &Style) -> Error {
    let (name, kib) = (style.name.escape_debug(), PROMPT >> 10);
    let message = say!(
        "with the style `{name}` the prompt is larger than {kib} KiB",
        "スタイル `{name}` を適用するとプロンプトが {kib} KiB を超えます"
    );
    Error::words(code::TOO_LARGE, message)
}

/// What a prompt with its settings asks for.
fn request(place: Option<&Place>, wanted: &Wanted, picture: Option<(&str, Option<&str>)>) -> Request {
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
pub(super) fn of_image(first: &Request, image: u64) -> Request {
    let mut request = first.clone();
    // With a variation strength all images share the seed and vary the subseed.
    let seed = match request.settings.subseed_strength == 0.0 {
        true => &mut request.settings.seed,
        false => &mut request.settings.subseed,
    };
    *seed = seed.wrapping_add(image);
    request
}
