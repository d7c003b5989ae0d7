//! Normal numbers as torch draws them on CUDA: Philox4x32-10 followed by Box-Muller.
//!
//! The generator is counter based: every call of [`Philox::randn`] numbers its elements from 0 and differs from the
//! previous call by the call counter alone.

use crate::plan::draw::philox4x32_10;

/// 2^-32, and the same times 2π, as 32-bit numbers: CUDA's Box-Muller uses these constants.
const TO_UNIT: f32 = 2.328_306_4e-10;
const TO_TURN: f32 = (2.328_306_4e-10_f64 * 6.283_185_5_f64) as f32;

/// One stream of normal numbers.
#[derive(Debug, Clone)]
pub(super) struct Philox {
    key: [u32; 2],
    calls: u32,
}

impl Philox {
    pub(super) fn new(seed: u64) -> Self {
        Philox { key: [seed as u32, (seed >> 32) as u32], calls: 0 }
    }

    /// `n` normal numbers; independent of the `n` of earlier calls.
    pub(super) fn randn(&mut self, n: usize) -> Vec<f32> {
        let calls = self.calls;
        self.calls = calls.wrapping_add(1);
        (0..n).map(|i| box_muller(philox4x32_10([calls, 0, i as u32, 0], self.key))).collect()
    }
}

/// The sine branch of Box-Muller on the first two outputs.
fn box_muller([g0, g1, ..]: [u32; 4]) -> f32 {
    let u = f64::from(g0) * f64::from(TO_UNIT) + f64::from(TO_UNIT / 2.0);
    let v = f64::from(g1) * f64::from(TO_TURN) + f64::from(TO_TURN / 2.0);
    ((-2.0 * u.ln()).sqrt() * v.sin()) as f32
}
