//! How near pictures come to the goals, as shares: how much of what should go is gone, and how much of what should stay is kept.

use serde::Serialize;

use super::goal::{Attribute, Goals, Target};
use super::search::{Alone, Room};

/// What one picture says, next to the base model's and the whole LoRA's of the same prompt and seed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading {
    /// The distance from each thing to come nearer to, then from each to get away from.
    pub errors: Vec<f64>,
    /// How much less of each thing that is kept there is than with the whole LoRA, or how far it is from that.
    pub lost: Vec<f64>,
}

/// What the whole LoRA does, by which shares are measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    goals: Goals,
    /// What the base model's and the whole LoRA's pictures say, scene by scene.
    base: Vec<Reading>,
    full: Vec<Reading>,
    /// From where on each error is worth a change; nothing where the whole LoRA's is not.
    counts: Vec<Option<f64>>,
    /// Whether the base model lacks what should stay, thing by thing.
    keeps: Vec<bool>,
}

/// Shares over some pictures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// How much of what should go is gone: 0 with the whole LoRA, 1 where nothing is left, negative where it has grown.
    pub gone: f64,
    /// How much of what should stay is kept: 1 with the whole LoRA and where there is more of it, 0 where it is as without.
    pub kept: f64,
    /// The standard error of what [`Score::value`] gains over the pictures.
    pub doubt: f64,
}

/// A block's share of how far the whole LoRA changes a style that is worth a change.
const SHARE: f64 = 0.25;

/// Less than this, in ΔE over coarse cells, is nothing that was drawn.
pub const HARDLY_DRAWN: f64 = 0.5;

/// Distances below these are not worth a change. What is drawn moves colours, lines and places a little, too: alone on the embedded model,
/// blocks that draw a sun or the ground do so by at most 5.0, 0.12 and 0.13 (5 steps), and blocks with planted damage by more than these.
pub fn least(attribute: Attribute) -> f64 {
    match attribute {
        Attribute::Colors => 6.0,
        Attribute::Lines => 0.15,
        Attribute::Style => 0.002,
        Attribute::Composition => 0.27,
        Attribute::Motif => HARDLY_DRAWN,
    }
}

/// The same of what is kept, where that is told otherwise: compositions by what the checkpoint sees.
fn hardly_kept(attribute: Attribute) -> f64 {
    match attribute {
        Attribute::Composition => 0.02,
        other => least(other),
    }
}

impl Scale {
    /// From what the whole LoRA's pictures (`full`) and the base model's say.
    pub fn new(goals: &Goals, base: &[Reading], full: &[Reading]) -> Self {
        let toward = goals.toward.iter().map(|wanted| match wanted.what {
            Target::Base(attribute) => attribute,
            Target::Picture(_) => Attribute::Style,
        });
        let counts = toward.chain(goals.away.iter().map(|_| Attribute::Style)).enumerate();
        let counts = counts.map(|(at, attribute)| {
            let (base, full) = (mean(base, |r| r.errors[at]), mean(full, |r| r.errors[at]));
            // Any other picture has another style, so a part of the way has to be gone.
            let share = if attribute == Attribute::Style { SHARE * (full - base).abs() } else { 0.0 };
            (full >= least(attribute)).then_some(least(attribute).max(share))
        });
        let counts = counts.collect();
        let keep = goals.keep.iter().map(|wanted| hardly_kept(wanted.what));
        let keeps = keep.enumerate().map(|(at, least)| mean(base, |r| r.lost[at]) >= least).collect();
        Scale { goals: goals.clone(), base: base.to_vec(), full: full.to_vec(), counts, keeps }
    }

    /// Whether there is anything that could go.
    pub fn is_idle(&self) -> bool {
        self.counts.iter().all(Option::is_none)
    }

    /// Whether the whole LoRA hardly does what should stay.
    pub fn keeps_nothing(&self) -> bool {
        !self.keeps.contains(&true)
    }

    /// What a block does alone, from pictures with it and without the others.
    pub fn alone(&self, room: Room, readings: &[Reading]) -> Alone {
        let nearer = self.goals.toward.len();
        // What the pictures went away from the base model's, in the direction that is not wanted.
        let went = |of: &[Reading], at: usize| {
            let way = mean(of, |r| r.errors[at]) - mean(&self.base, |r| r.errors[at]);
            if at < nearer { way } else { -way }
        };
        let counts = || self.counts.iter().enumerate().filter_map(|(at, least)| Some((at, (*least)?)));
        let shares: Vec<f64> = counts()
            .map(|(at, least)| (at, went(&self.full, at), least))
            .filter(|(_, whole, least)| whole >= least)
            .map(|(at, whole, _)| went(readings, at) / whole)
            .collect();
        Alone {
            room,
            does: shares.iter().sum::<f64>() / shares.len().max(1) as f64,
            keeps: self.score(readings).kept,
            guilt: counts().map(|(at, least)| went(readings, at) / least).fold(0.0, f64::max),
        }
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
            counts.map(|_| if at < nearer { 1.0 - left } else { (left - 1.0).min(1.0) })
        });
        let weights = self.goals.toward.iter().map(|w| w.weight).chain(self.goals.away.iter().map(|w| w.weight));
        let kept = self.keeps.iter().enumerate();
        let kept = kept.map(|(at, keeps)| keeps.then(|| 1.0 - share(&|r| r.lost[at], &self.base).max(0.0)));
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
    fn a_block_is_guilty_where_it_alone_does_what_should_go() {
        let (base, full) = (reading(0.0, 0.0, 0.4, 8.0), reading(20.0, 1.0, 0.2, 0.0));
        let scale = Scale::new(&goals(), from_ref(&base), from_ref(&full));
        let room = Room { block: 7, whole: 1.0, least: 0.0, most: 1.0, in_steps: true };
        let alone = |reading: Reading| scale.alone(room, &[reading]);
        let all = alone(full);
        assert!((all.does - 1.0).abs() < 1e-9 && all.keeps == 1.0 && all.guilt >= 20.0 / 6.0, "{all:?}");
        let none = alone(base);
        assert_eq!((none.does, none.keeps, none.guilt), (0.0, 0.0, 0.0));
        // A little of the colours, and it draws half of what should stay.
        let some = alone(reading(3.0, 0.0, 0.4, 4.0));
        assert!(some.guilt == 0.5 && some.keeps == 0.5 && (some.does - 0.05).abs() < 1e-9, "{some:?}");
        // The ugly picture comes nearer.
        assert!(alone(reading(0.0, 0.0, 0.3, 8.0)).guilt > 1.0);
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
