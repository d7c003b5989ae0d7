//! Steps of prompt editing: what the N of `[from:to:N]` means in the first pass, in the hires pass, and on old timelines.

use super::python;

/// How the N of `[from:to:N]` becomes a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timeline {
    /// Steps of this pass, as prompt schedules count them.
    pub steps: u32,
    /// What fractions are multiplied with.
    fraction_of: f64,
    /// Subtracted from fractions, and from whole numbers.
    offsets: (f64, f64),
    old: bool,
}

impl Timeline {
    /// The first pass. `old` is webui's option "use old prompt editing timelines".
    pub fn first_pass(steps: u32, old: bool) -> Self {
        Timeline { steps, fraction_of: steps.into(), offsets: (0.0, 0.0), old }
    }

    /// The hires pass of `hires_steps` after a first pass of `steps`. Old timelines know no hires pass and end at `steps`.
    pub fn hires_pass(steps: u32, hires_steps: u32, old: bool) -> Self {
        match old {
            true => Timeline::first_pass(steps, true),
            false => Timeline {
                steps: hires_steps,
                fraction_of: hires_steps.into(),
                offsets: (1.0, steps.into()),
                old: false,
            },
        }
    }

    /// The last step of `from`, possibly 0 or less; `None` where webui overflows.
    pub(super) fn when(&self, text: &str) -> Option<i64> {
        let number: f64 = python::float(text)?;
        let (fraction_offset, integer_offset) = self.offsets;
        let step = match (self.old, text.contains('.')) {
            (true, _) if number < 1.0 => number * self.fraction_of,
            (true, _) => number,
            (false, true) => (number - fraction_offset) * self.fraction_of,
            (false, false) => number - integer_offset,
        };
        step.is_finite().then(|| (step.trunc() as i64).min(self.steps.into()))
    }
}
