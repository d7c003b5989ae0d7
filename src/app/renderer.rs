//! Who draws: this program's own engine.

use std::collections::HashMap;
use std::sync::Arc;

use super::catalogue::ModelFiles;
use super::draw::Job;
use super::error::Result;
use super::session::Session;
use super::studio::{EngineSettings, Picture, Studio};
use crate::diagnostic::Diagnostic;
use crate::engine::{InitImage, Observer};
use crate::plan::Plan;

/// Something that makes pictures of plans.
pub trait Renderer {
    /// What tells the picture of a plan from every other.
    fn id(&mut self, plan: &Plan, model: &ModelFiles) -> Result<String>;
    /// What is surprising about the files of a plan; an error where they are of no use.
    fn check(&mut self, plan: &Plan, model: &ModelFiles) -> Result<Vec<Diagnostic>>;
    /// Draws.
    fn draw(&mut self, job: &Job, observer: Observer<'_>) -> Result<Picture>;
}

/// This program's engines, by their files. Only the one that draws holds weights.
pub struct Studios {
    session: Arc<Session>,
    settings: EngineSettings,
    open: HashMap<ModelFiles, Studio>,
    pictures: Vec<Arc<InitImage>>,
    /// What was found when studios were opened and has not been said yet.
    found: Vec<Diagnostic>,
}

impl Studios {
    /// None is open yet.
    pub fn new(session: Arc<Session>, settings: EngineSettings) -> Self {
        Studios { session, settings, open: HashMap::new(), pictures: Vec::new(), found: Vec::new() }
    }

    /// Makes a picture known that plans draw over.
    pub fn add_picture(&mut self, picture: Arc<InitImage>) {
        self.open.values_mut().for_each(|studio| studio.add_picture(&picture));
        self.pictures.push(picture);
    }

    /// The studio of `model`. Weights are read when the first picture needs them.
    pub fn get(&mut self, model: &ModelFiles) -> Result<&mut Studio> {
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

    fn draw(&mut self, job: &Job, observer: Observer<'_>) -> Result<Picture> {
        // Only one checkpoint's weights are held.
        self.open.retain(|other, _| *other == job.model);
        self.get(&job.model)?.draw(&job.plan, observer)
    }
}
