//! A picture as the goals see it.

use super::goal::{Attribute, Goals, Target};
use super::score::Reading;
use crate::study::metrics::Measured;

/// What the checkpoint itself sees in a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// A vector of length 1 for each place of a coarse grid, row by row.
    pub content: Vec<f32>,
    /// Numbers in each of these vectors.
    pub channels: usize,
    /// Statistics of the channels of some levels, one list for each.
    pub style: Vec<Vec<f32>>,
}

impl Seen {
    /// How far what is where differs, from 0 to 4: the mean squared distance of the vectors.
    pub fn content_distance(&self, other: &Seen) -> f64 {
        let places = (self.content.len() / self.channels.max(1)).max(1) as f64;
        squared_distance(&self.content, &other.content) / places
    }

    /// How far the looks differ, wherever things are, from 0 on: per level the squared distance against the squared lengths.
    pub fn style_distance(&self, other: &Seen) -> f64 {
        let length = |values: &[f32]| values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
        let levels = self.style.iter().zip(&other.style);
        let distances = levels.map(|(p, q)| squared_distance(p, q) / (length(p) + length(q)).max(f64::MIN_POSITIVE));
        distances.sum::<f64>() / self.style.len().max(1) as f64
    }
}

fn squared_distance(p: &[f32], q: &[f32]) -> f64 {
    p.iter().zip(q).map(|(p, q)| f64::from(p - q).powi(2)).sum()
}

/// A picture, measured.
pub struct Look {
    /// Its colours, lines and coarse cells.
    pub measured: Measured,
    /// What the checkpoint sees, where a goal needs it.
    pub seen: Option<Seen>,
}

impl Goals {
    /// Whether the checkpoint has to look at the pictures.
    pub fn need_seeing(&self) -> bool {
        let is_seen = |attribute: &Attribute| matches!(attribute, Attribute::Style | Attribute::Composition);
        self.pictures().next().is_some()
            || self.keep.iter().any(|wanted| is_seen(&wanted.what))
            || self.toward.iter().any(|wanted| matches!(&wanted.what, Target::Base(what) if is_seen(what)))
    }

    /// What one picture says. `base` and `full` are the base model's and the whole LoRA's of the same prompt and seed, `targets`
    /// the pictures that the goals name, in their order.
    pub fn read(&self, picture: &Look, base: &Look, full: &Look, targets: &[Look]) -> Reading {
        let mut targets = targets.iter();
        let mut of_target = || targets.next().map_or(0.0, |target| distance(Attribute::Style, target, picture));
        let mut errors = Vec::new();
        for wanted in &self.toward {
            errors.push(match wanted.what {
                Target::Base(attribute) => distance(attribute, base, picture),
                Target::Picture(_) => of_target(),
            });
        }
        errors.extend(self.away.iter().map(|_| of_target()));
        let lost = self.keep.iter().map(|wanted| self.lost(wanted.what, base, picture, full)).collect();
        Reading { errors, lost }
    }

    fn wants(&self, what: Attribute) -> bool {
        self.toward.iter().any(|wanted| wanted.what == Target::Base(what))
    }

    /// What is measured where this is to be kept: a motif that may move is told by its looks.
    pub fn told_by(&self, kept: Attribute) -> Attribute {
        match kept {
            Attribute::Motif if self.wants(Attribute::Composition) => Attribute::Style,
            kept => kept,
        }
    }

    /// How far a picture is from the whole LoRA's in what is kept.
    fn lost(&self, attribute: Attribute, base: &Look, picture: &Look, full: &Look) -> f64 {
        match self.told_by(attribute) {
            // What the goals ask to be undone is no loss: neither the tone nor, where the base model has its lines, those.
            Attribute::Motif => {
                let lines = self.wants(Attribute::Lines).then_some(&base.measured);
                picture.measured.unexplained(&full.measured, lines)
            }
            told_by => distance(told_by, full, picture),
        }
    }
}

/// How far two pictures are from each other in one thing; 0 where they are equal.
fn distance(attribute: Attribute, from: &Look, to: &Look) -> f64 {
    let seen = |of: fn(&Seen, &Seen) -> f64| match (&from.seen, &to.seen) {
        (Some(from), Some(to)) => of(from, to),
        _ => 0.0,
    };
    match attribute {
        Attribute::Colors => from.measured.tone_shift(&to.measured),
        Attribute::Lines => from.measured.edge_shift(&to.measured),
        Attribute::Style => seen(Seen::style_distance),
        Attribute::Composition => seen(Seen::content_distance),
        Attribute::Motif => to.measured.unexplained(&from.measured, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_of_directions_and_of_statistics() {
        let seen = |content: &[f32], style: &[f32]| Seen {
            content: content.to_vec(),
            channels: 2,
            style: vec![style.to_vec(), vec![1.0]],
        };
        let a = seen(&[1.0, 0.0, 0.0, 1.0], &[3.0, 4.0]);
        let b = seen(&[0.0, 1.0, 0.0, 1.0], &[3.0, 0.0]);
        assert_eq!((a.content_distance(&a), a.style_distance(&a)), (0.0, 0.0));
        assert_eq!(a.content_distance(&b), 1.0);
        assert!((a.style_distance(&b) - 16.0 / 34.0 / 2.0).abs() < 1e-9);
    }
}
