//! Which LoRA factors are merged into which parameter.
//!
//! Asking for other factors re-makes only the parameters whose factors change, each from the checkpoint's own value. The
//! result depends on the factors alone, not on what was asked before nor on the order of the networks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use candle_core::{DType, Tensor};
use rayon::prelude::*;

use super::ops::LowRank;
use super::watch::{ModelError, Watch};
use super::weights::{Weights, at_once};
use crate::checkpoint::FileError;
use crate::diagnostic::{Said, Text};
use crate::lora::{Network, NetworkModule};
use crate::say;

/// What multiplies a module's delta.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Factor {
    /// The LoRA's strength for the text encoders or the UNet; 0 outside its step window.
    pub strength: f64,
    /// Block weight or element ratio.
    pub ratio: f64,
}

/// A network with the factor of each of its modules.
#[derive(Clone)]
pub struct ActiveNetwork {
    /// The network.
    pub network: Arc<Network>,
    /// In the order of `network.modules()`.
    pub factors: Vec<Factor>,
    /// Scale every delta by its ratio, also where the extension scales something else.
    pub exact: bool,
}

/// Why the factors asked for are not in force.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum MergeError {
    #[error(transparent)]
    File(#[from] FileError),
    Delta {
        network: String,
        module: String,
        source: candle_core::Error,
    },
    Stopped,
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl From<ModelError> for MergeError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Stopped => MergeError::Stopped,
            ModelError::Tensor(error) => MergeError::Candle(error),
        }
    }
}

impl Said for MergeError {
    fn said(&self) -> Text {
        match self {
            MergeError::File(error) => error.said(),
            MergeError::Delta { network, module, source } => {
                let source = source.said();
                say!("{module} of {network}: {source}", "{network} の {module}: {source}", with source)
            }
            MergeError::Stopped => say!("stopped", "中断しました"),
            MergeError::Candle(error) => error.said(),
        }
    }
}

/// The contributions to each parameter now in force.
#[derive(Default)]
pub(super) struct Ledger(BTreeMap<String, Sum>);

/// What is added to one parameter, in the order of the networks' files.
pub(super) type Sum = Arc<[Contribution]>;

/// What one module of a network adds.
#[derive(Clone)]
pub(super) struct Contribution {
    network: Arc<Network>,
    module: usize,
    part: Part,
    factor: Factor,
    exact: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Weight,
    Bias,
}

impl PartialEq for Contribution {
    fn eq(&self, other: &Self) -> bool {
        let key = |c: &Self| (c.module, c.part, c.factor, c.exact);
        Arc::ptr_eq(&self.network, &other.network) && key(self) == key(other)
    }
}

impl Weights {
    /// Puts the factors of `active` in force. Returns how many parameters had to be made anew.
    ///
    /// After an error, or when it was stopped, some have the new factors and some the old, as the ledger says; those that
    /// failed have the checkpoint's values.
    pub fn apply(&mut self, active: &[ActiveNetwork], watch: &mut Watch<'_>) -> Result<usize, MergeError> {
        let mut wanted = contributions(active);
        let names: BTreeSet<&String> = self.ledger.0.keys().chain(wanted.keys()).collect();
        let changed = names.into_iter().filter(|name| self.ledger.0.get(*name) != wanted.get(*name));
        let changed: Vec<String> = changed.cloned().collect();
        watch.expect(changed.len());
        for names in changed.chunks(at_once()) {
            let put = |name: &String| {
                let added = wanted.get(name).cloned().unwrap_or_default();
                self.get(name).map_or(Ok(()), |param| param.put(added))
            };
            let made = names.par_iter().try_for_each(put);
            for name in names {
                self.ledger.0.remove(name);
                match (&made, wanted.remove(name)) {
                    (Ok(()), Some(contributions)) => drop(self.ledger.0.insert(name.clone(), contributions)),
                    (Ok(()), None) => {}
                    (Err(_), _) => self.get(name).into_iter().for_each(|param| param.reset()),
                }
            }
            made?;
            watch.done(names.len())?;
        }
        Ok(changed.len())
    }
}

