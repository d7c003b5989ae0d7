//! Upscalers that are open.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::index::{Named, UpscalerIndex};
use super::{Result, Tiling, Upscaler};
use crate::model::esrgan::Network;
use crate::model::ops::Operators;

/// The upscalers that there are, each file opened once.
#[derive(Clone)]
pub struct Upscalers {
    index: UpscalerIndex,
    operators: Arc<dyn Operators>,
    open: HashMap<PathBuf, Arc<Network>>,
}

impl Upscalers {
    /// None is open yet.
    pub fn new(index: UpscalerIndex, operators: Arc<dyn Operators>) -> Self {
        Upscalers { index, operators, open: HashMap::new() }
    }

    /// What there is.
    pub fn index(&self) -> &UpscalerIndex {
        &self.index
    }

    /// The upscaler of this name, ready to run.
    pub fn get(&mut self, name: &str, tiling: Tiling) -> Result<Upscaler> {
        Ok(match self.index.resolve(name)? {
            Named::None => Upscaler::None,
            Named::Lanczos => Upscaler::Lanczos,
            Named::Nearest => Upscaler::Nearest,
            Named::File { path, .. } => Upscaler::Network { network: self.open(&path)?, tiling },
        })
    }

    fn open(&mut self, path: &Path) -> Result<Arc<Network>> {
        if let Some(network) = self.open.get(path) {
            return Ok(network.clone());
        }
        let network = Arc::new(Network::open(path, &self.operators)?);
        self.open.insert(path.to_owned(), network.clone());
        Ok(network)
    }
}
