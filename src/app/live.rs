//! Drawing for somebody who watches and may stop it: to have what there is so far, or to have nothing.

use std::ops::ControlFlow;

use image::RgbImage;

use super::error::Result;
use super::studio::{Picture, Studio};
use crate::engine::{EngineError, Event, Previewer, unobserved};
use crate::plan::Plan;

/// What whoever watches wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Go on.
    No,
    /// Stop, and keep what there is.
    Keep,
    /// Stop; nobody wants it.
    GiveUp,
}

/// What is seen while a plan is drawn.
pub enum Live<'a> {
    /// What the engine tells.
    Engine(&'a Event<'a>),
    /// What the picture looks like so far.
    Preview(RgbImage),
}

impl Studio {
    /// Draws `plan`; stopped, it gives what there is of the picture: nothing before the first step is done. A preview is made
    /// after every `previews` steps.
    pub fn draw_live(
        &mut self,
        plan: &Plan,
        previews: Option<usize>,
        watch: &mut dyn FnMut(Live<'_>) -> Stop,
    ) -> Result<Option<Picture>> {
        let (mut denoised, mut stop) = (None, Stop::No);
        let previewer = previews.map(|_| self.engine.previewer()).transpose()?;
        let drawn = self.engine.run(plan, &mut |event| {
            if let Event::Step { denoised: latest, .. } = &event {
                denoised = Some((*latest).clone());
            }
            // What is nearly finished is finished.
            let is_decoding = matches!(event, Event::Decoding { .. });
            stop = watch(Live::Engine(&event));
            if let (Some((step, steps)), Some(every), Some(previewer)) = (event.step(), previews, &previewer)
                && step % every == 0
                && step < steps
                && stop == Stop::No
                && let Some(preview) = denoised.as_ref().and_then(|latent| preview(previewer, latent))
            {
                stop = watch(Live::Preview(preview));
            }
            let is_over = stop == Stop::GiveUp || (stop == Stop::Keep && !is_decoding);
            if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let image = match (drawn, denoised) {
            (Ok(image), _) => image,
            (Err(EngineError::Stopped), Some(latent)) if stop == Stop::Keep => {
                self.engine.decode(&latent, &mut unobserved)?
            }
            (Err(EngineError::Stopped), _) => return Ok(None),
            (Err(error), _) => return Err(error.into()),
        };
        self.picture(plan, image).map(Some)
    }
}

/// A preview that cannot be made is none.
fn preview(previewer: &Previewer, latent: &candle_core::Tensor) -> Option<RgbImage> {
    let (width, height, rgb) = previewer.picture(latent).ok()?;
    RgbImage::from_raw(width, height, rgb)
}
