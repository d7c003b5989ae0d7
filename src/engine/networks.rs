//! The LoRA files that plans name, opened once, and the factors a plan gives their modules.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::EngineError;
use crate::lora::{KeyTable, LoraIndex, ModuleTable, Network, Strength};
use crate::model::{ActiveNetwork, Factor};
use crate::plan::{LoraPlan, Pass, Plan};

/// When factors are asked for: the text encoders have those of the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Before sampling: the UNet's factors are those of step 0.
    TextEncoding,
    Sampling,
}

pub(super) struct Networks {
    index: LoraIndex,
    modules: ModuleTable,
    keys: KeyTable,
    exact: bool,
    open: HashMap<(PathBuf, Option<i64>), Arc<Network>>,
    /// What names have led to.
    paths: HashMap<String, PathBuf>,
}

impl Networks {
    pub(super) fn new(index: LoraIndex, modules: ModuleTable, keys: KeyTable, exact: bool) -> Self {
        Networks { index, modules, keys, exact, open: HashMap::new(), paths: HashMap::new() }
    }

    /// Files may have come, gone or changed.
    pub(super) fn set_index(&mut self, index: LoraIndex) {
        self.index = index;
        self.open.clear();
    }

    /// The networks of `plan`, in the order of [`Plan::loras`].
    pub(super) fn open(&mut self, plan: &Plan) -> Result<Vec<Arc<Network>>, EngineError> {
        plan.loras().map(|lora| self.network(lora)).collect()
    }

    fn network(&mut self, lora: &LoraPlan) -> Result<Arc<Network>, EngineError> {
        // Looking a name up may compare files.
        let path = match self.paths.get(&lora.name) {
            Some(path) => path.clone(),
            None => {
                let path = self.index.resolve(&lora.name)?.to_owned();
                self.paths.entry(lora.name.clone()).or_insert(path).clone()
            }
        };
        let key = (path, lora.dyn_dim);
        if let Some(network) = self.open.get(&key) {
            return Ok(network.clone());
        }
        let network = Network::open(&key.0, &self.modules, self.keys)?;
        let network = match lora.dyn_dim {
            Some(dim) => network.cut(dim)?,
            None => network,
        };
        let network = Arc::new(network);
        self.open.insert(key, network.clone());
        Ok(network)
    }

    /// The factors in force at `sampling_step`.
    pub(super) fn active(
        &mut self,
        pass: &Pass,
        sampling_step: i64,
        scope: Scope,
    ) -> Result<Vec<ActiveNetwork>, EngineError> {
        let mut active = Vec::with_capacity(pass.loras.len());
        for lora in &pass.loras {
            let network = self.network(lora)?;
            let now = match scope {
                Scope::TextEncoding => lora.beginning(),
                Scope::Sampling => lora.at(sampling_step),
            };
            let factor = |module: &crate::lora::NetworkModule| {
                let strength = match module.strength() {
                    Strength::Te => lora.te,
                    Strength::Unet => now.unet,
                };
                let ratio = lora.ratio_among(&now.blocks, self.modules.family(), module.name());
                match (strength * ratio).is_finite() {
                    true => Ok(Factor { strength, ratio }),
                    false => Err(EngineError::NotFinite {
                        lora: lora.name.clone(),
                        module: module.name().to_owned(),
                        factor: strength * ratio,
                    }),
                }
            };
            let factors = network.modules().iter().map(factor).collect::<Result<_, _>>()?;
            active.push(ActiveNetwork { network, factors, exact: self.exact });
        }
        Ok(active)
    }

    /// Bytes of the files of the networks of `pass`.
    pub(super) fn bytes(&mut self, pass: &Pass) -> Result<u64, EngineError> {
        let size = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |file| file.len());
        pass.loras.iter().map(|lora| Ok(size(self.network(lora)?.path()))).sum()
    }

    /// Tells apart all states of the text encoders that plans can bring about.
    pub(super) fn text_signature(&mut self, pass: &Pass) -> Result<String, EngineError> {
        let mut signature = String::new();
        for (lora, active) in pass.loras.iter().zip(self.active(pass, 0, Scope::TextEncoding)?) {
            let modules = active.network.modules().iter().zip(&active.factors);
            let te = modules.filter(|(m, f)| m.strength() == Strength::Te && f.strength != 0.0);
            let factors: Vec<String> = te.map(|(m, f)| format!("{}={}*{}", m.name(), f.strength, f.ratio)).collect();
            // Embeddings in the file change what its names in a prompt are.
            if !factors.is_empty() || !active.network.bundled().is_empty() {
                let path = active.network.path().display();
                signature.push_str(&format!("{path}:{:?}:{}\n", lora.dyn_dim, factors.join(",")));
            }
        }
        Ok(signature)
    }
}
