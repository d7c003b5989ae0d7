//! Claim: the kernels run near the processor's arithmetic limit at SDXL's shapes, and well ahead of candle's operators.
//!
//! Limit, kernel and candle take turns, and of each the best of many short runs is shown: what the machine does when its
//! neighbours leave it alone.
//! Convolutions and linear layers count the operations of the direct form.
//!
//! Run with `cargo bench --bench operators`; `-- --path=portable` measures another path, `-- attention` one operator.

use std::time::Instant;

use candle_core::{Device, Result, Tensor};
use lbw::model::ops::cpu::arithmetic_limit;
use lbw::model::ops::{
    Activation, Candle, Conv3x3, Cpu, Fused, Held, Isa, LowRank, NumberType, Operators, Order, Shape, Stored, Weight,
};

/// That of the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 15;

struct Case {
    name: String,
    /// Operations, or for norms the bytes that must be read and written.
    work: f64,
    unit: &'static str,
    kernel: Box<dyn Fn() -> Result<Tensor>>,
    candle: Option<Box<dyn Fn() -> Result<Tensor>>>,
}

fn main() -> Result<()> {
    let path = std::env::args().find_map(|a| a.strip_prefix("--path=").map(str::to_owned));
    let cpu = match &path {
        None => Cpu::best(),
        Some(name) => {
            let isa = Isa::ALL.iter().find(|isa| isa.name() == name).and_then(|isa| Cpu::new(*isa));
            isa.unwrap_or_else(|| panic!("this processor cannot run the path {name}"))
        }
    };
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    println!("path {}, {} threads, best of {ROUNDS}", cpu.isa().name(), rayon::current_num_threads());
    println!("{:<46} {:>12} {:>9} {:>14} {:>9}", "operator", "kernel", "of limit", "candle", "faster");
    for case in cases(cpu)? {
        if wanted.is_empty() || wanted.iter().any(|w| case.name.contains(w.as_str())) {
            measure(cpu.isa(), &case)?;
        }
    }
    Ok(())
}

fn measure(isa: Isa, case: &Case) -> Result<()> {
    let (mut limits, mut kernel, mut candle) = (Vec::new(), Vec::new(), Vec::new());
    (case.kernel)()?;
    for _ in 0..ROUNDS {
        limits.push(arithmetic_limit(isa));
        kernel.push(case.work / seconds(&case.kernel)?);
        // candle's convolutions take long, and a few runs tell enough.
        if let Some(run) = case.candle.as_ref().filter(|_| candle.len() < 3) {
            candle.push(case.work / seconds(run)?);
        }
    }
    let (limit, kernel) = (best(limits), best(kernel));
    let share = if case.unit == "GFLOP/s" { format!("{:.0} %", 100.0 * kernel / limit) } else { String::new() };
    let (rate, faster) = match candle.is_empty() {
        true => (String::new(), String::new()),
        false => {
            let candle = best(candle);
            (format!("{:.1} {}", candle / 1e9, case.unit), format!("{:.1}×", kernel / candle))
        }
    };
    println!("{:<46} {:>4.0} {:<7} {share:>9} {rate:>14} {faster:>9}", case.name, kernel / 1e9, case.unit);
    Ok(())
}

fn seconds(run: &dyn Fn() -> Result<Tensor>) -> Result<f64> {
    let began = Instant::now();
    std::hint::black_box(run()?);
    Ok(began.elapsed().as_secs_f64())
}

fn best(rates: Vec<f64>) -> f64 {
    rates.into_iter().fold(0.0, f64::max)
}

fn cases(cpu: Cpu) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    // Rows of batch 2 at 512×512, inputs and outputs of the two levels with transformers.
    for (rows, inputs, outputs) in
        [(2048, 640, 640), (512, 1280, 1280), (2048, 2560, 640), (512, 5120, 1280), (154, 2048, 1280)]
    {
        cases.push(linear_case(cpu, rows, inputs, outputs, Order::Plain)?);
    }
    for (rows, inputs, outputs) in [(2048, 640, 5120), (512, 1280, 10240)] {
        cases.push(linear_case(cpu, rows, inputs, outputs, Order::Paired)?);
    }
    for (side, channels) in [(64, 320), (32, 640), (16, 1280), (128, 320), (128, 512), (512, 128)] {
        cases.push(conv_case(cpu, side, channels)?);
    }
    for (queries, keys, heads) in [(4096, 4096, 10), (1024, 1024, 10), (1024, 1024, 20), (4096, 77, 10), (256, 77, 20)]
    {
        cases.push(attention_case(cpu, queries, keys, heads)?);
    }
    cases.extend(norm_cases(cpu)?);
    cases.push(merge_case(cpu)?);
    Ok(cases)
}

fn linear_case(cpu: Cpu, rows: usize, inputs: usize, outputs: usize, order: Order) -> Result<Case> {
    let (panels, plain) = weights(cpu, Shape { outputs, inputs, taps: 1, order })?;
    // Two images.
    let x = random(&[2, rows / 2, inputs])?;
    let fused = match order {
        Order::Plain => Fused::NOTHING,
        Order::Paired => Fused { activation: Activation::Geglu, ..Fused::NOTHING },
    };
    let y = x.clone();
    let what = if order == Order::Paired { " with GEGLU" } else { "" };
    Ok(Case {
        name: format!("linear {rows}×{inputs} → {outputs}{what}"),
        work: 2.0 * (rows * inputs * outputs) as f64,
        unit: "GFLOP/s",
        kernel: Box::new(move || cpu.linear(&x, &panels, fused)),
        candle: Some(Box::new(move || candle().linear(&y, &plain, fused))),
    })
}

