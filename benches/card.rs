//! Claim: on an NVIDIA card the operators are well ahead of candle's, and near the card's limit where they are products.
//!
//! At the shapes of SDXL's UNet at 1024×1024 and batch 2, and of attention in SD1's. `benches/gpu/build.sh card` builds it, `run.sh` runs
//! it.

use std::time::Instant;

use candle_core::{DType, Result, Tensor};
use lbw::model::ops::{
    Activation, Candle, Conv3x3, Cuda, Fused, Held, NumberType, Operators, Order, Shape, Stored, Weight, card,
};

/// Repetitions of which the mean is told.
const ROUNDS: u32 = 10;

struct Bench<'a> {
    name: &'a str,
    set: &'a dyn Operators,
}

impl Bench<'_> {
    fn values(&self, shape: &[usize]) -> Tensor {
        Tensor::rand(-1f32, 1f32, shape, self.set.device()).unwrap().to_dtype(self.set.dtype()).unwrap()
    }

    fn parameter(&self, len: usize) -> Tensor {
        Tensor::rand(-1f32, 1f32, len, self.set.device()).unwrap()
    }

    fn weight(&self, outputs: usize, inputs: usize, taps: usize) -> Weight {
        let bytes = vec![0x11u8; 2 * outputs * inputs * taps];
        let shape = Shape { outputs, inputs, taps, order: Order::Plain };
        self.set.weight(Stored { bytes: &bytes, number: NumberType::F16, shape }, &[], Held::Exact).unwrap()
    }

    /// Milliseconds, and how many 10¹² operations a second that is.
    fn time(&self, what: &str, operations: f64, work: impl Fn() -> Result<Tensor>) {
        let done = || self.set.device().synchronize().unwrap();
        work().unwrap();
        done();
        let started = Instant::now();
        for _ in 0..ROUNDS {
            work().unwrap();
        }
        done();
        let seconds = started.elapsed().as_secs_f64() / f64::from(ROUNDS);
        let (ms, rate) = (1e3 * seconds, 1e-12 * operations / seconds);
        println!("{:<16} {what:<44} {ms:8.3} ms {rate:8.1} T/s", self.name);
    }

    fn all(&self) {
        let set = self.set;
        for (rows, inputs, outputs) in
            [(8192, 640, 640), (8192, 640, 5120), (2048, 1280, 1280), (2048, 1280, 10240), (2048, 5120, 1280)]
        {
            let (x, w, bias) =
                (self.values(&[2, rows / 2, inputs]), self.weight(outputs, inputs, 1), self.parameter(outputs));
            let operations = 2.0 * rows as f64 * inputs as f64 * outputs as f64;
            let residual = self.values(&[2, rows / 2, outputs]);
            let what = format!("linear {rows}×{inputs}→{outputs}");
            self.time(&what, operations, || set.linear(&x, &w, Fused::NOTHING));
            let fused = Fused { bias: Some(&bias), residual: Some(&residual), ..Fused::NOTHING };
            self.time(&format!("{what}, bias, residual"), operations, || set.linear(&x, &w, fused));
            if outputs > 4000 {
                let fused = Fused { bias: Some(&bias), activation: Activation::Geglu, ..Fused::NOTHING };
                self.time(&format!("{what}, GEGLU"), operations, || set.linear(&x, &w, fused));
            }
        }
        for (side, inputs, outputs) in
            [(128, 320, 320), (128, 960, 320), (64, 640, 640), (32, 1280, 1280), (32, 2560, 1280)]
        {
            let x = self.values(&[2, side, side, inputs]);
            let (w, bias) = (self.weight(outputs, inputs, 9), self.parameter(outputs));
            let operations = 2.0 * 9.0 * (2 * side * side) as f64 * inputs as f64 * outputs as f64;
            let fused = Fused { bias: Some(&bias), ..Fused::NOTHING };
            let what = format!("conv 3×3 {side}² {inputs}→{outputs}");
            self.time(&what, operations, || set.conv3x3(&x, &w, Conv3x3::Same, fused));
        }
        for (tokens, keys, heads, width) in [
            (4096, 4096, 10, 64),
            (1024, 1024, 20, 64),
            (4096, 77, 10, 64),
            (1024, 77, 20, 64),
            (4096, 4096, 8, 40),
            (1024, 1024, 8, 80),
            (256, 256, 8, 160),
        ] {
            let q = self.values(&[2, tokens, width * heads]);
            let (k, v) = (self.values(&[2, keys, width * heads]), self.values(&[2, keys, width * heads]));
            let operations = 4.0 * (2 * tokens * keys * width * heads) as f64;
            let what = format!("attention {tokens}×{keys}, {heads} heads of {width}");
            self.time(&what, operations, || set.attention(&q, &k, &v, heads, false));
        }
        for (side, channels) in [(128, 320), (128, 960), (64, 640), (32, 1280)] {
            let x = self.values(&[2, side, side, channels]);
            let (w, b) = (self.parameter(channels), self.parameter(channels));
            self.time(&format!("group norm {side}² {channels}"), 0.0, || set.group_norm(&x, &w, &b, 32, 1e-5, true));
        }
        for (rows, width) in [(8192, 640), (2048, 1280)] {
            let x = self.values(&[2, rows / 2, width]);
            let (w, b) = (self.parameter(width), self.parameter(width));
            self.time(&format!("layer norm {rows}×{width}"), 0.0, || set.layer_norm(&x, &w, &b, 1e-5));
        }
    }
}

fn main() {
    let card = card(0).unwrap();
    for dtype in [DType::F16, DType::F32] {
        let (ours, candle) = (Cuda::new(&card, dtype).unwrap(), Candle::new(&card, dtype));
        Bench { name: &format!("ours {dtype:?}"), set: &ours }.all();
        if dtype == DType::F16 {
            Bench { name: "candle F16", set: &candle }.all();
        }
    }
}
