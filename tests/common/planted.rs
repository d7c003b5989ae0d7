//! LoRAs with damage planted in one group of blocks, to see whether the analyzer finds it.
//!
//! The recipe: take the clean LoRA `house`; add normal noise to every `lora_up` of the group, so much that the weights change by
//! about `STRENGTHS`, which is more than they are large. Which group, and the noise, follow from the number of the LoRA.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor, safetensors};
use lbw::block::{Block, Family};

/// The groups between which SDXL changes its resolution, as lists of blocks that `lbw analyze --blocks` takes.
pub const GROUPS: [&str; 5] = ["IN04-IN05", "IN07-IN08", "M00", "OUT00-OUT02", "OUT03-OUT05"];

/// Root mean square of what is added to the model's weights, group by group: so much that the picture shows it. The middle of the
/// built-in model has little to say (its LoRA's weights there change a thousandth of the picture), so it takes more.
const STRENGTHS: [f64; 5] = [0.3, 0.3, 3.0, 0.3, 0.3];

/// Writes the damaged LoRA `number` to `path` and gives the index of its group.
pub fn plant(number: u64, path: &Path) -> usize {
    let mut random = SplitMix(number);
    let group = (random.next() % GROUPS.len() as u64) as usize;
    let clean = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/embedded/house.safetensors");
    let mut tensors: HashMap<String, Tensor> = safetensors::load(&clean, &Device::Cpu).unwrap();
    let mut names: Vec<String> = tensors.keys().filter(|name| is_in(name, GROUPS[group])).cloned().collect();
    names.sort();
    assert!(!names.is_empty(), "the clean LoRA has no weights in {}", GROUPS[group]);
    for name in names {
        let (up, down) = (&tensors[&name], &tensors[&name.replace("lora_up", "lora_down")]);
        // The delta's root mean square is about √rank · up · down; alpha is the rank in this file.
        let rank = down.dim(0).unwrap() as f64;
        let scale = STRENGTHS[group] / (rank.sqrt() * root_mean_square(&values(down)));
        let damaged: Vec<f32> = values(up).iter().map(|v| v + (scale * random.normal()) as f32).collect();
        let damaged = Tensor::from_vec(damaged, up.shape(), &Device::Cpu).unwrap();
        tensors.insert(name, damaged);
    }
    safetensors::save(&tensors, path).unwrap();
    group
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn root_mean_square(values: &[f32]) -> f64 {
    (values.iter().map(|v| f64::from(v * v)).sum::<f64>() / values.len() as f64).sqrt()
}

/// Whether a tensor is the `lora_up` of a block of `group`.
fn is_in(name: &str, group: &str) -> bool {
    let Some(module) = name.strip_suffix(".lora_up.weight") else { return false };
    let block = Block::of_module(Family::Sdxl, &module.replace("lora_unet_", "diffusion_model_"));
    let (first, last) = group.split_once('-').unwrap_or((group, group));
    let index = |name: &str| Block::from_name(Family::Sdxl.space(), name).unwrap().index();
    block.is_some_and(|block| (index(first)..=index(last)).contains(&block.index()))
}

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to 1, without 0.
    fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 1.0) / (1u64 << 53) as f64
    }

    /// Box and Muller (1958).
    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}
