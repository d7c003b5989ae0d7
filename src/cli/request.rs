//! From prompts and flags to requests: pasted infotext is taken apart, flags win, a seed is drawn.

use std::io::Read;

use super::args::{FileArgs, PromptArgs};
use super::exit::Failure;
use super::files::Files;
use super::modules::LoraModules;
use super::settings::{with_flags, without_size};
use super::{embeddings, report, styles};
use crate::block::Family;
use crate::diagnostic::{Diagnostic, Source};
use crate::engine::check_limits;
use crate::infotext::{self, Infotext, Pasted, looks_like_infotext};
use crate::lora::LoraIndex;
use crate::plan::{Options, Plan, Request, Settings, lower_with_files, unknown_lora};
use crate::preset::{PresetFile, PresetSet, SIZE_LIMIT, webui, yaml};
use crate::text::EmbeddingFiles;

/// The largest prompt read from standard input.
const STDIN_LIMIT: u64 = 8 << 20;
/// Images from one prompt.
const MAX_IMAGES: u64 = 10_000;

/// What is asked for, before it is lowered.
pub struct Asked {
    pub files: Files,
    pub loras: LoraIndex,
    pub embeddings: EmbeddingFiles,
    pub presets: PresetSet,
    /// What each prompt asks for; with several images the seed is that of the first.
    pub requests: Vec<Request>,
    /// What each prompt said.
    pub pasted: Vec<Pasted>,
    /// What is wrong with preset files.
    pub found: Vec<Diagnostic>,
}

/// What is to be drawn, and what was found on the way.
pub struct Prepared {
    pub files: Files,
    pub loras: LoraIndex,
    pub embeddings: EmbeddingFiles,
    /// One plan per image. Empty where nothing may be drawn.
    pub plans: Vec<Plan>,
    /// What each prompt asks for, whether or not there is a plan for it; the first image's seed.
    pub requests: Vec<Request>,
    /// What each prompt said.
    pub pasted: Vec<Pasted>,
    pub found: Vec<Diagnostic>,
}

/// Reads prompts, presets and LoRA folders and lowers everything. All that is wrong with the texts is in `found`.
pub fn prepare(prompt: &PromptArgs, files: &FileArgs) -> Result<Prepared, Failure> {
    let mut asked = ask(prompt, files)?;
    let mut found = std::mem::take(&mut asked.found);
    let images = images_per_prompt(prompt)?;
    let modules = LoraModules::new(&asked.loras);
    let mut plans = Vec::new();
    for first in &asked.requests {
        let (some, said) = asked.lower_images(first, images, &modules);
        plans.extend(some);
        found.extend(said);
    }
    if report::refuses(&found, prompt.strict) {
        plans.clear();
    }
    plans.iter().try_for_each(check_limits).map_err(|e| Failure::text(e.to_string()))?;
    let Asked { files, loras, embeddings, requests, pasted, .. } = asked;
    Ok(Prepared { files, loras, embeddings, plans, requests, pasted, found })
}

/// Reads prompts, flags, presets, styles and the folders of LoRAs and embeddings.
pub fn ask(prompt: &PromptArgs, files: &FileArgs) -> Result<Asked, Failure> {
    let texts = texts(&prompt.prompts)?;
    let read =
        |settings: &Settings| texts.iter().map(|text| paste(text, settings.clone())).collect::<Result<Vec<_>, _>>();
    let pasted = read(&without_size())?;
    let model = pasted.iter().find_map(|(p, _)| p.model.as_deref());
    let mut asked = Asked::nothing(files, model)?;
    asked.found.extend(texts.iter().flat_map(|text| infotext::findings(&Source::new("prompt", text.as_str()))));
    let vae = pasted.iter().find_map(|(p, _)| p.vae.as_deref()).filter(|_| files.vae.is_none());
    vae.into_iter().for_each(|name| asked.files.paste_vae(name));
    // What was pasted lies over webui's own options.
    let mut own = without_size();
    asked.files.config.apply(&mut own);
    let pasted = read(&own)?;
    let styles = styles::load(&asked.files, &prompt.style)?;
    for (mut pasted, settings) in pasted {
        let put = |text: &mut String, flag: &Option<String>| flag.iter().for_each(|f| text.clone_from(f));
        put(&mut pasted.negative_prompt, &prompt.negative_prompt);
        put(&mut pasted.hires_prompt, &prompt.hires.hires_prompt);
        put(&mut pasted.hires_negative_prompt, &prompt.hires.hires_negative_prompt);
        styles::apply(&styles, &mut pasted);
        // A sampler that there is not is told with its place.
        for said in pasted.not_understood.iter().filter(|said| said.key != "Sampler") {
            report::warning(&format!("pasted field {said}"));
        }
        let mut settings = with_flags(settings, &pasted, prompt, asked.files.is_embedded())?;
        asked.files.config.finish(&mut pasted, &mut settings);
        asked.requests.push(request(&pasted, settings, "prompt"));
        asked.pasted.push(pasted);
    }
    Ok(asked)
}

impl Asked {
    /// The files that prompts are lowered with, and no prompt yet; `model` is a pasted model's name.
    pub fn nothing(files: &FileArgs, model: Option<&str>) -> Result<Self, Failure> {
        let files = Files::resolve(files, model)?;
        files.config.say();
        let (presets, found) = load_presets(&files)?;
        let loras = LoraIndex::scan(&files.lora_dirs()?).map_err(|e| Failure::file(e.to_string()))?;
        let embeddings = embeddings::scan(&files)?;
        Ok(Asked { files, loras, embeddings, presets, requests: Vec::new(), pasted: Vec::new(), found })
    }

