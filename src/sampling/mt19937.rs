//! Normal numbers as torch draws them on the CPU: the Mersenne Twister followed by Box-Muller.
//!
//! torch fills 16 elements and more in blocks of 16 from 24-bit uniforms; fewer elements come one at a time from pairs
//! of 53-bit uniforms, the second value of a pair waiting for the next draw.
//! Source: Matsumoto and Nishimura, "Mersenne Twister" (1998).

use std::f64::consts::TAU;

use super::rounded;

const STATE: usize = 624;
const SHIFT: usize = 397;
const BLOCK: usize = 16;

/// One stream of normal numbers.
#[derive(Debug, Clone)]
pub(super) struct Mt19937 {
    state: Box<[u32; STATE]>,
    index: usize,
    /// Second value of the last Box-Muller pair.
    spare: Option<f64>,
}

impl Mt19937 {
    /// Uses the low 32 bits of the seed, as torch does.
    pub(super) fn new(seed: u64) -> Self {
        let mut state = Box::new([seed as u32; STATE]);
        for i in 1..STATE {
            let previous = state[i - 1];
            state[i] = (previous ^ (previous >> 30)).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        Mt19937 { state, index: STATE, spare: None }
    }

    /// `n` normal numbers.
    pub(super) fn randn(&mut self, n: usize) -> Vec<f32> {
        if n < BLOCK {
            return (0..n).map(|_| self.normal() as f32).collect();
        }
        let mut data: Vec<f32> = (0..n).map(|_| self.uniform()).collect();
        data.chunks_exact_mut(BLOCK).for_each(box_muller_block);
        if !n.is_multiple_of(BLOCK) {
            // The tail is redrawn together with the end of the last whole block.
            let tail = &mut data[n - BLOCK..];
            tail.iter_mut().for_each(|v| *v = self.uniform());
            box_muller_block(tail);
        }
        data
    }

    fn next_u32(&mut self) -> u32 {
        if self.index == STATE {
            self.twist();
        }
        let mut y = self.state[self.index];
        self.index += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn twist(&mut self) {
        for i in 0..STATE {
            let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % STATE] & 0x7fff_ffff);
            let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + SHIFT) % STATE] ^ (y >> 1) ^ odd;
        }
        self.index = 0;
    }

    /// In [0, 1) from the low 24 bits of one output.
    fn uniform(&mut self) -> f32 {
        (self.next_u32() & 0x00ff_ffff) as f32 / (1u32 << 24) as f32
    }

    /// In [0, 1) from the low 53 bits of two outputs.
    fn uniform53(&mut self) -> f64 {
        let high = u64::from(self.next_u32());
        let bits = (high << 32 | u64::from(self.next_u32())) & ((1 << 53) - 1);
        bits as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let theta = TAU * self.uniform53();
        let radius = (-2.0 * (-self.uniform53()).ln_1p()).sqrt();
        self.spare = Some(radius * theta.sin());
        radius * theta.cos()
    }
}

/// Turns 16 uniforms into normals: element j pairs with element j + 8.
fn box_muller_block(data: &mut [f32]) {
    let (first, second) = data.split_at_mut(BLOCK / 2);
    for (a, b) in first.iter_mut().zip(second) {
        let radius = (-2.0 * rounded::ln(1.0 - *a)).sqrt();
        let theta = std::f32::consts::TAU * *b;
        (*a, *b) = (radius * rounded::cos(theta), radius * rounded::sin(theta));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs of the reference implementation for its default seed.
    #[test]
    fn reference_outputs() {
        let mut mt = Mt19937::new(5489);
        assert_eq!([mt.next_u32(), mt.next_u32(), mt.next_u32()], [3_499_211_612, 581_869_302, 3_890_346_734]);
    }

    #[test]
    fn only_the_low_half_of_the_seed_counts() {
        assert_eq!(Mt19937::new(7).randn(20), Mt19937::new(7 + (5 << 32)).randn(20));
    }
}
