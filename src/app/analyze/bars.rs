//! What a block does, told as soon as its picture is there.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::Wish;
use super::pictures::errors_of;
use crate::study::analyzer::Comparison;
use crate::study::metrics::{Change, Measured};
use crate::study::suggest::Errors;

/// The pictures that others are compared with, by their seeds.
#[derive(Default)]
pub struct Bars {
    base: HashMap<String, Measured>,
    full: HashMap<String, image::RgbImage>,
    threshold: String,
}

impl Bars {
    /// None is there yet.
    pub fn new(wish: &Wish) -> Self {
        Bars { threshold: wish.threshold.clone(), ..Bars::default() }
    }

    /// Takes the picture of a job of [`analyze`](super::analyze), named `SEED-base`, `SEED-full` or `SEED-BLOCK`. For a block it
    /// gives what its report will say: how much of the picture changes, and how guilty the block is.
    pub fn take(&mut self, name: &str, png: &[u8]) -> Option<Value> {
        let (seed, what) = name.split_once('-')?;
        let image = image::load_from_memory(png).ok()?.to_rgb8();
        match what {
            "base" => drop(self.base.insert(seed.to_owned(), Measured::new(&image))),
            "full" => drop(self.full.insert(seed.to_owned(), image)),
            block => {
                let (base, full) = (self.base.get(seed)?, self.full.get(seed)?);
                let (now, whole) = (Measured::new(&image), Measured::new(full));
                let of_full = errors_of(&[base.change_to(&whole)], &[]);
                let effect: Change = now.change_to(&whole);
                let errors: Errors = errors_of(&[base.change_to(&now)], &[effect]);
                let (colors, lines) = errors.gains(&of_full);
                let comparison = Comparison::new(full, &[&image], self.threshold.trim(), false).ok()?;
                return Some(json!({
                    "block": block,
                    "percent": comparison.percents.first(),
                    "colors": colors,
                    "lines": lines,
                    "guilt": errors.recovered(&of_full),
                }));
            }
        }
        None
    }
}
