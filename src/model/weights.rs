//! The values of all parameters: the checkpoint's own, or with LoRA deltas added.
//!
//! Base values are read from the file whenever a value is made and never un-added, so nothing drifts: a parameter without
//! deltas is bit for bit the checkpoint's, whatever was applied before.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::Tensor;
use rayon::prelude::*;
use safetensors::tensor::Dtype;

use super::ledger::Ledger;
use super::ops::{Held, LowRank, NumberType, Operators, Shape, Stored, Weight};
use super::watch::{Watch, Watched};
use crate::checkpoint::{Checkpoint, FileError, carried};

/// One parameter of a model.
pub struct Param {
    name: String,
    /// Set where it is a weight of linear layers or convolutions, which operators want in their own form.
    packed: Option<Shape>,
    /// Whether single rows are used, so that all of it is read only where a LoRA changes it.
    table: bool,
    held: Held,
    checkpoint: Arc<Checkpoint>,
    operators: Arc<dyn Operators>,
    value: Mutex<Option<Weight>>,
    version: AtomicU64,
}

impl Param {
    pub(super) fn new(
        name: &str,
        packed: Option<Shape>,
        held: Held,
        checkpoint: Arc<Checkpoint>,
        operators: Arc<dyn Operators>,
    ) -> Self {
        Param {
            name: name.to_owned(),
            packed,
            table: false,
            held,
            checkpoint,
            operators,
            value: Mutex::new(None),
            version: AtomicU64::new(0),
        }
    }

    /// A matrix of which [`Param::rows`] are used.
    pub(super) fn table(self) -> Self {
        Param { table: true, ..self }
    }

    /// The tensor's name in the checkpoint.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A number that changes with the value, so that what was computed from it can be kept.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The value now in force, for the operators of the model. Read from the checkpoint at first use.
    pub fn weight(&self) -> candle_core::Result<Weight> {
        let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        // The lock is held while the value is made, so that no two threads make it.
        match &*value {
            Some(weight) => Ok(weight.clone()),
            None => Ok(value.insert(self.make(&[])?).clone()),
        }
    }

    /// The value now in force as a tensor. Only for parameters that are not packed.
    pub fn get(&self) -> candle_core::Result<Tensor> {
        match self.weight()? {
            Weight::Tensor(tensor) => Ok(tensor),
            Weight::Panels(_) => candle_core::bail!("{} is packed", self.name),
        }
    }

    /// The rows `ids` of a table, (ids, columns). As long as no LoRA changes it only these rows are read, and nothing is kept.
    pub fn rows(&self, ids: &[u32]) -> candle_core::Result<Tensor> {
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match value {
            Some(Weight::Tensor(tensor)) => tensor.index_select(&Tensor::new(ids, self.operators.device())?, 0),
            Some(Weight::Panels(_)) => candle_core::bail!("{} is packed", self.name),
            None => {
                let rows = self.checkpoint.file().f32_rows(&self.name, ids).map_err(candle_core::Error::wrap)?;
                rows.to_device(self.operators.device())
            }
        }
    }

    /// The checkpoint's value in the file's layout, f32 on the CPU.
    pub fn base(&self) -> Result<Tensor, FileError> {
        self.checkpoint.file().f32(&self.name)
    }

    /// Puts `value`, in the file's layout, in force.
    pub(super) fn set(&self, value: &Tensor) -> candle_core::Result<()> {
        let weight = match self.packed {
            None => self.plain(value)?,
            Some(shape) => {
                let values = value.flatten_all()?.to_vec1::<f32>()?;
                let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                self.operators.weight(Stored { bytes: &bytes, number: NumberType::F32, shape }, &[], self.held)?
            }
        };
        self.replace(Some(weight));
        Ok(())
    }

    /// Puts the checkpoint's value with `changes` in force; `false` where they must be added to a tensor instead.
    pub(super) fn merge(&self, changes: &[LowRank]) -> candle_core::Result<bool> {
        if self.packed.is_some() {
            let weight = self.make(changes)?;
            self.replace(Some(weight));
        }
        Ok(self.packed.is_some())
    }

    /// Back to the checkpoint's value, read at the next use.
    pub(super) fn reset(&self) {
        self.replace(None);
    }

    fn replace(&self, weight: Option<Weight>) {
        *self.value.lock().unwrap_or_else(PoisonError::into_inner) = weight;
        self.version.fetch_add(1, Ordering::Release);
    }

    /// The checkpoint's value; with `changes` only where it is a weight of operators.
    fn make(&self, changes: &[LowRank]) -> candle_core::Result<Weight> {
        let Some(shape) = self.packed else {
            return self.plain(&self.base().map_err(carried)?);
        };
        let file = self.checkpoint.file();
        let numbers = file.numbers(&self.name).map_err(carried)?;
        let number = match numbers.dtype {
            Dtype::F16 => NumberType::F16,
            Dtype::BF16 => NumberType::BF16,
            _ => NumberType::F32,
        };
        let stored = Stored { bytes: &numbers.bytes, number, shape };
        self.operators.weight(stored, changes, self.held)
    }

    fn plain(&self, value: &Tensor) -> candle_core::Result<Weight> {
        Ok(Weight::Tensor(value.to_device(self.operators.device())?))
    }
}

/// The parameters of all models built from one checkpoint.
pub struct Weights {
    checkpoint: Arc<Checkpoint>,
    params: BTreeMap<String, Arc<Param>>,
    pub(super) ledger: Ledger,
}

impl Weights {
    pub(super) fn new(checkpoint: Arc<Checkpoint>, params: BTreeMap<String, Arc<Param>>) -> Self {
        Weights { checkpoint, params, ledger: Ledger::default() }
    }

    /// Where base values come from.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The parameter of tensor `name`, if a model uses it.
    pub fn get(&self, name: &str) -> Option<&Arc<Param>> {
        self.params.get(name)
    }

    pub(super) fn params(&self) -> impl Iterator<Item = &Arc<Param>> {
        self.params.values()
    }

    /// Reads all parameters whose name starts with one of `prefixes`, but for tables, in parallel.
    pub fn load(&self, prefixes: &[&str], watch: &mut Watch<'_>) -> Watched<()> {
        let is_wanted = |param: &&Arc<Param>| !param.table && prefixes.iter().any(|p| param.name.starts_with(p));
        let params: Vec<_> = self.params().filter(is_wanted).collect();
        watch.expect(params.len());
        for params in params.chunks(at_once()) {
            params.par_iter().try_for_each(|param| param.weight().map(drop))?;
            watch.done(params.len())?;
        }
        Ok(())
    }
}

/// How many parameters are made between two questions whether to go on: enough that no thread waits long for the others at the
/// end.
pub(super) fn at_once() -> usize {
    8 * rayon::current_num_threads()
}