fn conv_case(cpu: Cpu, side: usize, channels: usize) -> Result<Case> {
    let shape = Shape { outputs: channels, inputs: channels, taps: 9, order: Order::Plain };
    let (panels, plain) = weights(cpu, shape)?;
    let x = random(&[1, side, side, channels])?;
    let y = x.clone();
    Ok(Case {
        name: format!("conv 3×3 {channels} channels, {side}×{side}"),
        work: 2.0 * 9.0 * (side * side * channels * channels) as f64,
        unit: "GFLOP/s",
        kernel: Box::new(move || cpu.conv3x3(&x, &panels, Conv3x3::Same, Fused::NOTHING)),
        candle: Some(Box::new(move || candle().conv3x3(&y, &plain, Conv3x3::Same, Fused::NOTHING))),
    })
}

fn attention_case(cpu: Cpu, queries: usize, keys: usize, heads: usize) -> Result<Case> {
    let width = 64 * heads;
    let (q, k, v) = (random(&[1, queries, width])?, random(&[1, keys, width])?, random(&[1, keys, width])?);
    let by_heads = |t: &Tensor| t.reshape(((), heads, 64))?.transpose(0, 1)?.contiguous();
    let (q2, k2, v2) = (by_heads(&q)?, by_heads(&k)?.transpose(1, 2)?.contiguous()?, by_heads(&v)?);
    let plain = move || {
        let weights = candle_nn::ops::softmax_last_dim(&(q2.matmul(&k2)? / 8.0)?)?;
        weights.matmul(&v2)?.transpose(0, 1)?.contiguous()
    };
    Ok(Case {
        name: format!("attention {queries} queries, {keys} keys, {heads}×64"),
        work: 4.0 * (queries * keys * width) as f64,
        unit: "GFLOP/s",
        kernel: Box::new(move || cpu.attention(&q, &k, &v, heads, false)),
        candle: Some(Box::new(plain)),
    })
}

fn norm_cases(cpu: Cpu) -> Result<Vec<Case>> {
    let (x, weight, bias) = (random(&[2, 64, 64, 320])?, random(&[320])?, random(&[320])?);
    let bytes = 2.0 * 4.0 * x.elem_count() as f64;
    let (x2, weight2, bias2) = (x.reshape((2, 4096, 320))?, weight.clone(), bias.clone());
    let case = |name: &str, kernel: Box<dyn Fn() -> Result<Tensor>>| Case {
        name: name.to_owned(),
        work: bytes,
        unit: "GB/s",
        kernel,
        candle: None,
    };
    Ok(vec![
        case("GroupNorm + SiLU 2×64×64×320", Box::new(move || cpu.group_norm(&x, &weight, &bias, 32, 1e-5, true))),
        case("LayerNorm 2×4096×320", Box::new(move || cpu.layer_norm(&x2, &weight2, &bias2, 1e-5))),
    ])
}

/// Re-weighting one module: the stored f16 weight and a product of rank 32, packed. Counts the product's operations.
fn merge_case(cpu: Cpu) -> Result<Case> {
    let (outputs, inputs, rank) = (1280, 1280, 32);
    let bytes: Vec<u8> = floats(outputs * inputs).iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect();
    let change = LowRank { rows: 0..outputs, rank, up: floats(outputs * rank), down: floats(rank * inputs) };
    let shape = Shape { outputs, inputs, taps: 1, order: Order::Plain };
    let done = Tensor::zeros(1, candle_core::DType::F32, &Device::Cpu)?;
    Ok(Case {
        name: format!("merge rank {rank} into {inputs} → {outputs}"),
        work: 2.0 * (outputs * inputs * rank) as f64,
        unit: "GFLOP/s",
        kernel: Box::new(move || {
            let stored = Stored { bytes: &bytes, number: NumberType::F16, shape };
            std::hint::black_box(cpu.weight(stored, std::slice::from_ref(&change), Held::Exact)?);
            Ok(done.clone())
        }),
        candle: None,
    })
}

fn candle() -> Candle {
    Candle::new(&Device::Cpu, candle_core::DType::F32)
}

/// A random weight for the kernels and for candle.
fn weights(cpu: Cpu, shape: Shape) -> Result<(Weight, Weight)> {
    let values = floats(shape.outputs * shape.inputs * shape.taps);
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let stored = Stored { bytes: &bytes, number: NumberType::F32, shape };
    Ok((cpu.weight(stored, &[], Held::Exact)?, candle().weight(stored, &[], Held::Exact)?))
}

fn random(shape: &[usize]) -> Result<Tensor> {
    Tensor::from_vec(floats(shape.iter().product()), shape, &Device::Cpu)
}

/// Values between −1 and 1 that look random.
fn floats(count: usize) -> Vec<f32> {
    let next = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some((*state >> 8) as f32 / (1 << 23) as f32 - 1.0)
    };
    (0..count).scan(1, |state, _| next(state)).collect()
}
