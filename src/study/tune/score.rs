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
    /// What the base model's and the whole LoRA's pictures say, scene by scene.
    base: Vec<Reading>,
    full: Vec<Reading>,
    /// Whether what should go is worth a change at all, error by error.
    counts: Vec<bool>,
    /// Whether the base model lacks what should stay, thing by thing.
    keeps: Vec<bool>,
}

/// Shares over some pictures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// How much of what should go is gone: 0 with the whole LoRA, 1 where nothing is left, negative where it has grown.
    pub gone: f64,
    /// How much of what should stay is kept: 1 with the whole LoRA, 0 where it is as without.
    pub kept: f64,
    /// The standard error of what [`Score::value`] gains over the pictures.
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
        let counts = toward.chain(away).enumerate().map(|(at, least)| mean(full, |r| r.errors[at]) >= least).collect();
        let keep = goals.keep.iter().map(|wanted| least(goals.told_by(wanted.what)));
        let keeps = keep.enumerate().map(|(at, least)| mean(base, |r| r.lost[at]) >= least).collect();
        Scale { goals: goals.clone(), base: base.to_vec(), full: full.to_vec(), counts, keeps }
    }

    /// Whether there is anything that could go.
    pub fn is_idle(&self) -> bool {
        !self.counts.contains(&true)
    }

    /// Whether the whole LoRA hardly does what should stay.
    pub fn keeps_nothing(&self) -> bool {
        !self.keeps.contains(&true)
    }

    /// What pictures with one vector say together, one of each scene in their order.
    pub fn score(&self, readings: &[Reading]) -> Score {
        let count = readings.len();
        let all: Vec<usize> = (0..count).collect();
        let score = self.score_of(readings, &all);
        if count < 2 {
            return score;
        }
        // The jackknife (Tukey, 1958): how much the value depends on single scenes.
        let without = |left_out: usize| all.iter().copied().filter(|at| *at != left_out).collect::<Vec<_>>();
        let values: Vec<f64> = (0..count).map(|at| self.score_of(readings, &without(at)).value()).collect();
        let middle = values.iter().sum::<f64>() / count as f64;
        let spread = values.iter().map(|value| (value - middle).powi(2)).sum::<f64>();
        Score { doubt: (spread * (count - 1) as f64 / count as f64).sqrt(), ..score }
    }

    /// The same of some scenes, any of which may be named several times. Shares are of sums: a scene in which the whole LoRA hardly does
    /// anything says little about them.
    pub fn score_of(&self, readings: &[Reading], scenes: &[usize]) -> Score {
        let share = |now: &dyn Fn(&Reading) -> f64, of: &[Reading]| {
            let sum = |of: &[Reading]| scenes.iter().filter_map(|at| of.get(*at)).map(now).sum::<f64>();
            sum(readings) / sum(of).max(f64::MIN_POSITIVE)
        };
        let nearer = self.goals.toward.len();
        let gone = self.counts.iter().enumerate().map(|(at, counts)| {
            let left = share(&|r| r.errors[at], &self.full);
            counts.then_some(if at < nearer { 1.0 - left } else { (left - 1.0).min(1.0) })
        });
        let weights = self.goals.toward.iter().map(|w| w.weight).chain(self.goals.away.iter().map(|w| w.weight));
        let kept = self.keeps.iter().enumerate();
        let kept = kept.map(|(at, keeps)| keeps.then(|| 1.0 - share(&|r| r.lost[at], &self.base)));
        Score {
            gone: weighted(gone.zip(weights), 0.0),
            kept: weighted(kept.zip(self.goals.keep.iter().map(|w| w.weight)), 1.0),
            doubt: 0.0,
        }
    }
}

impl Score {
    /// The whole LoRA's.
    pub const WHOLE: Score = Score { gone: 0.0, kept: 1.0, doubt: 0.0 };
    /// What a lost share of what should stay costs in shares of what should go.
    const PRICE: f64 = 0.5;

    /// What is better is greater; 0 with the whole LoRA. More than all cannot be lost.
    pub fn value(&self) -> f64 {
        self.gone - Self::PRICE * (1.0 - self.kept.max(0.0))
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
    }

    #[test]
    fn doubt_is_about_what_a_vector_changes_and_not_about_how_pictures_differ() {
        let base = reading(0.0, 0.0, 0.4, 8.0);
        let full = [reading(30.0, 1.0, 0.2, 0.0), reading(10.0, 1.0, 0.2, 0.0)];
        let scale = Scale::new(&goals(), &[base.clone(), base], &full);
        assert_eq!(scale.score(&full), Score::WHOLE);
        // Half of each is gone, of the many as of the few.
        let half = scale.score(&[reading(15.0, 1.0, 0.2, 0.0), reading(5.0, 1.0, 0.2, 0.0)]);
        assert!((half.gone - 0.3).abs() < 1e-9 && half.doubt < 1e-9, "{half:?}");
        let one = scale.score(&[reading(30.0, 1.0, 0.2, 0.0), reading(0.0, 1.0, 0.2, 0.0)]);
        assert!((one.gone - 0.15).abs() < 1e-9 && one.doubt > 0.2, "{one:?}");
        let lost = Score { gone: 0.9, kept: -3.0, doubt: 0.0 };
        assert_eq!(lost.value(), Score { kept: 0.0, ..lost }.value());
    }

    #[test]
    fn what_hardly_differs_is_no_goal() {
        let (base, full) = (reading(0.0, 0.0, 0.0, 0.1), reading(0.5, 0.05, 0.0, 0.0));
        let scale = Scale::new(&goals(), from_ref(&base), &[full]);
        assert!(scale.is_idle() && scale.keeps_nothing());
        assert_eq!(scale.score(&[base]), Score::WHOLE);
    }
}
