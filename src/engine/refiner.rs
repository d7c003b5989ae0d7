//! A second checkpoint that takes over on the way (webui's refiner).

use super::model::Model;
use crate::plan::{Sampler, Settings};
use crate::sampling::NoiseLevels;

/// The checkpoint that will take over, and when.
pub(super) struct Refiner<'a> {
    pub model: &'a mut Model,
    pub switch: Switch,
}

/// When a refiner takes over: webui looks before each model call.
pub(super) struct Switch {
    at: f64,
    way: Way,
}

/// How far a run is, from 0 to 1.
enum Way {
    /// Model calls that were made, of so many.
    Calls(f64),
    /// The noise that is gone, by the nearest of these noise levels, the first being that of the least noise.
    Sigmas(Vec<f32>),
    /// The same, of samplers over timesteps.
    Timesteps,
}

/// Timesteps of training.
const LAST: f64 = 999.0;

impl Switch {
    /// Of a run of so many steps.
    pub fn new(settings: &Settings, levels: &NoiseLevels, steps: usize) -> Self {
        let sampler = settings.sampler;
        let way = match settings.refiner_switch_by_sample_steps {
            true => Way::Calls(steps as f64 * if sampler.is_second_order() { 2.0 } else { 1.0 }),
            false if sampler.is_timestep() => Way::Timesteps,
            // LCM has a table of its own.
            false if sampler == Sampler::Lcm => Way::Sigmas(levels.for_lcm().sigmas().to_vec()),
            false => Way::Sigmas(levels.sigmas().to_vec()),
        };
        Switch { at: settings.refiner_switch_at, way }
    }

    /// Whether it takes over before the model call number `call`, counted from 0, at this sigma or timestep.
    pub fn is_due(&self, call: u32, level: f32) -> bool {
        let way = match &self.way {
            Way::Calls(all) => f64::from(call) / all,
            Way::Timesteps => (LAST - f64::from(level.trunc())) / (LAST + 1.0),
            Way::Sigmas(sigmas) => {
                let distance = |at: &usize| (sigmas[*at] - level).abs();
                let nearest = (0..sigmas.len()).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(0);
                (LAST - nearest as f64) / (LAST + 1.0)
            }
        };
        way >= self.at
    }
}
