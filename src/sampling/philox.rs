//! Normal numbers as torch draws them on CUDA: Philox4x32-10 followed by Box-Muller.
//!
//! The generator is counter based: every call of [`Philox::randn`] numbers its elements from 0 and differs from the
//! previous call by the call counter alone.
//! Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011).

const MULTIPLIER: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

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
        (0..n).map(|i| box_muller(self.block([calls, 0, i as u32, 0]))).collect()
    }

    fn block(&self, mut counter: [u32; 4]) -> [u32; 4] {
        let mut key = self.key;
        for _ in 0..ROUNDS {
            let [low0, high0] = wide_product(counter[0], MULTIPLIER[0]);
            let [low1, high1] = wide_product(counter[2], MULTIPLIER[1]);
            counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0];
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        counter
    }
}

fn wide_product(a: u32, b: u32) -> [u32; 2] {
    let product = u64::from(a) * u64::from(b);
    [product as u32, (product >> 32) as u32]
}

/// The sine branch of Box-Muller on the first two outputs.
fn box_muller([g0, g1, ..]: [u32; 4]) -> f32 {
    let u = f64::from(g0) * f64::from(TO_UNIT) + f64::from(TO_UNIT / 2.0);
    let v = f64::from(g1) * f64::from(TO_TURN) + f64::from(TO_TURN / 2.0);
    ((-2.0 * u.ln()).sqrt() * v.sin()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known-answer vectors published with the algorithm.
    #[test]
    fn known_answers() {
        let zero = Philox::new(0);
        assert_eq!(zero.block([0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let ones = Philox::new(u64::MAX);
        assert_eq!(ones.block([u32::MAX; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    }
}
