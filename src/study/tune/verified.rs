//! How sure a result is: shares on pictures that it was not made from, with an interval.

use serde::Serialize;

use super::score::{Reading, Scale, Score};

/// A share, and where it lies nine times out of ten if other pictures of the same kind are taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Over all scenes.
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
    /// What that is worth together: what is gone, less half of what is lost.
    pub gain: Interval,
}

impl Measured {
    /// Of one vector's pictures.
    pub fn new(scale: &Scale, readings: &[Reading]) -> Self {
        let of =
            |what: &dyn Fn(&Score) -> f64| interval(readings.len(), &|scenes| what(&scale.score_of(readings, scenes)));
        Measured { gone: of(&|s| s.gone), kept: of(&|s| s.kept), gain: of(&Score::value) }
    }

    /// Whether something is gone for sure, more than is lost, and at least half of what should stay is there: switching the LoRA off is no
    /// suggestion.
    pub fn holds(&self) -> bool {
        const LEAST: f64 = 0.5;
        self.gone.low > 0.0 && self.gain.low > 0.0 && self.kept.mean >= LEAST
    }
}

/// Efron's bootstrap: `value` of as many scenes drawn from `count` with replacement. Of few scenes all draws are taken, of more of them
/// a thousand, always the same.
pub fn interval(count: usize, value: &dyn Fn(&[usize]) -> f64) -> Interval {
    const ALL: u32 = 4;
    const SOME: u64 = 1000;
    if count == 0 {
        return Interval { mean: 0.0, low: 0.0, high: 0.0 };
    }
    let of = |chosen: &dyn Fn(usize) -> usize| value(&(0..count).map(chosen).collect::<Vec<_>>());
    let mut values: Vec<f64> = match u32::try_from(count) {
        Ok(few) if few <= ALL => (0..count.pow(few)).map(|all| of(&|n| all / count.pow(n as u32) % count)).collect(),
        _ => (0..SOME).map(|draw| of(&|n| (mixed(draw * count as u64 + n as u64) % count as u64) as usize)).collect(),
    };
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    Interval { mean: of(&|n| n), low: at(0.05), high: at(0.95) }
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
        let of = |values: &[f64]| {
            interval(values.len(), &|scenes| scenes.iter().map(|at| values[*at]).sum::<f64>() / scenes.len() as f64)
        };
        assert_eq!(of(&[0.5]), Interval { mean: 0.5, low: 0.5, high: 0.5 });
        assert_eq!(of(&[]).mean, 0.0);
        let few = of(&[0.2, 0.4, 0.9]);
        assert!(few.low < few.mean && few.mean < few.high && (few.mean - 0.5).abs() < 1e-9, "{few:?}");
        assert!((few.low - 0.8 / 3.0).abs() < 1e-9, "{few:?}");
        let many: Vec<f64> = [0.2, 0.4, 0.9].into_iter().cycle().take(30).collect();
        let many = of(&many);
        assert!(many.low > few.low && many.high < few.high && many.low < many.mean, "{many:?}");
        assert_eq!(of(&[0.1; 9]).low, of(&[0.1; 9]).high);
    }
}
