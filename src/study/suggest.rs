//! Looking for a vector that takes back what a LoRA does to colours or lines and keeps the rest.
//!
//! The blocks that take back most for the composition they cost are lowered together, first one, then two, three and four of
//! them, step by step down to 0. What a candidate does is measured on its pictures, by whoever calls.

use serde::Serialize;

use crate::diagnostic::Text;
use crate::say;

/// What is to come back from the plain base model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Goal {
    /// The colours.
    pub colors: bool,
    /// The lines.
    pub lines: bool,
}

impl std::str::FromStr for Goal {
    type Err = Text;

    fn from_str(text: &str) -> Result<Self, Text> {
        let mut goal = Goal { colors: false, lines: false };
        for word in text.split(',').map(str::trim) {
            match word {
                "base-colors" => goal.colors = true,
                "base-lines" => goal.lines = true,
                _ => {
                    return Err(say!(
                        "`{word}` is no goal; there are base-colors and base-lines",
                        "`{word}` は目標になりません。あるのは base-colors と base-lines です"
                    ));
                }
            }
        }
        Ok(goal)
    }
}

/// How far pictures are from the base model's, and from the full LoRA's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Errors {
    /// Mean shift of the colour balance from the plain base, [`Change::balance`](super::metrics::Change::balance).
    pub colors: f64,
    /// Mean |ln| of what became of the plain base's lines, [`Change::lines`](super::metrics::Change::lines).
    pub lines: f64,
    /// Mean coarse SSIM to the full LoRA.
    pub kept: f64,
}

/// The least coarse SSIM to the full LoRA that keeps its motif.
pub const KEPT: f64 = 0.9;
/// The least while searching: other pictures, on which the suggestion is verified, may keep a little less.
const KEPT_HERE: f64 = 0.92;
/// The least share of each error that has to go.
pub const GAIN: f64 = 0.3;
/// Errors below these are not worth a change: a just noticeable difference of colour, and a twentieth more gradient energy.
pub const LEAST_COLORS: f64 = 1.0;
/// See [`LEAST_COLORS`].
pub const LEAST_LINES: f64 = 0.05;

impl Errors {
    /// The share of what the whole LoRA does to colours and lines that is gone, on average; negative where it has grown.
    pub fn recovered(&self, full: &Errors) -> f64 {
        let (colors, lines) = self.gains(full);
        (colors + lines) / 2.0
    }

    /// The shares of the errors of `full` that are gone: colours, lines.
    pub fn gains(&self, full: &Errors) -> (f64, f64) {
        let gain = |now: f64, was: f64, least: f64| if was < least { 0.0 } else { 1.0 - now / was };
        (gain(self.colors, full.colors, LEAST_COLORS), gain(self.lines, full.lines, LEAST_LINES))
    }

    /// The smaller gain of those that the goal asks for.
    pub fn gain(&self, full: &Errors, goal: Goal) -> f64 {
        let (colors, lines) = self.gains(full);
        match goal {
            Goal { colors: true, lines: false } => colors,
            Goal { colors: false, lines: true } => lines,
            _ => colors.min(lines),
        }
    }

    /// Whether the goal is reached and the rest kept.
    pub fn reaches(&self, full: &Errors, goal: Goal) -> bool {
        self.kept >= KEPT && self.gain(full, goal) >= GAIN
    }
}

/// The weights of some blocks (by their number), all others as they were.
pub type Weights = Vec<(usize, f64)>;

/// A vector that was tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// What it changes.
    pub weights: Weights,
    /// Its distance from the plain base.
    pub errors: Errors,
}

/// Blocks lowered together at most.
const TOGETHER: usize = 4;
/// Weights tried, as shares of the full one.
const SHARES: [f64; 5] = [0.8, 0.6, 0.4, 0.2, 0.0];

/// The candidate that gains most among those that keep the composition; nothing where none gains. `blocks` holds what each
/// block does when it alone is off, `weight` is the full weight.
pub fn search<E>(
    blocks: &[(usize, Errors)],
    full: &Errors,
    goal: Goal,
    weight: f64,
    mut measure: impl FnMut(&Weights) -> Result<Errors, E>,
) -> Result<Option<Candidate>, E> {
    let mut best: Option<Candidate> = None;
    let levers = levers(blocks, full, goal);
    for count in 1..=levers.len() {
        for share in SHARES {
            let weights: Weights = levers[..count].iter().map(|block| (*block, share * weight)).collect();
            let errors = measure(&weights)?;
            if errors.kept < KEPT_HERE {
                break;
            }
            let gain = errors.gain(full, goal);
            if gain > best.as_ref().map_or(0.0, |b| b.errors.gain(full, goal)) {
                best = Some(Candidate { weights, errors });
            }
        }
    }
    Ok(best)
}

/// The blocks worth lowering, the one with most gain for its cost first.
fn levers(blocks: &[(usize, Errors)], full: &Errors, goal: Goal) -> Vec<usize> {
    const LEAST_GAIN: f64 = 0.02;
    let sum = |errors: &Errors| {
        let (colors, lines) = errors.gains(full);
        f64::from(u8::from(goal.colors)) * colors + f64::from(u8::from(goal.lines)) * lines
    };
    let worth = |(block, errors): &(usize, Errors)| (*block, sum(errors), sum(errors) / (1.0 - errors.kept + 0.05));
    let mut levers: Vec<_> = blocks.iter().map(worth).filter(|(_, gain, _)| *gain > LEAST_GAIN).collect();
    levers.sort_by(|p, q| q.2.total_cmp(&p.2));
    levers.into_iter().take(TOGETHER).map(|(block, ..)| block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: Errors = Errors { colors: 10.0, lines: 1.0, kept: 1.0 };
    const GOAL: Goal = Goal { colors: true, lines: true };

    /// Block 3 makes most of the damage, block 1 some; block 2 holds the motif.
    fn measure(weights: &Weights) -> Errors {
        let off = |block: usize| weights.iter().find(|(b, _)| *b == block).map_or(0.0, |(_, w)| 1.0 - w);
        let gone = 0.6 * off(3) + 0.2 * off(1) + 0.7 * off(2);
        Errors {
            colors: 10.0 * (1.0 - gone),
            lines: 1.0 - gone,
            kept: 1.0 - 0.02 * off(3) - 0.05 * off(1) - 0.8 * off(2),
        }
    }

    #[test]
    fn the_guilty_blocks_are_lowered_and_the_motif_stays() {
        let blocks: Vec<_> = (0..4).map(|b| (b, measure(&vec![(b, 0.0)]))).collect();
        let best = search(&blocks, &FULL, GOAL, 1.0, |w| Ok::<_, ()>(measure(w))).unwrap().unwrap();
        assert_eq!(best.weights, [(3, 0.0), (1, 0.0)]);
        assert!(best.errors.reaches(&FULL, GOAL));
    }

    #[test]
    fn nothing_is_suggested_where_nothing_helps() {
        let same = |_: &Weights| Ok::<_, ()>(FULL);
        assert_eq!(search(&[(0, FULL)], &FULL, GOAL, 1.0, same), Ok(None));
        let breaks = |_: &Weights| Ok::<_, ()>(Errors { colors: 1.0, lines: 0.1, kept: 0.5 });
        assert_eq!(search(&[(0, measure(&vec![(2, 0.0)]))], &FULL, GOAL, 1.0, breaks), Ok(None));
    }

    #[test]
    fn goals_are_words() {
        assert_eq!("base-colors, base-lines".parse(), Ok(GOAL));
        assert!("base-colours".parse::<Goal>().unwrap_err().contains("base-colors"));
    }
}
