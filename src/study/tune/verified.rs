//! How sure a result is: shares on pictures that it was not made from, with an interval.

use serde::Serialize;

use super::score::{Reading, Scale};

/// A mean, and where it lies nine times out of ten if other pictures of the same kind are taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Over the pictures.
    pub mean: f64,
    /// One time in twenty it is less.
    pub low: f64,
    /// One time in twenty it is more.
    pub high: f64,
}

/// What pictures with a vector say that the search has not seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured {
    /// How much of what should go is gone.
    pub gone: Interval,
    /// How much of what should stay is kept.
    pub kept: Interval,
}

impl Measured {
    /// Of one vector's pictures.
    pub fn new(scale: &Scale, readings: &[Reading]) -> Self {
        let of = |share: &dyn Fn(&Reading) -> f64| interval(&readings.iter().map(share).collect::<Vec<f64>>());
        Measured { gone: of(&|r| scale.gone(r)), kept: of(&|r| scale.kept(r)) }
    }

    /// Whether something is gone for sure, and most of what should stay is kept.
    pub fn holds(&self) -> bool {
        /// The share that is kept at least.
        const KEPT: f64 = 0.5;
        self.gone.low > 0.0 && self.kept.mean >= KEPT
    }
}

/// Efron's bootstrap: means of as many values drawn from them with replacement. Few values have all their means taken, more of
/// them a thousand, always the same.
pub fn interval(values: &[f64]) -> Interval {
    const ALL: u32 = 4;
    const SOME: u64 = 1000;
    let count = values.len();
    if count == 0 {
        return Interval { mean: 0.0, low: 0.0, high: 0.0 };
    }
    let mean_of = |chosen: &dyn Fn(usize) -> usize| (0..count).map(|n| values[chosen(n)]).sum::<f64>() / count as f64;
    let mut means: Vec<f64> = match u32::try_from(count) {
        Ok(few) if few <= ALL => {
            (0..count.pow(few)).map(|all| mean_of(&|n| all / count.pow(n as u32) % count)).collect()
        }
        _ => (0..SOME)
            .map(|draw| mean_of(&|n| (mixed(draw * count as u64 + n as u64) % count as u64) as usize))
            .collect(),
    };
    means.sort_by(f64::total_cmp);
    let at = |share: f64| means[((means.len() - 1) as f64 * share).round() as usize];
    Interval { mean: values.iter().sum::<f64>() / count as f64, low: at(0.05), high: at(0.95) }
}

/// The finalizer of SplitMix64.
fn mixed(n: u64) -> u64 {
    let z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_hold_the_mean_and_shrink_with_more_pictures() {
        assert_eq!(interval(&[0.5]), Interval { mean: 0.5, low: 0.5, high: 0.5 });
        assert_eq!(interval(&[]).mean, 0.0);
        let few = interval(&[0.2, 0.4, 0.9]);
        assert!(few.low < few.mean && few.mean < few.high && (few.mean - 0.5).abs() < 1e-9, "{few:?}");
        assert!((few.low - 0.8 / 3.0).abs() < 1e-9, "{few:?}");
        let many: Vec<f64> = [0.2, 0.4, 0.9].into_iter().cycle().take(30).collect();
        let many = interval(&many);
        assert!(many.low > few.low && many.high < few.high && many.low < many.mean, "{many:?}");
        assert_eq!(interval(&[0.1; 9]).low, interval(&[0.1; 9]).high);
    }
}
