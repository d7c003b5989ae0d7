//! A picture as the goals see it.

use std::rc::Rc;

use super::goal::{Attribute, Goals, Target, Wanted};
use super::score::{HARDLY_DRAWN, Reading};
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

/// What the pictures of one prompt and seed are compared with.
pub struct Beside {
    /// The base model's picture.
    pub base: Look,
    /// The whole LoRA's.
    pub full: Look,
    /// With the guilty blocks at their least, once it is known which they are: what the others draw is the motif.
    pub others: Option<Rc<Look>>,
}

impl Beside {
    /// How much less of the motif a picture shows than the whole LoRA's; less than nothing where it shows more, as it may where damage
    /// has hidden it.
    fn lost(&self, picture: &Look) -> f64 {
        let (base, full) = (&self.base.measured, &self.full.measured);
        // Where the others draw nothing, the guilty blocks draw all there is, and that would be lost.
        let others = self.others.as_ref().map(|others| &others.measured);
        let motif = others.filter(|others| base.cell_distance(others) >= HARDLY_DRAWN).unwrap_or(full);
        base.along(motif, full) - base.along(motif, &picture.measured)
    }
}

impl Goals {
    /// Whether the checkpoint has to look at the pictures.
    pub fn need_seeing(&self) -> bool {
        let is_seen = |wanted: &Wanted<Attribute>| matches!(wanted.what, Attribute::Style | Attribute::Composition);
        self.pictures().next().is_some()
            || self.keep.iter().any(is_seen)
            || self.toward.iter().any(|wanted| wanted.what == Target::Base(Attribute::Style))
    }

    /// What one picture says. `targets` are the pictures that the goals name, in their order.
    pub fn read(&self, picture: &Look, beside: &Beside, targets: &[Look]) -> Reading {
        let mut targets = targets.iter();
        let mut of_target = || targets.next().map_or(0.0, |target| distance(Attribute::Style, target, picture));
        let mut errors = Vec::new();
        for wanted in &self.toward {
            errors.push(match wanted.what {
                Target::Base(attribute) => distance(attribute, &beside.base, picture),
                Target::Picture(_) => of_target(),
            });
        }
        errors.extend(self.away.iter().map(|_| of_target()));
        let lost = |wanted: &Wanted<Attribute>| match wanted.what {
            Attribute::Motif => beside.lost(picture),
            // What the LoRA has drawn belongs to it, and the base model's things are not all there is.
            Attribute::Composition => seen(&beside.full, picture, Seen::content_distance),
            attribute => distance(attribute, &beside.full, picture),
        };
        Reading { errors, lost: self.keep.iter().map(lost).collect() }
    }
}

/// How far two pictures are from each other by what the checkpoint sees; 0 where it has not looked.
fn seen(from: &Look, to: &Look, distance: fn(&Seen, &Seen) -> f64) -> f64 {
    match (&from.seen, &to.seen) {
        (Some(from), Some(to)) => distance(from, to),
        _ => 0.0,
    }
}

/// How far two pictures are from each other in one thing; 0 where they are equal.
pub fn distance(attribute: Attribute, from: &Look, to: &Look) -> f64 {
    match attribute {
        Attribute::Colors => from.measured.tone_shift(&to.measured),
        Attribute::Lines => from.measured.edge_shift(&to.measured),
        Attribute::Style => seen(from, to, Seen::style_distance),
        Attribute::Composition => from.measured.displacement(&to.measured),
        Attribute::Motif => from.measured.cell_distance(&to.measured),
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
