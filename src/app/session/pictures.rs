//! The pictures of one request: a plan, and seeds that count up. A line that asks for ten thousand pictures costs one plan.

use super::Session;
use super::ask::of_image;
use crate::plan::{Plan, Request};
use crate::preset::PresetSet;

/// The pictures of a request.
#[derive(Debug, Clone)]
pub struct Pictures {
    first: Plan,
    /// What the others are made from; nothing where there is but one.
    request: Option<Box<Request>>,
    images: u64,
}

impl Pictures {
    pub(super) fn new(first: Plan, request: &Request, images: u64) -> Self {
        let request = (images > 1).then(|| Box::new(request.clone()));
        Pictures { first, request, images }
    }

    /// A plan by itself.
    pub fn of_plan(plan: Plan) -> Self {
        Pictures { first: plan, request: None, images: 1 }
    }

    /// The same of pictures that are alike, with this seed first.
    pub fn with_seed(mut self, seed: u64) -> Self {
        for pass in std::iter::once(&mut self.first.first).chain(&mut self.first.later) {
            pass.settings.seed = seed;
        }
        if let Some(request) = &mut self.request {
            request.settings.seed = seed;
        }
        self
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.images
    }

    /// The plan of the first.
    pub fn first(&self) -> &Plan {
        &self.first
    }

    /// Whether they differ in nothing but their seeds. Weights that are drawn follow the seed.
    pub fn are_alike(&self) -> bool {
        self.first.passes().all(|pass| pass.drawn.is_empty())
    }

    /// The plan of the picture of this number; nothing where it cannot be made.
    pub fn plan(&self, session: &Session, presets: &PresetSet, image: u64) -> Option<Plan> {
        if image == 0 {
            return Some(self.first.clone());
        }
        let request = of_image(self.request.as_deref()?, image);
        if !self.are_alike() {
            return session.lower(&request, presets).0;
        }
        let mut plan = self.first.clone();
        for pass in std::iter::once(&mut plan.first).chain(&mut plan.later) {
            (pass.settings.seed, pass.settings.subseed) = (request.settings.seed, request.settings.subseed);
        }
        Some(plan)
    }
}