    /// The plans of the first `images` images of `first`, and what is wrong with it, once.
    pub fn lower_images(
        &self,
        first: &Request,
        images: u64,
        modules: &LoraModules<'_>,
    ) -> (Vec<Plan>, Vec<Diagnostic>) {
        let (mut plans, mut found) = (Vec::new(), Vec::new());
        for image in 0..images {
            let (plan, said) = self.lower(&of_image(first, image), &self.presets, modules);
            plans.extend(plan);
            if image == 0 {
                found = said;
            }
        }
        (plans, found)
    }

    /// Lowers `request`, and says which of its LoRAs and embeddings cannot be used. `modules` are those of `self.loras`.
    pub fn lower(
        &self,
        request: &Request,
        presets: &PresetSet,
        modules: &LoraModules<'_>,
    ) -> (Option<Plan>, Vec<Diagnostic>) {
        let names: Vec<&str> = self.loras.entries().iter().map(|e| e.name.as_str()).collect();
        let mut found = unknown_lora(&request.prompt, |name| self.loras.resolve(name).is_ok(), names.iter().copied());
        let lowering = lower_with_files(request, presets, &|name| modules.of(name));
        found.extend(lowering.diagnostics);
        found.extend(lowering.plan.iter().flat_map(|plan| embeddings::unusable(&self.embeddings, plan)));
        (lowering.plan, found)
    }
}

fn texts(prompts: &[String]) -> Result<Vec<String>, Failure> {
    prompts.iter().map(|p| if p == "-" { from_stdin() } else { Ok(p.clone()) }).collect()
}

fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .take(STDIN_LIMIT)
        .read_to_string(&mut text)
        .map_err(|e| Failure::file(format!("standard input: {e}")))?;
    // The final line end is the shell's, not the prompt's.
    Ok(text.strip_suffix('\n').map_or(text.clone(), |t| t.strip_suffix('\r').unwrap_or(t).to_owned()))
}

/// The prompts and settings that `text` holds: an infotext's, or a prompt alone.
fn paste(text: &str, mut settings: Settings) -> Result<(Pasted, Settings), Failure> {
    if !looks_like_infotext(text) {
        return Ok((Pasted { prompt: text.to_owned(), ..Pasted::default() }, settings));
    }
    let pasted = Infotext::parse(text).apply(&mut settings).map_err(|e| Failure::text(e.to_string()))?;
    Ok((pasted, settings))
}

/// What a prompt with its settings asks for. `name` is what the prompt is called in messages.
pub fn request(pasted: &Pasted, settings: Settings, name: &str) -> Request {
    Request {
        prompt: Source::new(name, pasted.prompt.as_str()),
        negative_prompt: Source::new("negative prompt", pasted.negative_prompt.as_str()),
        family: Family::Sdxl,
        options: Options { old_timelines: settings.old_prompt_editing, ..Options::default() },
        settings,
        hires_prompt: Source::new("hires prompt", pasted.hires_prompt.as_str()),
        hires_negative_prompt: Source::new("hires negative prompt", pasted.hires_negative_prompt.as_str()),
    }
}

/// How many images each prompt has.
pub fn images_per_prompt(args: &PromptArgs) -> Result<u64, Failure> {
    match u64::from(args.n_iter) * u64::from(args.batch_size) {
        count @ 1..=MAX_IMAGES => Ok(count),
        count => {
            Err(Failure::text(format!("--n-iter times --batch-size is {count}; it must be from 1 to {MAX_IMAGES}")))
        }
    }
}

/// The request of a prompt's image of this number.
fn of_image(first: &Request, image: u64) -> Request {
    let mut request = first.clone();
    // With a variation strength all images share the seed and vary the subseed.
    match request.settings.subseed_strength == 0.0 {
        true => request.settings.seed += image,
        false => request.settings.subseed += image,
    }
    request
}

/// The built-in presets and those of all files named, later ones over earlier ones.
pub fn load_presets(files: &Files) -> Result<(PresetSet, Vec<Diagnostic>), Failure> {
    let mut presets = PresetSet::builtin().clone();
    let mut found = Vec::new();
    let weights = files.presets.iter().map(|path| (path, false));
    for (path, is_elements) in weights.chain(files.element_presets.iter().map(|path| (path, true))) {
        let (file, said) = read_presets(path, is_elements, &presets)?;
        presets.add(file);
        found.extend(said);
    }
    Ok((presets, found))
}

/// One preset file, in the form its name says: YAML, or webui's.
pub fn read_presets(
    path: &std::path::Path,
    is_elements: bool,
    known: &PresetSet,
) -> Result<(PresetFile, Vec<Diagnostic>), Failure> {
    let text = read_text(path)?;
    let name = path.display().to_string();
    let is_yaml = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("yaml") || e.eq_ignore_ascii_case("yml"));
    Ok(match (is_yaml, is_elements) {
        (true, _) => yaml::parse(&name, &text, known),
        (false, true) => webui::elements(&name, &text),
        (false, false) => webui::weights(&name, &text),
    })
}

/// A text file of a sensible size.
pub fn read_text(path: &std::path::Path) -> Result<String, Failure> {
    let failed = |e: std::io::Error| Failure::file(format!("{}: {e}", path.display()));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(SIZE_LIMIT as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > SIZE_LIMIT {
        let mib = SIZE_LIMIT >> 20;
        return Err(Failure::file(format!(
            "{}: the file is larger than {mib} MiB, which no text of this kind is",
            path.display()
        )));
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Failure::file(format!("{}: not UTF-8 text (at byte {at}); save it as UTF-8", path.display()))
    })?;
    Ok(text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_owned))
}
