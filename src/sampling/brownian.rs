//! Brownian motion over noise levels, for the SDE samplers.
//!
//! The motion W is a tree of intervals over sigma: the increment over the whole range is one normal draw, and the value
//! at an interval's middle follows from the increment over it and one more draw (a Brownian bridge). Every node's draw
//! has a seed of its own, derived from the image's seed and the node's place, so that W does not depend on which times
//! are asked for, or in which order. Times lie on a grid of 10⁻⁶.
//!
//! The tree, its seeds and its grid are those of torchsde's `BrownianInterval`, the derivation of seeds numpy's
//! `SeedSequence` (O'Neill, "Developing a seed_seq Alternative", 2015).

use candle_core::{Device, Shape, Tensor};

use super::noise::Generator;
use super::{NoiseSampler, Result};
use crate::plan::NoiseSource;

/// Levels below which no grid point is left to descend to: 2⁶⁴ grid steps are more than any range of sigmas.
const MAX_DEPTH: u32 = 64;

/// W between the smallest and the largest sigma, for one image.
pub struct BrownianTree {
    source: NoiseSource,
    seed: u64,
    start: f64,
    end: f64,
    /// Increment of W over the whole range.
    total: Vec<f64>,
    shape: Shape,
    device: Device,
    /// The last two times asked for with W there: a sampler's next step begins where the last one ended.
    recent: Vec<(f64, Vec<f64>)>,
}

impl BrownianTree {
    /// The motion over the positive sigmas among `sigmas`, for the image with this seed.
    pub fn new(source: NoiseSource, seed: u64, sigmas: &[f32], shape: impl Into<Shape>, device: &Device) -> Self {
        let positive = || sigmas.iter().copied().filter(|s| *s > 0.0).map(f64::from);
        let (start, end) = (positive().fold(f64::INFINITY, f64::min), positive().fold(0.0, f64::max));
        let shape = shape.into();
        let draw = Generator::new(source, root_seed(seed).into()).randn(shape.elem_count());
        let deviation = (end - start).max(0.0).sqrt();
        let total = draw.into_iter().map(|n| f64::from(n) * deviation).collect();
        let (start, end) = (round6(start), round6(end));
        BrownianTree { source, seed, start, end, total, shape, device: device.clone(), recent: Vec::new() }
    }

    /// W at `time`, which is moved into the range; W is 0 at the range's start.
    fn at(&mut self, time: f64) -> Vec<f64> {
        if time <= self.start || self.start >= self.end {
            return vec![0.0; self.total.len()];
        }
        if time >= self.end {
            return self.total.clone();
        }
        if let Some((_, w)) = self.recent.iter().find(|(t, _)| *t == time) {
            return w.clone();
        }
        let w = self.descend(time);
        self.recent.truncate(1);
        self.recent.insert(0, (time, w.clone()));
        w
    }

    fn descend(&self, time: f64) -> Vec<f64> {
        let (mut a, mut b, mut key) = (self.start, self.end, 0u64);
        let mut before = vec![0.0; self.total.len()];
        let mut increment = self.total.clone();
        for depth in 0..MAX_DEPTH {
            let mid = round6((a + b) / 2.0);
            if mid <= a || mid >= b {
                break;
            }
            let share = (mid - a) / (b - a);
            let deviation = ((mid - a) * (b - mid) / (b - a)).sqrt();
            let draw = self.draw(key, depth);
            let is_left = time < mid;
            for ((w, before), n) in increment.iter_mut().zip(&mut before).zip(draw) {
                let left = share * *w + deviation * f64::from(n);
                if is_left {
                    *w = left;
                } else {
                    *before += left;
                    *w -= left;
                }
            }
            if mid == time {
                break;
            }
            (a, b) = if is_left { (a, mid) } else { (mid, b) };
            key = 2 * key + u64::from(!is_left);
        }
        before
    }

    fn draw(&self, key: u64, depth: u32) -> Vec<f32> {
        Generator::new(self.source, node_seed(self.seed, key, depth).into()).randn(self.shape.elem_count())
    }
}

