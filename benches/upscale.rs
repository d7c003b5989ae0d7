//! Claim: a 4× RRDBNet of ESRGAN's size (23 blocks, 64 features) is faster than with torch, in less than half of the memory.
//!
//! `cargo bench --bench upscale` measures a network of random numbers over 512×512 pixels without tiles; `benches/upscale_peers.py`
//! gives the same file to torch, in turn with this. Options: `--model FILE`, `--side PIXELS`, `--tile PIXELS`, `--rounds N`, `--picture
//! FILE` to write the result as raw RGB.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use candle_core::{Device, Result, Tensor};
use lbw::model::esrgan::Network;
use lbw::model::ops::{Cpu, Operators};
use lbw::picture::Rgb;
use lbw::upscale::{Tiling, Upscaler};

/// That of the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Blocks, features, and channels that a convolution of a dense unit adds.
const SIZES: (usize, usize, usize) = (23, 64, 32);

fn main() {
    let options: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let option = |name: &str| options.iter().position(|o| o == name).and_then(|at| options.get(at + 1));
    let number = |name: &str, default: usize| option(name).map_or(default, |value| value.parse().expect("a number"));
    let (side, rounds) = (number("--side", 512), number("--rounds", 1));
    let tiling = Tiling { tile: number("--tile", 0), overlap: 8 };
    let folder = tempfile::tempdir().expect("a folder for the network");
    let model = option("--model").map_or_else(|| random(folder.path()).expect("a network"), PathBuf::from);

    let operators: Arc<dyn Operators> = Arc::new(Cpu::best());
    let network = Arc::new(Network::open(&model, &operators).unwrap_or_else(|error| panic!("{error}")));
    let scale = network.scale() as f64;
    let upscaler = Upscaler::Network { network, tiling };
    let bytes = (0..3 * side * side).map(|i| ((i * 31 + i / side * 17) % 256) as u8).collect();
    let picture = Rgb { width: side, height: side, bytes };
    for _ in 0..rounds {
        let began = Instant::now();
        let large = upscaler.upscale(&picture, scale, &mut |_| ControlFlow::Continue(())).expect("a large picture");
        println!("{{\"seconds\": {:.3}, \"peak_bytes\": {}}}", began.elapsed().as_secs_f64(), peak_bytes());
        if let Some(path) = option("--picture") {
            std::fs::write(path, large.bytes).expect("the result is written");
        }
    }
}

/// The most memory that this process has had, where the system tells it.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix("kB")).and_then(|n| n.trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// A network of small random numbers, in Real-ESRGAN's names.
fn random(folder: &Path) -> Result<PathBuf> {
    let (blocks, width, growth) = SIZES;
    let mut tensors = HashMap::new();
    let mut conv = |name: String, inputs: usize, outputs: usize| -> Result<()> {
        let bound = (1.0 / (9.0 * inputs as f32)).sqrt();
        tensors.insert(format!("{name}.weight"), numbers(&[outputs, inputs, 3, 3], bound)?);
        tensors.insert(format!("{name}.bias"), numbers(&[outputs], bound)?);
        Ok(())
    };
    conv("conv_first".into(), 3, width)?;
    for block in 0..blocks {
        for unit in 1..=3 {
            for k in 0..5 {
                let outputs = if k < 4 { growth } else { width };
                conv(format!("body.{block}.rdb{unit}.conv{}", k + 1), width + k * growth, outputs)?;
            }
        }
    }
    for name in ["conv_body", "conv_up1", "conv_up2", "conv_hr"] {
        conv(name.into(), width, width)?;
    }
    conv("conv_last".into(), width, 3)?;
    let path = folder.join("random.safetensors");
    candle_core::safetensors::save(&tensors, &path)?;
    Ok(path)
}

/// Values between −bound and bound that look random.
fn numbers(shape: &[usize], bound: f32) -> Result<Tensor> {
    let next = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some(((*state >> 8) as f32 / (1 << 23) as f32 - 1.0) * bound)
    };
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count).scan(shape.len() as u32, |state, _| next(state)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu)
}
