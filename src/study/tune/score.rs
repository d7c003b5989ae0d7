//! How near pictures come to the goals, as shares: how much of what should go is gone, and how much of what should stay is kept.

use serde::Serialize;

use super::goal::{Attribute, Goals, Target};

/// What one picture says, next to the base model's and the whole LoRA's of the same prompt and seed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading {
    /// The distance from each thing to come nearer to, then from each to get away from.
    pub errors: Vec<f64>,
    /// The distance from the whole LoRA in each thing that is kept.
    pub lost: Vec<f64>,
}

/// What the whole LoRA does, by which shares are measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    goals: Goals,
    /// For each error its mean with the whole LoRA; nothing where it is not worth a change.
    errors: Vec<Option<f64>>,
    /// For each kept thing its mean distance between the base model and the whole LoRA; nothing where they hardly differ.
    lost: Vec<Option<f64>>,
}

/// Shares over some pictures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// How much of what should go is gone: 0 with the whole LoRA, 1 where nothing is left, negative where it has grown.
    pub gone: f64,
    /// How much of what should stay is kept: 1 with the whole LoRA, 0 where it is as without.
    pub kept: f64,
    /// The standard error of [`Score::value`] over the pictures.
    pub doubt: f64,
}

/// Distances below these are not worth a change: just noticeable, or no more than another prompt's chance.
fn least(attribute: Attribute) -> f64 {
    match attribute {
        Attribute::Colors => 2.0,
        Attribute::Lines => 0.1,
        Attribute::Style => 0.002,
        Attribute::Composition => 0.02,
        Attribute::Motif => 0.5,
    }
}

impl Scale {
    /// From what the whole LoRA's pictures (`full`) and the base model's say.
    pub fn new(goals: &Goals, base: &[Reading], full: &[Reading]) -> Self {
        let toward = goals.toward.iter().map(|wanted| match wanted.what {
            Target::Base(attribute) => least(attribute),
            Target::Picture(_) => least(Attribute::Style),
        });
        let away = goals.away.iter().map(|_| least(Attribute::Style));
        let errors = toward.chain(away).enumerate();
        let errors = errors.map(|(at, least)| Some(mean(full, |r| r.errors[at])).filter(|mean| *mean >= least));
        let lost = goals.keep.iter().map(|wanted| least(wanted.what)).enumerate();
        let lost = lost.map(|(at, least)| Some(mean(base, |r| r.lost[at])).filter(|mean| *mean >= least));
        Scale { goals: goals.clone(), errors: errors.collect(), lost: lost.collect() }
    }

    /// Whether there is anything that could go.
    pub fn is_idle(&self) -> bool {
        self.errors.iter().all(Option::is_none)
    }

    /// Whether the whole LoRA hardly does what should stay.
    pub fn keeps_nothing(&self) -> bool {
        self.lost.iter().all(Option::is_none)
    }

    /// What pictures with one vector say together.
    pub fn score(&self, readings: &[Reading]) -> Score {
        let gone: Vec<f64> = readings.iter().map(|reading| self.gone(reading)).collect();
        let kept: Vec<f64> = readings.iter().map(|reading| self.kept(reading)).collect();
        let count = readings.len().max(1) as f64;
        let value = |n: usize| Score { gone: gone[n], kept: kept[n], doubt: 0.0 }.value();
        let average = |of: &dyn Fn(usize) -> f64| (0..readings.len()).map(of).sum::<f64>() / count;
        let middle = average(&value);
        let variance = average(&|n| (value(n) - middle).powi(2)) * count / (count - 1.0).max(1.0);
        Score { gone: average(&|n| gone[n]), kept: average(&|n| kept[n]), doubt: (variance / count).sqrt() }
    }

    /// The share of what should go that is gone from one picture.
    pub fn gone(&self, reading: &Reading) -> f64 {
        let nearer = self.goals.toward.len();
        let shares = self.errors.iter().zip(&reading.errors).enumerate().map(|(at, (full, now))| {
            full.map(|full| if at < nearer { 1.0 - now / full } else { (now / full - 1.0).min(1.0) })
        });
        let weights = self.goals.toward.iter().map(|w| w.weight).chain(self.goals.away.iter().map(|w| w.weight));
        weighted(shares.zip(weights), 0.0)
    }

    /// The share of what should stay that one picture keeps.
    pub fn kept(&self, reading: &Reading) -> f64 {
        let shares = self.lost.iter().zip(&reading.lost).map(|(base, now)| base.map(|base| 1.0 - now / base));
        weighted(shares.zip(self.goals.keep.iter().map(|w| w.weight)), 1.0)
    }
}

impl Score {
    /// The whole LoRA's.
    pub const WHOLE: Score = Score { gone: 0.0, kept: 1.0, doubt: 0.0 };
    /// What a lost share of what should stay costs in shares of what should go.
    const PRICE: f64 = 0.7;

    /// What is better is greater; 0 with the whole LoRA.
    pub fn value(&self) -> f64 {
        self.gone - Self::PRICE * (1.0 - self.kept)
    }
}

fn mean(readings: &[Reading], of: impl Fn(&Reading) -> f64) -> f64 {
    readings.iter().map(of).sum::<f64>() / readings.len().max(1) as f64
}

/// The mean of the shares that there are.
fn weighted(shares: impl Iterator<Item = (Option<f64>, f64)>, otherwise: f64) -> f64 {
    let there = shares.filter_map(|(share, weight)| Some((share? * weight, weight)));
    let (sum, weight) = there.fold((0.0, 0.0), |(sum, all), (share, weight)| (sum + share, all + weight));
    if weight > 0.0 { sum / weight } else { otherwise }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    fn goals() -> Goals {
        Goals::parse(&[], &["base-colors=3,base-lines".to_owned()], &["ugly.png".to_owned()]).unwrap()
    }

    fn reading(colors: f64, lines: f64, ugly: f64, motif: f64) -> Reading {
        Reading { errors: vec![colors, lines, ugly], lost: vec![motif] }
    }

    #[test]
    fn shares_are_of_what_the_whole_lora_does() {
        let (base, full) = (reading(0.0, 0.0, 0.4, 8.0), reading(20.0, 1.0, 0.2, 0.0));
        let scale = Scale::new(&goals(), from_ref(&base), from_ref(&full));
        assert_eq!(scale.score(&[full]), Score::WHOLE);
        let all = scale.score(&[base]);
        assert_eq!((all.gone, all.kept), (1.0, 0.0));
        // Three fifths of the weight is on colours; the ugly picture is half as far again.
        let some = scale.score(&[reading(5.0, 1.0, 0.3, 2.0)]);
        assert!((some.gone - (3.0 * 0.75 + 0.0 + 0.5) / 5.0).abs() < 1e-9 && some.kept == 0.75, "{some:?}");
        assert!(some.value() > 0.0 && all.value() > some.value() - 0.5);
        let two = scale.score(&[reading(0.0, 1.0, 0.2, 0.0), reading(20.0, 1.0, 0.2, 0.0)]);
        assert!((two.gone - 0.3).abs() < 1e-9 && (two.doubt - 0.3).abs() < 1e-9, "{two:?}");
    }

    #[test]
    fn what_hardly_differs_is_no_goal() {
        let (base, full) = (reading(0.0, 0.0, 0.0, 0.1), reading(0.5, 0.05, 0.0, 0.0));
        let scale = Scale::new(&goals(), from_ref(&base), &[full]);
        assert!(scale.is_idle() && scale.keeps_nothing());
        assert_eq!(scale.score(&[base]), Score::WHOLE);
    }
}