/// The increment from `sigma` to `sigma_next`, scaled to variance 1.
impl NoiseSampler for BrownianTree {
    fn sample(&mut self, sigma: f32, sigma_next: f32) -> Result<Tensor> {
        let (from, to) = (self.at(round6(sigma.into())), self.at(round6(sigma_next.into())));
        let scale = f64::from((sigma - sigma_next).abs().sqrt());
        let values: Vec<f32> = from.iter().zip(&to).map(|(from, to)| ((to - from) / scale) as f32).collect();
        Ok(Tensor::from_vec(values, self.shape.clone(), &self.device)?)
    }
}

/// `x` to six decimals, ties to even, as Python's `round` does it: on the exact value, not on x · 10⁶.
fn round6(x: f64) -> f64 {
    format!("{x:.6}").parse().unwrap_or(x)
}

/// Words in the entropy pool.
const POOL: usize = 24;

fn root_seed(entropy: u64) -> u32 {
    first_word(&words(entropy))
}

/// The seed of the `key`-th node at `depth`: spawned sequences pad the entropy to the pool first.
fn node_seed(entropy: u64, key: u64, depth: u32) -> u32 {
    let mut input = words(entropy);
    input.resize(POOL, 0);
    input.extend(words(key));
    input.push(depth);
    first_word(&input)
}

/// Little-endian words without leading zeros, at least one.
fn words(value: u64) -> Vec<u32> {
    let (low, high) = (value as u32, (value >> 32) as u32);
    if high == 0 { vec![low] } else { vec![low, high] }
}

/// The first 32 bits that numpy's `SeedSequence` generates from these words.
fn first_word(entropy: &[u32]) -> u32 {
    let mut hash = Hash { constant: 0x43b0_d7e5, multiplier: 0x931e_8875 };
    let mut pool: [u32; POOL] = std::array::from_fn(|i| hash.mixed(entropy.get(i).copied().unwrap_or(0)));
    for source in 0..POOL {
        for target in (0..POOL).filter(|t| *t != source) {
            pool[target] = mix(pool[target], hash.mixed(pool[source]));
        }
    }
    for word in entropy.iter().skip(POOL) {
        for target in &mut pool {
            *target = mix(*target, hash.mixed(*word));
        }
    }
    Hash { constant: 0x8b51_f9dd, multiplier: 0x58f3_8ded }.mixed(pool[0])
}

struct Hash {
    constant: u32,
    multiplier: u32,
}

impl Hash {
    fn mixed(&mut self, value: u32) -> u32 {
        let value = value ^ self.constant;
        self.constant = self.constant.wrapping_mul(self.multiplier);
        let value = value.wrapping_mul(self.constant);
        value ^ (value >> 16)
    }
}

fn mix(x: u32, y: u32) -> u32 {
    let mixed = x.wrapping_mul(0xca01_f9dd).wrapping_sub(y.wrapping_mul(0x4973_f715));
    mixed ^ (mixed >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of Python's `round(x, 6)`; the first two are exact ties.
    #[test]
    fn rounds_like_python() {
        let cases = [
            (0.0078125, 0.007812),
            (0.0234375, 0.023438),
            (14.614_643_096_923_828, 14.614643),
            (0.029_167_537_555_694_58, 0.029168),
            (2.000_000_5, 2.000_001),
            (4_518.757_324_218_75, 4_518.757_324),
        ];
        for (x, expected) in cases {
            assert_eq!(round6(x), expected, "{x}");
        }
    }

    fn tree(sigmas: &[f32]) -> BrownianTree {
        BrownianTree::new(NoiseSource::Gpu, 3, sigmas, (1, 4, 8, 8), &Device::Cpu)
    }

    fn values(t: Tensor) -> Vec<f32> {
        t.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn increments_do_not_depend_on_the_order_of_questions() {
        let sigmas = [10.0, 5.0, 1.0, 0.0];
        let forward: Vec<_> =
            [(10.0, 5.0), (5.0, 1.0)].map(|(a, b)| values(tree(&sigmas).sample(a, b).unwrap())).into();
        let mut same = tree(&sigmas);
        let backward: Vec<_> = [(5.0, 1.0), (10.0, 5.0)].map(|(a, b)| values(same.sample(a, b).unwrap())).into();
        assert_eq!(forward[0], backward[1]);
        assert_eq!(forward[1], backward[0]);
    }

    #[test]
    fn a_single_sigma_gives_finite_noise_outside_its_range() {
        assert!(values(tree(&[1.0, 0.0]).sample(1.0, 0.5).unwrap()).iter().all(|v| *v == 0.0));
    }
}
