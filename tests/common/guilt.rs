//! Planted truth: LoRAs in which some blocks are guilty of a damage that is known, while the others draw a motif that is wanted.
//!
//! `fixtures/embedded/planted.py` made the parts. Which blocks of LoRA `number` are guilty of what, how strongly, and which motif the
//! others draw, follow from the number; every eighth has no guilty block.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor, safetensors};

use crate::world::{Damage, Motif};

/// Kinds of damage, and the blocks in which `planted.safetensors` has them.
const PARTS: [(Damage, &str, &[&str]); 4] = [
    (Damage::Colour, "red", &["BASE", "IN04", "IN05", "OUT02", "OUT03", "OUT04", "OUT05"]),
    (Damage::Lines, "ink", &["BASE", "IN04", "IN05", "OUT03", "OUT04", "OUT05"]),
    (Damage::Blur, "blur", &["BASE", "IN04", "IN05", "OUT03", "OUT04", "OUT05"]),
    (Damage::Composition, "shift", &["BASE", "IN04", "OUT04", "OUT05"]),
];
const MOTIFS: [(Motif, &str); 3] = [(Motif::Frame, "frame"), (Motif::Sun, "sun"), (Motif::Ground, "ground")];

/// What is true of a planted LoRA.
#[derive(Debug, Clone)]
pub struct Planted {
    pub motif: Motif,
    /// Guilty blocks, what they do, and how strongly.
    pub guilty: Vec<(&'static str, Damage, f64)>,
}

impl Planted {
    /// The truth about LoRA `number`.
    pub fn new(number: u64) -> Self {
        let mut random = SplitMix(number);
        let motif = MOTIFS[random.below(3)].0;
        let count = match random.below(12) {
            _ if number.is_multiple_of(8) => 0,
            0..5 => 1,
            5..9 => 2,
            _ => 3,
        };
        let mut guilty: Vec<(&'static str, Damage, f64)> = Vec::new();
        while guilty.len() < count {
            let (damage, _, blocks) = PARTS[random.below(PARTS.len())];
            let block = blocks[random.below(blocks.len())];
            let strength = 0.75 + 0.35 * random.below(1000) as f64 / 1000.0;
            if guilty.iter().all(|(other, _, _)| *other != block) {
                guilty.push((block, damage, strength));
            }
        }
        Planted { motif, guilty }
    }

    /// Writes the LoRA.
    pub fn write(&self, path: &Path) {
        let parts = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/embedded/planted.safetensors");
        let parts: HashMap<String, Tensor> = safetensors::load(parts, &Device::Cpu).unwrap();
        let of = |part: &str| -> HashMap<String, Tensor> {
            let prefix = format!("{part}/");
            let own = parts.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(&prefix)?.to_owned(), tensor)));
            own.map(|(name, tensor)| (name, tensor.clone())).collect()
        };
        let motif = MOTIFS.iter().find(|(motif, _)| *motif == self.motif).unwrap().1;
        let mut tensors = of(motif);
        for (block, damage, strength) in &self.guilty {
            let kind = PARTS.iter().find(|(kind, _, _)| kind == damage).unwrap().1;
            let damage = of(&format!("{kind}-{block}"));
            assert!(!damage.is_empty(), "{kind}-{block}");
            // A guilty block does nothing else.
            tensors.extend(damage.into_iter().map(|(name, tensor)| match name.ends_with("lora_up.weight") {
                true => (name, (tensor * *strength).unwrap()),
                false => (name, tensor),
            }));
        }
        let ranks: Vec<(String, f32)> = tensors
            .iter()
            .filter_map(|(name, down)| Some((name.strip_suffix("lora_down.weight")?, down.dim(0).unwrap())))
            .map(|(module, rank)| (format!("{module}alpha"), rank as f32))
            .collect();
        tensors.extend(ranks.into_iter().map(|(name, rank)| (name, Tensor::new(rank, &Device::Cpu).unwrap())));
        safetensors::save(&tensors, path).unwrap();
    }

    /// What somebody who sees the pictures would ask for; of a LoRA without damage colours and lines, as most people do.
    pub fn goals(&self) -> String {
        let goal = |damage: &Damage| match damage {
            Damage::Colour => "base-colors",
            Damage::Lines | Damage::Blur => "base-lines",
            Damage::Composition => "base-composition",
        };
        let mut goals: Vec<&str> = self.damages().iter().map(goal).collect();
        goals.dedup();
        if goals.is_empty() { "base-colors,base-lines".to_owned() } else { goals.join(",") }
    }

    /// The kinds of damage there are.
    pub fn damages(&self) -> Vec<Damage> {
        PARTS.iter().map(|(kind, _, _)| *kind).filter(|kind| self.guilty.iter().any(|(_, d, _)| d == kind)).collect()
    }

    /// The names of the guilty blocks.
    pub fn blocks(&self) -> Vec<&'static str> {
        self.guilty.iter().map(|(block, _, _)| *block).collect()
    }
}

/// How well one set of blocks hits another: the harmonic mean of precision and recall; 1 where both are empty.
pub fn f1(found: &[&str], guilty: &[&str]) -> f64 {
    let both = found.iter().filter(|block| guilty.contains(block)).count() as f64;
    match found.len() + guilty.len() {
        0 => 1.0,
        all => 2.0 * both / all as f64,
    }
}

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % count as u64) as usize
    }
}
