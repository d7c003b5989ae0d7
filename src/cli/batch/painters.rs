//! The checkpoints of a batch.

use std::collections::HashMap;
use std::rc::Rc;

use crate::cli::args::EngineArgs;
use crate::cli::exit::Failure;
use crate::cli::files::ModelFiles;
use crate::cli::painter::Painter;
use crate::cli::request::Asked;

/// Open checkpoints by their files.
pub struct Painters {
    open: HashMap<ModelFiles, Painter>,
    args: EngineArgs,
    sources: Rc<Asked>,
}

impl Painters {
    pub fn new(args: &EngineArgs, sources: Rc<Asked>) -> Self {
        Painters { open: HashMap::new(), args: args.clone(), sources }
    }

    /// The painter of `model`. Weights are read when the first picture needs them.
    pub fn get(&mut self, model: &ModelFiles) -> Result<&mut Painter, Failure> {
        if !self.open.contains_key(model) {
            let (loras, embeddings) = (self.sources.loras.clone(), self.sources.embeddings.clone());
            self.open.insert(model.clone(), Painter::open(model, loras, embeddings, &self.args)?);
        }
        // Inserted above.
        self.open.get_mut(model).ok_or_else(|| Failure::file("the checkpoint is not open"))
    }

    /// The painter of `model`, and all others are closed: only one checkpoint's weights are held.
    pub fn only(&mut self, model: &ModelFiles) -> Result<&mut Painter, Failure> {
        self.open.retain(|other, _| other == model);
        self.get(model)
    }
}
