//! A session: the files that prompts are read with — presets, LoRAs, embeddings, styles — and how an entry becomes plans.

mod ask;
mod idle;
mod opened;
mod pictures;
mod twins;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::catalogue::{Catalogue, ModelFiles, Places};
use super::error::{Result, refuses};
use super::files::load_presets;
use super::settings::Caller;
use super::{embeddings, settings};
use crate::diagnostic::{Diagnostic, Said, Severity, Source, code};
use crate::lora::{IndexError, Inspection, LoraIndex};
use crate::model::Architecture;
use crate::plan::network::lora_tags;
use crate::plan::{Plan, Request, limits, lower_with_files, unknown_lora};
use crate::preset::PresetSet;
use crate::syntax::Prompt;
use crate::text::EmbeddingFiles;
use crate::upscale::UpscalerIndex;

pub use ask::{Asked, Beside};
pub use opened::ListedLora;
use opened::{Opened, OpenedFiles};
pub use pictures::Pictures;

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
    pub(super) caller: Caller,
    /// What these files turned out to be.
    opened: Arc<OpenedFiles>,
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
        let upscalers = UpscalerIndex::scan(&catalogue.upscalers());
        let opened = Arc::default();
        Ok(Session { catalogue, loras, embeddings, upscalers, presets, found, caller, opened })
    }

    /// The same files with other presets.
    pub fn with_presets(&self, presets: PresetSet) -> Self {
        Session {
            catalogue: self.catalogue.clone(),
            loras: self.loras.clone(),
            embeddings: self.embeddings.clone(),
            upscalers: self.upscalers.clone(),
            presets,
            found: Vec::new(),
            caller: self.caller.clone(),
            opened: self.opened.clone(),
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
            let asked = self.caller.patch.text("refiner");
            files.refiner = Some(self.catalogue.refiner(asked.unwrap_or(name), asked.is_some())?);
        }
        Ok(files)
    }

    /// What is to be said about a plan that somebody else made.
    pub fn check(&self, plan: &Plan) -> Vec<Diagnostic> {
        let mut found: Vec<_> = limits(plan).iter().map(|limit| limit.diagnostic()).collect();
        found.extend(embeddings::unusable(&self.embeddings, plan));
        found
    }

    /// The plans of all pictures of `asked`, and what is to be said about it, once. No plans where something is wrong.
    pub fn plan(&self, asked: &Asked) -> (Vec<Plan>, Vec<Diagnostic>) {
        self.plan_with(asked, &self.presets)
    }

    /// The same with other presets.
    pub fn plan_with(&self, asked: &Asked, presets: &PresetSet) -> (Vec<Plan>, Vec<Diagnostic>) {
        let (pictures, found) = self.pictures(asked, presets);
        let plans = pictures.iter().flat_map(|all| (0..all.count()).filter_map(|n| all.plan(self, presets, n)));
        (plans.collect(), found)
    }

    /// The pictures of `asked`, whose plans are made when they are needed. None where something is wrong.
    pub fn pictures(&self, asked: &Asked, presets: &PresetSet) -> (Option<Pictures>, Vec<Diagnostic>) {
        let (first, mut found) = self.lower(&asked.request, presets);
        let files = self.checkpoint(&asked.model.checkpoint).and_then(|_| self.together(&asked.model));
        found.extend(files.err().map(|why| Diagnostic::new(code::UNUSABLE_FILE, why)));
        let first = first.filter(|_| !self.refuses(&found));
        (first.map(|first| Pictures::new(first, &asked.request, asked.images)), found)
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
        let mut told = HashSet::new();
        for name in lora_tags(&tags).into_iter().filter_map(|tag| tag.positional().next()) {
            if !told.insert(&name.text) {
                continue;
            }
            match self.loras.resolve(&name.text) {
                Err(IndexError::NotFound { .. }) => {}
                Ok(path) => {
                    if let Err(why) = self.opened.lora(path) {
                        found.push(Diagnostic::new(code::UNUSABLE_FILE, why).within(prompt).at(name.span.clone()));
                    }
                }
                Err(error) => {
                    found.push(Diagnostic::new(code::UNKNOWN_LORA, error.said()).within(prompt).at(name.span.clone()))
                }
            }
        }
        found
    }

    /// The LoRA files with what their headers say of themselves; what cannot be read says nothing.
    pub fn lora_list(&self) -> &[ListedLora] {
        self.opened.lora_list(&self.loras)
    }

    /// The names of a LoRA's modules; nothing for a file that is not there or cannot be read, which is reported where it is used.
    pub fn modules_of(&self, name: &str) -> Option<Vec<String>> {
        Some(self.inspection_of(name)?.modules.clone())
    }

    /// What a LoRA's file is; nothing for a file that is not there or cannot be read, which is reported where it is used.
    pub fn inspection_of(&self, name: &str) -> Option<Arc<Inspection>> {
        // Names of nothing are not remembered: there is no end of them.
        self.opened.lora(self.loras.resolve(name).ok()?).ok()
    }

    /// What the checkpoint at `path` is made as; `None` where that cannot be told, which is reported where it is drawn with.
    pub fn architecture(&self, path: &Path) -> Option<Arc<Architecture>> {
        self.checkpoint(path).ok().flatten()
    }

    fn together(&self, files: &ModelFiles) -> Opened<()> {
        if self.catalogue.remote.is_some() { Ok(()) } else { self.opened.together(files) }
    }

    fn checkpoint(&self, path: &Path) -> Opened<Option<Arc<Architecture>>> {
        // What other hosts draw with is a name, and no file of this machine.
        if self.catalogue.remote.is_some() { Ok(None) } else { self.opened.checkpoint(path) }
    }
}
