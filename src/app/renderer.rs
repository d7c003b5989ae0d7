//! Who draws: this program's own engine, or somebody else.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::catalogue::ModelFiles;
use super::draw::Job;
use super::error::Result;
use super::session::Session;
use super::studio::{EngineSettings, Picture, Studio};
use crate::block::Block;
use crate::diagnostic::Diagnostic;
use crate::engine::{self, InitImage};
use crate::lora::{Network, NetworkModule, Strength};
use crate::plan::Plan;

/// What is seen while a picture is drawn.
#[derive(Debug, Clone, Copy)]
pub enum Sign<'a> {
    /// What the engine does.
    Engine(&'a engine::Event<'a>),
    /// Somebody else has drawn so much of it, of 100.
    Elsewhere(usize),
    /// Something is to be said.
    Found(&'a Diagnostic),
}

/// Sees them, and says each time whether to go on.
pub type Watcher<'a> = &'a mut dyn FnMut(Sign<'_>) -> ControlFlow<()>;

/// What a LoRA changes in one module.
#[derive(Debug, Clone, PartialEq)]
pub struct Module {
    /// webui's name of it.
    pub name: String,
    /// The block in which it lies.
    pub block: Option<Block>,
    /// Which of the two strengths is its own.
    pub strength: Strength,
}

impl From<&NetworkModule> for Module {
    fn from(module: &NetworkModule) -> Self {
        Module { name: module.name().to_owned(), block: module.block(), strength: module.strength() }
    }
}

/// The modules of an open network.
fn modules(network: &Arc<Network>) -> Vec<Module> {
    network.modules().iter().map(Module::from).collect()
}

/// Something that makes pictures of plans.
pub trait Renderer {
    /// What tells the picture of a plan from every other.
    fn id(&mut self, plan: &Plan, model: &ModelFiles) -> Result<String>;
    /// What is surprising about the files of a plan; an error where they are of no use.
    fn check(&mut self, plan: &Plan, model: &ModelFiles) -> Result<Vec<Diagnostic>>;
    /// Refuses jobs that take more memory than they may, before the first of them is drawn.
    fn fits(&mut self, _: &[Job]) -> Result<()> {
        Ok(())
    }
    /// Draws.
    fn draw(&mut self, job: &Job, watcher: Watcher<'_>) -> Result<Picture>;
    /// The first digits of the checkpoint's hash; nothing where it is not known.
    fn model_hash(&mut self, model: &ModelFiles) -> Result<String>;
    /// The modules of each LoRA of a plan, in the order of [`Plan::loras`].
    fn modules(&mut self, plan: &Plan, model: &ModelFiles) -> Result<Vec<Vec<Module>>>;
    /// Makes a picture known that plans draw over.
    fn add_picture(&mut self, picture: Arc<InitImage>);
    /// How many of the next jobs [`Renderer::ahead`] is told of.
    fn looks_ahead(&self) -> usize {
        0
    }
    /// Jobs that are wanted soon, and whose pictures are not there: who can do several things at once may begin.
    fn ahead(&mut self, _: &[&Job]) {}
    /// This program's own engines, where it is they who draw.
    fn studios(&mut self) -> Option<&mut Studios> {
        None
    }
}

/// This program's engines, by their files. Only those that drew last hold weights.
pub struct Studios {
    session: Arc<Session>,
    settings: EngineSettings,
    open: HashMap<ModelFiles, Studio>,
    /// The checkpoints that have drawn, the last one last, and how many of them keep their weights.
    used: Vec<ModelFiles>,
    most: usize,
    pictures: Vec<Arc<InitImage>>,
    /// What was found when studios were opened and has not been said yet.
    found: Vec<Diagnostic>,
}

impl Studios {
    /// None is open yet.
    pub fn new(session: Arc<Session>, settings: EngineSettings) -> Self {
        let (open, used, pictures, found) = Default::default();
        Studios { session, settings, open, used, most: 1, pictures, found }
    }

    /// The same that keeps the weights of so many checkpoints.
    pub fn keeping(self, most: usize) -> Self {
        Studios { most: most.max(1), ..self }
    }

    /// Takes the files as they are now: what was read of them stays as far as it is the same.
    pub fn refresh(&mut self, session: Arc<Session>) -> Result<()> {
        for studio in self.open.values_mut() {
            studio.refresh(&session)?;
        }
        self.session = session;
        Ok(())
    }

    /// `model` is drawn with now: the weights of others are given back, but for those that were used last.
    pub fn use_model(&mut self, model: &ModelFiles) -> Result<&mut Studio> {
        self.used.retain(|other| other != model);
        self.used.push(model.clone());
        let forgotten = self.used.len().saturating_sub(self.most);
        self.used.drain(..forgotten);
        self.open.retain(|other, _| self.used.contains(other));
        self.get(model)
    }

    /// Forgets a picture that no plan draws over any more.
    pub fn remove_picture(&mut self, id: &str) {
        self.open.values_mut().for_each(|studio| studio.remove_picture(id));
        self.pictures.retain(|picture| picture.id() != id);
    }

    /// The studio of `model`. Weights are read when the first picture needs them.
    pub fn get(&mut self, model: &ModelFiles) -> Result<&mut Studio> {
        // One that was cut short is opened again: it may be whole by now.
        if self.open.get(model).is_some_and(Studio::is_changed) {
            self.open.remove(model);
        }
        match self.open.entry(model.clone()) {
            std::collections::hash_map::Entry::Occupied(studio) => Ok(studio.into_mut()),
            std::collections::hash_map::Entry::Vacant(place) => {
                let (mut studio, found) = Studio::open(model, &self.session, &self.settings)?;
                self.found.extend(found);
                self.pictures.iter().for_each(|picture| studio.add_picture(picture));
                Ok(place.insert(studio))
            }
        }
    }

    /// What was found when studios were opened.
    pub fn take_found(&mut self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.found)
    }
}

impl Renderer for Studios {
    fn id(&mut self, plan: &Plan, model: &ModelFiles) -> Result<String> {
        self.get(model)?.id(plan)
    }

    fn check(&mut self, plan: &Plan, model: &ModelFiles) -> Result<Vec<Diagnostic>> {
        let found = self.get(model)?.check(plan)?;
        Ok([self.take_found(), found].concat())
    }

    fn fits(&mut self, jobs: &[Job]) -> Result<()> {
        for job in jobs {
            self.get(&job.model)?.engine.save_memory(&job.plan)?;
        }
        Ok(())
    }

    fn draw(&mut self, job: &Job, watcher: Watcher<'_>) -> Result<Picture> {
        let pictures = self.session.pictures_of(&job.plan);
        let studio = self.use_model(&job.model)?;
        pictures.iter().for_each(|picture| studio.add_picture(picture));
        studio.draw(&job.plan, &mut |event| watcher(Sign::Engine(&event)))
    }

    fn model_hash(&mut self, model: &ModelFiles) -> Result<String> {
        self.get(model)?.short_model_hash()
    }

    fn modules(&mut self, plan: &Plan, model: &ModelFiles) -> Result<Vec<Vec<Module>>> {
        Ok(self.get(model)?.networks(plan)?.iter().map(modules).collect())
    }

    fn add_picture(&mut self, picture: Arc<InitImage>) {
        self.open.values_mut().for_each(|studio| studio.add_picture(&picture));
        self.pictures.push(picture);
    }

    fn studios(&mut self) -> Option<&mut Studios> {
        Some(self)
    }
}