/// Contributions by parameter, without those that add nothing.
fn contributions(active: &[ActiveNetwork]) -> BTreeMap<String, Sum> {
    // Sums must not depend on the order in which LoRAs are named.
    let mut active: Vec<_> = active.iter().collect();
    active.sort_by(|a, b| a.network.path().cmp(b.network.path()));

    let mut wanted: BTreeMap<&str, Vec<Contribution>> = BTreeMap::new();
    for ActiveNetwork { network, factors, exact } in active {
        for (module, (m, factor)) in network.modules().iter().zip(factors).enumerate() {
            let product = Factor { strength: factor.strength * factor.ratio, ratio: 1.0 };
            let scales_all = *exact || m.is_linear();
            let add = |part, factor| Contribution { network: network.clone(), module, part, factor, exact: *exact };
            let weight = if scales_all { product } else { *factor };
            if weight.strength != 0.0 {
                wanted.entry(&m.target().tensor).or_default().push(add(Part::Weight, weight));
            }
            let bias = if *exact { product } else { *factor };
            if let Some(tensor) = m.target().bias.as_ref().filter(|_| m.has_bias() && bias.strength != 0.0) {
                wanted.entry(tensor).or_default().push(add(Part::Bias, bias));
            }
        }
    }
    wanted.into_iter().map(|(name, added)| (name.to_owned(), added.into())).collect()
}

/// The contributions as products of small matrices, if all of them are.
pub(super) fn low_rank(contributions: &[Contribution]) -> Result<Option<Vec<LowRank>>, MergeError> {
    contributions.iter().map(|c| c.low_rank().map_err(|source| c.failed(source))).collect()
}

impl Contribution {
    fn module(&self) -> &NetworkModule {
        &self.network.modules()[self.module]
    }

    fn failed(&self, source: candle_core::Error) -> MergeError {
        let (network, module) = (self.network.path().display().to_string(), self.module().name().to_owned());
        MergeError::Delta { network, module, source }
    }

    fn low_rank(&self) -> candle_core::Result<Option<LowRank>> {
        let target = self.module().target();
        let Some(factors) = self.module().factors().filter(|_| self.part == Part::Weight) else { return Ok(None) };
        let factor = self.factor.strength * self.factor.ratio * factors.scale;
        let values = |t: &Tensor| t.flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>();
        Ok(Some(LowRank {
            rows: target.rows.clone().unwrap_or(0..target.shape.first().copied().unwrap_or_default()),
            rank: factors.up.dim(1)?,
            up: values(factors.up)?.into_iter().map(|v| (f64::from(v) * factor) as f32).collect(),
            down: values(factors.down)?,
        }))
    }
}

/// `base` with all contributions added.
pub(super) fn merged(base: &Tensor, contributions: &[Contribution]) -> Result<Tensor, MergeError> {
    let mut value = base.clone();
    for contribution in contributions {
        let Contribution { part, factor, exact, .. } = contribution;
        let (module, failed) = (contribution.module(), |source| contribution.failed(source));
        let target = module.target();
        let delta = match part {
            Part::Weight => {
                let base = target.part_of(base).map_err(failed)?;
                module.delta(&base, factor.strength, factor.ratio, *exact).map_err(failed)?.weight
            }
            Part::Bias => module.bias_delta(factor.strength, factor.ratio, *exact).map_err(failed)?,
        };
        let Some(delta) = delta else { continue };
        value = match &target.rows {
            None => (value + delta).map_err(failed)?,
            Some(rows) => {
                let part = (target.part_of(&value).map_err(failed)? + delta).map_err(failed)?;
                let mut ranges: Vec<_> = value.dims().iter().map(|d| 0..*d).collect();
                ranges[0] = rows.clone();
                value.slice_assign(&ranges, &part).map_err(failed)?
            }
        };
    }
    Ok(value)
}
