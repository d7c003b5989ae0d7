//! Random weights (`R`, `U`), reproducible from the image's seed.
//!
//! Draw number n of a prompt is one block of Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
//! 2011) with the seed as key and n as counter, so a weight depends on nothing but the seed and its place. Draws are counted
//! in the order the extension reads tags: the kind (`lora`, `lyco`) that appears first in the prompt first.

/// A source of random weights for one prompt.
#[derive(Debug, Clone)]
pub struct Draws {
    seed: u64,
    next: u64,
    drawn: Vec<f64>,
}

impl Draws {
    pub fn new(seed: u64) -> Self {
        Draws { seed, next: 0, drawn: Vec::new() }
    }

    /// Notes a random weight as it is used, and returns it.
    pub fn note(&mut self, weight: f64) -> f64 {
        self.drawn.push(weight);
        weight
    }

    /// The random weights noted, in their order.
    pub fn into_drawn(self) -> Vec<f64> {
        self.drawn
    }

    /// The next number in [0, 1), with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        let low_high = |value: u64| [value as u32, (value >> 32) as u32];
        let [c0, c1] = low_high(self.next);
        let [a, b, ..] = philox4x32_10([c0, c1, 0, 0], low_high(self.seed));
        self.next += 1;
        (f64::from(a >> 5) * 67_108_864.0 + f64::from(b >> 6)) / 9_007_199_254_740_992.0
    }
}

/// One block of Philox4x32-10.
pub(crate) fn philox4x32_10(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    let wide = |a: u32, b: u32| {
        let product = u64::from(a) * u64::from(b);
        ((product >> 32) as u32, product as u32)
    };
    for _ in 0..10 {
        let (high0, low0) = wide(0xD251_1F53, counter[0]);
        let (high1, low1) = wide(0xCD9E_8D57, counter[2]);
        counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_of_the_paper() {
        assert_eq!(philox4x32_10([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32_10([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    }

    #[test]
    fn draws_depend_on_seed_and_place_only() {
        let three = |seed| {
            let mut draws = Draws::new(seed);
            [draws.unit(), draws.unit(), draws.unit()]
        };
        assert_eq!(three(1), three(1));
        assert_ne!(three(1)[0], three(2)[0]);
        assert!(three(1 << 40).iter().all(|x| (0.0..1.0).contains(x)));
    }
}
