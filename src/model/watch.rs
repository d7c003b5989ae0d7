//! Long pieces of work can be watched, and stopped between any two of their parts.

use std::ops::ControlFlow;

use candle_core::Tensor;

use crate::diagnostic::{Said, Text};
use crate::say;

/// How far a piece of work is: `part` of `of` parts are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Parts that are done.
    pub part: usize,
    /// Parts in all.
    pub of: usize,
}

/// Sees the output of each block of the UNet, (b, h, w, c), under its LBW id (`IN00`…`OUT11`), and says whether to go on.
pub type Tap<'a> = &'a mut dyn FnMut(&str, &Tensor) -> ControlFlow<()>;

/// Why a model gave no result.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
pub enum ModelError {
    /// Whoever watches said so.
    Stopped,
    /// A tensor operation failed.
    Tensor(#[from] candle_core::Error),
}

impl Said for ModelError {
    fn said(&self) -> Text {
        match self {
            ModelError::Stopped => say!("stopped", "中断しました"),
            ModelError::Tensor(error) => error.said(),
        }
    }
}

/// What a model that can be stopped gives.
pub type Watched<T> = Result<T, ModelError>;

/// Counts the parts of a piece of work, and asks after each whether to go on.
#[derive(Default)]
pub struct Watch<'a> {
    ask: Option<&'a mut dyn FnMut(Progress) -> ControlFlow<()>>,
    part: usize,
    of: usize,
}

impl<'a> Watch<'a> {
    /// `ask` is called after each part.
    pub fn new(ask: &'a mut dyn FnMut(Progress) -> ControlFlow<()>) -> Self {
        Watch { ask: Some(ask), part: 0, of: 0 }
    }

    /// Nobody watches, and nothing stops the work.
    pub fn nobody() -> Self {
        Watch::default()
    }

    /// So many more parts are to come.
    pub(crate) fn expect(&mut self, parts: usize) {
        self.of += parts;
    }

    /// So many parts have ended.
    pub(crate) fn done(&mut self, parts: usize) -> Watched<()> {
        self.part += parts;
        let progress = Progress { part: self.part, of: self.of };
        match self.ask.as_mut().map(|ask| ask(progress)) {
            Some(ControlFlow::Break(())) => Err(ModelError::Stopped),
            Some(ControlFlow::Continue(())) | None => Ok(()),
        }
    }
}
