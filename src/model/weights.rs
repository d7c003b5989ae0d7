//! The values of all parameters: the checkpoint's own, or with LoRA deltas added.
//!
//! Base values are read from the file whenever a value is made and never un-added, so nothing drifts: a parameter without
//! deltas is bit for bit the checkpoint's, whatever was applied before.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::Tensor;
use rayon::prelude::*;
use safetensors::tensor::Dtype;

use super::ledger::{Ledger, MergeError, Sum, low_rank, merged};
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
    state: Mutex<State>,
    /// Whether its value is made anew at each use, and never kept.
    streamed: AtomicBool,
    version: AtomicU64,
}

/// What is in force of a parameter.
#[derive(Default)]
struct State {
    /// What LoRAs add to the checkpoint's value.
    added: Sum,
    /// The value, once it has been made.
    value: Option<Weight>,
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
            state: Mutex::default(),
            streamed: AtomicBool::new(false),
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

    /// The value now in force, for the operators of the model. Made at first use; where it is streamed, at every use.
    pub fn weight(&self) -> candle_core::Result<Weight> {
        let mut state = self.state();
        if let Some(weight) = &state.value {
            return Ok(weight.clone());
        }
        let made = |error| match error {
            MergeError::Candle(error) => error,
            other => carried(other),
        };
        if self.is_streamed() {
            let added = state.added.clone();
            drop(state);
            return self.make(&added).map_err(made);
        }
        // The lock is held while the value is made, so that no two threads make it.
        let weight = self.make(&state.added).map_err(made)?;
        Ok(state.value.insert(weight).clone())
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
        let device = self.operators.device();
        let as_in_the_file = {
            let state = self.state();
            state.added.is_empty() && state.value.is_none()
        };
        if as_in_the_file {
            let rows = self.checkpoint.file().f32_rows(&self.name, ids).map_err(candle_core::Error::wrap)?;
            return rows.to_device(device);
        }
        self.get()?.index_select(&Tensor::new(ids, device)?, 0)
    }

    /// The checkpoint's value in the file's layout, f32 on the CPU.
    pub fn base(&self) -> Result<Tensor, FileError> {
        self.checkpoint.file().f32(&self.name)
    }

    /// Puts the checkpoint's value with `added` in force. It is made at once where it is kept: what is wrong is known then.
    pub(super) fn put(&self, added: Sum) -> Result<(), MergeError> {
        let value = match added.is_empty() || self.is_streamed() {
            true => None,
            false => Some(self.make(&added)?),
        };
        *self.state() = State { added, value };
        self.version.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Back to the checkpoint's value.
    pub(super) fn reset(&self) {
        *self.state() = State::default();
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Gives the memory of the value back; it is made again at the next use.
    fn forget(&self) {
        self.state().value = None;
    }

    /// The shape of a weight of operators.
    pub(super) fn shape(&self) -> Option<Shape> {
        self.packed
    }

    /// Bytes of its value in memory, as it is or with something added. Of a table only rows are read as long as it is as it was.
    fn bytes(&self, changed: bool) -> u64 {
        let Some(entry) = self.checkpoint.file().entry(&self.name) else { return 0 };
        let count: usize = entry.shape.iter().product();
        let size = match self.packed {
            Some(_) => self.operators.size_in_weights(number_type(entry.dtype), changed, self.held),
            None if self.table && !changed => 0,
            None => NumberType::F32.size(),
        };
        (count * size) as u64
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_streamed(&self) -> bool {
        self.streamed.load(Ordering::Relaxed)
    }

    /// The checkpoint's value with `added`.
    fn make(&self, added: &Sum) -> Result<Weight, MergeError> {
        let changes = if self.packed.is_some() { low_rank(added)? } else { None };
        match (self.packed, changes) {
            (Some(shape), Some(changes)) => {
                let numbers = self.checkpoint.file().numbers(&self.name)?;
                let number = number_type(numbers.dtype);
                self.weight_of(Stored { bytes: &numbers.bytes, number, shape }, &changes)
            }
            (Some(shape), None) => {
                let values = merged(&self.base()?, added)?.flatten_all()?.to_vec1::<f32>()?;
                let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                self.weight_of(Stored { bytes: &bytes, number: NumberType::F32, shape }, &[])
            }
            (None, _) => {
                let value = merged(&self.base()?, added)?;
                Ok(Weight::Tensor(value.to_device(self.operators.device())?))
            }
        }
    }

    fn weight_of(&self, stored: Stored<'_>, changes: &[LowRank]) -> Result<Weight, MergeError> {
        Ok(self.operators.weight(stored, changes, self.held)?)
    }
}

/// How operators are given the numbers of a file: those of 16 bits as they are, all others in f32.
fn number_type(dtype: Dtype) -> NumberType {
    match dtype {
        Dtype::F16 => NumberType::F16,
        Dtype::BF16 => NumberType::BF16,
        _ => NumberType::F32,
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

    /// Reads all parameters that are kept and whose name starts with one of `prefixes`, but for tables, in parallel.
    pub fn load(&self, prefixes: &[&str], watch: &mut Watch<'_>) -> Watched<()> {
        let is_kept = |param: &&Arc<Param>| !param.table && !param.is_streamed();
        let is_wanted = |param: &&Arc<Param>| is_kept(param) && prefixes.iter().any(|p| param.name.starts_with(p));
        let params: Vec<_> = self.params().filter(is_wanted).collect();
        watch.expect(params.len());
        for params in params.chunks(at_once()) {
            params.par_iter().try_for_each(|param| param.weight().map(drop))?;
            watch.done(params.len())?;
        }
        Ok(())
    }

    /// Gives back the memory of the parameters whose name starts with `prefix`. They are made again at their next use.
    pub fn unload(&self, prefix: &str) {
        self.with(prefix).for_each(|param| param.forget());
    }

    /// Bytes of the parameters whose name starts with `prefix`, all together and of the largest, where those of the names `changed`
    /// are changed by LoRAs.
    pub fn bytes(&self, prefix: &str, changed: &HashSet<String>) -> (u64, u64) {
        let sizes = self.with(prefix).map(|param| param.bytes(changed.contains(&param.name)));
        sizes.fold((0, 0), |(all, largest), size| (all + size, largest.max(size)))
    }

    /// Of the parameters whose name starts with `prefix` keeps so many bytes and no more, where those of the names `changed` are
    /// changed by LoRAs; the others are made anew at each use. Their values are the same.
    pub fn keep(&self, prefix: &str, bytes: u64, changed: &HashSet<String>) {
        let mut left = bytes;
        for param in self.with(prefix) {
            let fits = left.checked_sub(param.bytes(changed.contains(&param.name)));
            param.streamed.store(fits.is_none(), Ordering::Relaxed);
            match fits {
                Some(rest) => left = rest,
                None => param.forget(),
            }
        }
    }

    fn with(&self, prefix: &str) -> impl Iterator<Item = &Arc<Param>> {
        self.params().filter(move |param| param.name.starts_with(prefix))
    }
}

/// How many parameters are made between two questions whether to go on: enough that no thread waits long for the others at the
/// end.
pub(super) fn at_once() -> usize {
    8 * rayon::current_num_threads()
}
