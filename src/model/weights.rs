//! The values of all parameters: the checkpoint's own, or with LoRA deltas added.
//!
//! Base values are read from the file whenever a value is made and never un-added, so nothing drifts: a parameter without
//! deltas is bit for bit the checkpoint's, whatever was applied before.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::ledger::Ledger;
use crate::checkpoint::{Checkpoint, FileError};

/// How a parameter's values lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pack {
    /// As in the file.
    Plain,
    /// A convolution kernel: (out, in, kh, kw) in the file, (out, kh, kw, in) here, so that a channels-last patch times a
    /// row of it is one output value.
    Convolution,
}

/// One parameter of a model.
pub struct Param {
    name: String,
    pack: Pack,
    checkpoint: Arc<Checkpoint>,
    device: Device,
    value: Mutex<Option<Tensor>>,
}

impl Param {
    pub(super) fn new(name: &str, pack: Pack, checkpoint: Arc<Checkpoint>, device: Device) -> Self {
        Param { name: name.to_owned(), pack, checkpoint, device, value: Mutex::new(None) }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value now in force, packed, on the model's device. Read from the checkpoint at first use.
    pub fn get(&self) -> candle_core::Result<Tensor> {
        let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        if value.is_none() {
            let base = self.base().map_err(candle_core::Error::wrap)?;
            *value = Some(self.packed(&base)?);
        }
        // The lock is held while the value is made, so that no two threads make it.
        value.clone().ok_or_else(|| candle_core::Error::Msg(format!("{} has no value", self.name)))
    }

    /// The checkpoint's value in the file's layout, f32 on the CPU.
    pub fn base(&self) -> Result<Tensor, FileError> {
        self.checkpoint.file().f32(&self.name)
    }

    /// Puts `value`, in the file's layout, in force.
    pub(super) fn set(&self, value: &Tensor) -> candle_core::Result<()> {
        let packed = self.packed(value)?;
        *self.value.lock().unwrap_or_else(PoisonError::into_inner) = Some(packed);
        Ok(())
    }

    /// Back to the checkpoint's value, read at the next use.
    pub(super) fn reset(&self) {
        *self.value.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn packed(&self, value: &Tensor) -> candle_core::Result<Tensor> {
        let value = match self.pack {
            Pack::Plain => value.clone(),
            Pack::Convolution => value.permute((0, 2, 3, 1))?.contiguous()?,
        };
        value.to_device(&self.device)
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

    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Param>> {
        self.params.get(name)
    }

    pub(super) fn params(&self) -> impl Iterator<Item = &Arc<Param>> {
        self.params.values()
    }

    /// Reads all parameters whose name starts with `prefix`, in parallel.
    pub fn load(&self, prefix: &str) -> candle_core::Result<()> {
        let params: Vec<_> =
            self.params.range(prefix.to_owned()..).map_while(|(n, p)| n.starts_with(prefix).then_some(p)).collect();
        params.into_par_iter().try_for_each(|p| p.get().map(drop))
    }
}
