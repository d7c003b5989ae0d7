//! What an engine tells while it works, and how it is stopped.

use std::ops::ControlFlow;

use candle_core::Tensor;

use super::EngineError;
use crate::model::Progress;

/// What happens while a plan runs. `part` of `of` parts are done.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "the variants tell what their fields are")]
pub enum Event<'a> {
    /// Weights are read ([`Engine::load`](super::Engine::load)).
    Loading { part: usize, of: usize },
    /// Parameters are made anew because LoRA factors changed.
    Merging { part: usize, of: usize },
    /// LoRA factors were put in force; this many parameters were made anew.
    Merged { parameters: usize },
    /// The text encoders run.
    Encoding { part: usize, of: usize },
    /// The text encoders ran.
    Encoded,
    /// The VAE reads a picture that is drawn over.
    EncodingImage { part: usize, of: usize },
    /// A pixel upscaler enlarges the picture between two passes, tile by tile.
    Enlarging { part: usize, of: usize },
    /// A block of the UNet is done, named as LoRA Block Weight names it (`IN00`…`OUT11`).
    Block { id: &'a str, part: usize, of: usize },
    /// The UNet answered: raw outputs for each part of the prompt, then for the negative prompt unless it was skipped.
    Predicted { outputs: &'a [Tensor] },
    /// A step of `steps` begins (0-based), as webui's callback has it.
    Step { index: usize, steps: usize, x: &'a Tensor, denoised: &'a Tensor },
    /// The VAE makes the picture; it begins with 0 parts done.
    Decoding { part: usize, of: usize },
}

impl Event<'_> {
    /// The step that is done now, from 1, and how many there are.
    pub fn step(&self) -> Option<(usize, usize)> {
        match self {
            Event::Step { index, steps, .. } => Some((index + 1, *steps)),
            _ => None,
        }
    }

    /// How many parameters were made anew, where they were.
    pub fn merged(&self) -> Option<usize> {
        match self {
            Event::Merged { parameters } => Some(*parameters),
            _ => None,
        }
    }
}

/// Sees what happens while a plan runs, and says each time whether to go on: with [`ControlFlow::Break`] the run ends at once
/// as [`EngineError::Stopped`]. The engine is ready for the next plan then, whose picture is the same as ever.
///
/// It is asked between any two blocks of the UNet, layers of the text encoders and parts of the VAE, and every few parameters
/// while weights are made.
pub type Observer<'a> = &'a mut dyn FnMut(Event<'_>) -> ControlFlow<()>;

/// The observer of those who want nothing but the result.
pub fn unobserved(_: Event<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Shows `event` to `observer`.
pub(super) fn tell(observer: Observer<'_>, event: Event<'_>) -> Result<(), EngineError> {
    match observer(event) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(EngineError::Stopped),
    }
}

/// What a [`Watch`](crate::model::Watch) asks, as events for `observer`.
pub(super) fn watched<'a>(
    observer: Observer<'a>,
    event: impl Fn(usize, usize) -> Event<'static> + 'a,
) -> impl FnMut(Progress) -> ControlFlow<()> + 'a {
    move |Progress { part, of }| observer(event(part, of))
}
