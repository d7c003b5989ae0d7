//! How far this device's arithmetic is from the CPU's in f32: one picture of a few steps, stage by stage.

use std::ops::ControlFlow;

use candle_core::{DType, Device, Tensor};
use serde::Serialize;

use super::super::error::Result;
use super::super::session::Session;
use super::super::studio::{EngineSettings, open_engine};
use super::plan;
use crate::engine::{Event, unobserved};
use crate::model::{Held, OperatorChoice, Precision};
use crate::plan::{Sampler, Settings};
use crate::text::EmbeddingFiles;

/// Steps of the picture.
const STEPS: u32 = 8;

/// Largest differences, as shares of the largest value; and of the picture.
#[derive(Debug, Serialize)]
pub(super) struct Difference {
    /// The encoded prompt.
    pub text: f64,
    /// The UNet's first answer.
    pub prediction: f64,
    /// After the last step.
    pub latent: f64,
    /// The largest difference of a byte.
    pub bytes: u8,
    /// Decibels; `None` where the pictures are the same.
    pub psnr: Option<f64>,
}

/// What a picture is made of on its way.
struct Stages {
    text: Vec<f32>,
    prediction: Vec<f32>,
    latent: Vec<f32>,
    rgb: Vec<u8>,
}

/// Draws the same picture with `settings` and on the CPU in f32.
pub(super) fn compare(session: &Session, settings: &EngineSettings, (width, height): (u32, u32)) -> Result<Difference> {
    let exact = EngineSettings {
        device: Device::Cpu,
        operators: OperatorChoice::In(Precision::F32),
        weights: Held::Exact,
        ..settings.clone()
    };
    let size = (width, height);
    let (got, expected) = (draw(session, settings, size)?, draw(session, &exact, size)?);
    let off = got.rgb.iter().zip(&expected.rgb).map(|(a, b)| a.abs_diff(*b));
    let squares: f64 = off.clone().map(|d| f64::from(d).powi(2)).sum();
    let mean = squares / got.rgb.len().max(1) as f64;
    Ok(Difference {
        text: largest(&got.text, &expected.text),
        prediction: largest(&got.prediction, &expected.prediction),
        latent: largest(&got.latent, &expected.latent),
        bytes: off.max().unwrap_or(0),
        psnr: (mean > 0.0).then(|| 10.0 * (255.0f64.powi(2) / mean).log10()),
    })
}

fn draw(session: &Session, settings: &EngineSettings, (width, height): (u32, u32)) -> Result<Stages> {
    let (mut engine, _) = open_engine(&session.model()?, session, &mut EmbeddingFiles::default(), settings)?;
    let sampler = Sampler::Euler;
    let settings = Settings { width, height, steps: STEPS, cfg_scale: 4.0, sampler, ..Settings::default() };
    let plan = plan("red circle, blue background", "striped", settings)?;
    let conditioning = engine.condition(&plan.first, &mut unobserved)?;
    let text = conditioning.parts.first().and_then(|(_, scheduled)| scheduled.at(0));
    let text = text.map(|text| numbers(&text.crossattn)).transpose()?.unwrap_or_default();
    let mut first = None;
    let image = engine.run(&plan, &mut |event| {
        if let Event::Predicted { outputs } = event {
            first.get_or_insert_with(|| outputs.iter().map(numbers).collect::<candle_core::Result<Vec<_>>>());
        }
        ControlFlow::Continue(())
    })?;
    let prediction = first.transpose()?.unwrap_or_default().concat();
    Ok(Stages { text, prediction, latent: numbers(&image.latent)?, rgb: image.rgb })
}

fn numbers(t: &Tensor) -> candle_core::Result<Vec<f32>> {
    t.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}

/// The largest difference as a share of the largest value; infinite where one is not a number.
fn largest(got: &[f32], expected: &[f32]) -> f64 {
    let size = expected.iter().fold(f32::MIN_POSITIVE, |size, v| size.max(v.abs()));
    let off = got.iter().zip(expected).map(|(a, b)| (a - b).abs());
    let off = off.fold(0f32, |largest, off| if off.is_nan() { f32::INFINITY } else { largest.max(off) });
    f64::from(off) / f64::from(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_shares_of_the_largest_value() {
        assert_eq!(largest(&[1.0, -3.5], &[1.0, -4.0]), 0.125);
        assert_eq!(largest(&[1.0, f32::NAN], &[1.0, -4.0]), f64::INFINITY);
        assert_eq!(largest(&[], &[]), 0.0);
    }
}
