//! Planted truth: LoRAs in which some blocks are guilty of a damage that is known, while the others draw a motif that is wanted.
//!
//! `fixtures/embedded/planted.py` made the parts. Which blocks of LoRA `number` are guilty of what, how strongly, and which motif the
//! others draw, follow from the number; every eighth has no guilty block.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor, safetensors};

use crate::world::{Damage, Motif};

/// Blocks, and how strong a part has to be in each.
type Blocks = &'static [(&'static str, f64)];

/// Kinds of damage, the blocks in which `planted.safetensors` has them, and how strong each has to be at least for the judge to see it.
/// `cargo bench --bench tune -- parts` shows what it sees of each alone: with two prompts of three at least, colours 18 off, a percent
/// of ink, a sharpness less by a fifth, things 10 pixels elsewhere or smaller likewise. Parts that draw something else before they do that
/// are not planted: `ink` in IN04 and IN05, `red` in IN05 and OUT02.
const PARTS: [(Damage, &str, Blocks); 4] = [
    (Damage::Colour, "red", &[("BASE", 0.75), ("IN04", 1.25), ("OUT03", 0.95), ("OUT04", 1.0), ("OUT05", 0.75)]),
    (Damage::Lines, "ink", &[("BASE", 0.75), ("OUT03", 1.35), ("OUT04", 1.05), ("OUT05", 0.75)]),
    (
        Damage::Blur,
        "blur",
        &[("BASE", 1.4), ("IN04", 1.05), ("IN05", 1.1), ("OUT03", 1.1), ("OUT04", 1.05), ("OUT05", 1.45)],
    ),
    (Damage::Composition, "shift", &[("BASE", 0.75), ("IN04", 1.1), ("OUT04", 0.8), ("OUT05", 0.9)]),
];
/// Motifs. The frame is not planted: it does damage on its own, colours 34 to 74 off with the three prompts, and then it is not true that
/// the blocks which draw it are innocent.
///
/// Each with the sets of blocks that it needs: without one of them less than nine tenths of it are drawn (`parts` shows it, too). A guilty
/// block does nothing but damage, so a LoRA in which these are guilty has no motif elsewhere, and is not planted.
const MOTIFS: [(Motif, &str, &[&[&str]]); 3] = [
    (Motif::Sun, "sun", &[&["OUT04"], &["OUT05"], &["IN05", "OUT03"]]),
    (Motif::Ground, "ground", &[&["OUT05"]]),
    (Motif::Frame, "frame", &[]),
];
/// So many of them are planted.
const PLANTED: usize = 2;

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
        let (motif, _, needed) = MOTIFS[random.below(PLANTED)];
        let count = match random.below(12) {
            _ if number.is_multiple_of(8) => 0,
            0..5 => 1,
            5..9 => 2,
            _ => 3,
        };
        let mut guilty = some_guilty(&mut random, count);
        while needed.iter().any(|set| set.iter().all(|block| guilty.iter().any(|(other, _, _)| other == block))) {
            guilty = some_guilty(&mut random, count);
        }
        Planted { motif, guilty }
    }

    /// Writes the LoRA.
    pub fn write(&self, path: &Path) {
        let parts = Parts::load();
        let (_, motif, _) = MOTIFS.iter().find(|(motif, _, _)| *motif == self.motif).unwrap();
        let mut tensors = parts.scaled(motif, 1.0);
        for (block, damage, strength) in &self.guilty {
            // A guilty block does nothing else.
            tensors.extend(parts.scaled(&part(*damage, block), *strength));
        }
        save(tensors, path);
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

/// So many different guilty blocks, each with a damage that it can do.
fn some_guilty(random: &mut SplitMix, count: usize) -> Vec<(&'static str, Damage, f64)> {
    let mut guilty: Vec<(&'static str, Damage, f64)> = Vec::new();
    while guilty.len() < count {
        let (damage, _, blocks) = PARTS[random.below(PARTS.len())];
        let (block, least) = blocks[random.below(blocks.len())];
        let strength = least * (1.0 + 0.25 * random.below(1000) as f64 / 1000.0);
        if guilty.iter().all(|(other, _, _)| *other != block) {
            guilty.push((block, damage, strength));
        }
    }
    guilty
}

/// The motifs that are planted, by their parts' names.
pub fn motifs() -> impl Iterator<Item = (Motif, &'static str)> {
    MOTIFS.iter().take(PLANTED).map(|(motif, name, _)| (*motif, *name))
}

/// All blocks that any damage is planted in.
pub fn guilty_blocks() -> Vec<&'static str> {
    let mut blocks: Vec<&str> =
        PARTS.iter().flat_map(|(_, _, blocks)| blocks.iter().map(|(block, _)| *block)).collect();
    blocks.sort_unstable();
    blocks.dedup();
    blocks
}

/// All parts by their names in `planted.safetensors`, each as weak as it is planted, with the damage that it does.
pub fn parts() -> Vec<(String, f64, Option<Damage>)> {
    let motifs = MOTIFS.iter().map(|(_, name, _)| ((*name).to_owned(), 1.0, None));
    let damages = PARTS.iter().flat_map(|(damage, _, blocks)| {
        blocks.iter().map(|(block, strength)| (part(*damage, block), *strength, Some(*damage)))
    });
    motifs.chain(damages).collect()
}

/// Writes one part as a LoRA.
pub fn write_part(name: &str, strength: f64, path: &Path) {
    save(Parts::load().scaled(name, strength), path);
}

fn part(damage: Damage, block: &str) -> String {
    let kind = PARTS.iter().find(|(kind, _, _)| *kind == damage).unwrap().1;
    format!("{kind}-{block}")
}

struct Parts(HashMap<String, Tensor>);

impl Parts {
    fn load() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/embedded/planted.safetensors");
        Parts(safetensors::load(path, &Device::Cpu).unwrap())
    }

    /// The tensors of a part at some strength.
    fn scaled(&self, part: &str, strength: f64) -> HashMap<String, Tensor> {
        let own =
            self.0.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(part)?.strip_prefix('/')?, tensor)));
        let scaled = own.map(|(name, tensor)| match name.ends_with("lora_up.weight") {
            true => (name.to_owned(), (tensor * strength).unwrap()),
            false => (name.to_owned(), tensor.clone()),
        });
        let scaled: HashMap<String, Tensor> = scaled.collect();
        assert!(!scaled.is_empty(), "{part}");
        scaled
    }
}

/// Writes tensors whose alphas are their ranks.
fn save(mut tensors: HashMap<String, Tensor>, path: &Path) {
    let ranks: Vec<(String, f32)> = tensors
        .iter()
        .filter_map(|(name, down)| Some((name.strip_suffix("lora_down.weight")?, down.dim(0).unwrap())))
        .map(|(module, rank)| (format!("{module}alpha"), rank as f32))
        .collect();
    tensors.extend(ranks.into_iter().map(|(name, rank)| (name, Tensor::new(rank, &Device::Cpu).unwrap())));
    safetensors::save(&tensors, path).unwrap();
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
