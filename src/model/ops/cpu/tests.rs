//! What is promised of our kernels alone, on every path that this processor has: results that depend neither on the number of
//! threads nor on neighbours, and the ways of multiplying, each by itself.

use candle_core::{Device, Tensor};
use proptest::prelude::*;

use super::super::tests::{activation, assert_close, bytes, noise, number_type, numbers};
use super::super::{Activation, Candle, Order, Shape};
use super::*;

pub(super) fn paths() -> impl Iterator<Item = Cpu> {
    Isa::ALL.iter().filter_map(|isa| Cpu::new(*isa))
}

/// The same weight for candle and packed; the numbers are those of the narrow type.
fn weight(cpu: Cpu, number: NumberType, shape: Shape, seed: u64) -> (Weight, Weight) {
    let values = noise(seed, &[shape.outputs, shape.inputs * shape.taps]);
    let bytes = bytes(&values, number);
    let stored = Stored { bytes: &bytes, number, shape };
    let plain = plain().weight(stored, &[], Held::Exact).unwrap();
    (plain, cpu.weight(stored, &[], Held::Exact).unwrap())
}

fn plain() -> Candle {
    Candle::new(&Device::Cpu, DType::F32)
}

/// The result of `f`, the same bit for bit in pools of one, two and three threads.
fn with_threads(f: impl Fn() -> Tensor + Sync) -> Tensor {
    let results: Vec<Tensor> = (1..=3)
        .map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(&f))
        .collect();
    for result in &results[1..] {
        let bits = |t: &Tensor| numbers(t).into_iter().map(f32::to_bits).collect::<Vec<_>>();
        assert!(bits(result) == bits(&results[0]), "the result depends on the number of threads");
    }
    results[0].clone()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn threads_make_no_difference(
        rows in 1usize..90, inputs in 1usize..200, outputs in 1usize..80, number in number_type(),
        side in 1usize..20, channels in 1usize..5, heads in 1usize..3,
    ) {
        let x = noise(1, &[2, rows, inputs]);
        let image = noise(2, &[2, side, side, 16 * channels]);
        let q = noise(3, &[2, rows, 8 * heads]);
        let (w, b) = (noise(4, &[16 * channels]), noise(5, &[16 * channels]));
        for cpu in paths() {
            let (_, matrix) = weight(cpu, number, Shape { outputs, inputs, taps: 1, order: Order::Plain }, 5);
            with_threads(|| cpu.linear(&x, &matrix, Fused::NOTHING).unwrap());
            let shape = Shape { outputs, inputs: 16 * channels, taps: 9, order: Order::Plain };
            let (_, kernel) = weight(cpu, number, shape, 5);
            with_threads(|| cpu.conv3x3(&image, &kernel, Conv3x3::Same, Fused::NOTHING).unwrap());
            with_threads(|| cpu.attention(&q, &q, &q, heads, true).unwrap());
            with_threads(|| cpu.group_norm(&image, &w, &b, 4, 1e-5, true).unwrap());
            with_threads(|| cpu.layer_norm(&image, &w, &b, 1e-5).unwrap());
        }
    }

    /// With as many panels as can be halved.
    #[test]
    fn strassen_agrees(
        images in 1usize..3, pairs in 1usize..150, half in 1usize..150, outputs in 1usize..80,
        number in number_type(), activation in activation(), residual: bool,
    ) {
        let (rows, inputs, paired) = (2 * pairs, 2 * half, activation == Activation::Geglu);
        let x = noise(1, &[images, rows, inputs]);
        for cpu in paths() {
            // Not a whole number of panels, but an even one.
            let panel = cpu.isa().panel();
            let outputs = (outputs.div_ceil(panel).next_multiple_of(2) * panel - outputs % 4 * 2).max(2);
            let (bias, width) = (noise(2, &[outputs]), if paired { outputs / 2 } else { outputs });
            let onto = noise(4, &[images, rows, width]);
            let order = if paired { Order::Paired } else { Order::Plain };
            let (tensor, panels) = weight(cpu, number, Shape { outputs, inputs, taps: 1, order }, 5);
            let panels = panels.panels().unwrap();
            let fused = Fused { bias: Some(&bias), activation, residual: residual.then_some(&onto), ..Fused::NOTHING };
            let expected = plain().linear(&x, &tensor, fused).unwrap();
            let values = numbers(&x);
            let got = with_threads(|| {
                let y = linear::with_slices(fused, |epilogue| strassen::strassen(&values, panels, epilogue)).unwrap();
                Tensor::from_vec(y, (images, rows, width), &Device::Cpu).unwrap()
            });
            assert_close(&got, &expected, 5e-4, "quarters");
        }
    }

    /// Sizes and channels for which the squares are used.
    #[test]
    fn an_image_of_squares_does_not_depend_on_its_batch(
        images in 1usize..3, height in 8usize..40, width in 8usize..40, inputs in 2usize..5, outputs in 1usize..60,
        number in number_type(), kind in prop_oneof![Just(Conv3x3::Same), Just(Conv3x3::Doubling), Just(Conv3x3::DoublingAround)],
    ) {
        let x = noise(1, &[images, height, width, 16 * inputs]);
        let shift = noise(3, &[images, outputs]);
        for cpu in paths() {
            let shape = Shape { outputs, inputs: 16 * inputs, taps: 9, order: Order::Plain };
            let (_, panels) = weight(cpu, number, shape, 5);
            let fused = Fused { shift: Some(&shift), ..Fused::NOTHING };
            let got = with_threads(|| cpu.conv3x3(&x, &panels, kind, fused).unwrap());
            let last = x.narrow(0, images - 1, 1).unwrap();
            let shift = shift.narrow(0, images - 1, 1).unwrap();
            let alone = cpu.conv3x3(&last, &panels, kind, Fused { shift: Some(&shift), ..fused }).unwrap();
            prop_assert_eq!(numbers(&alone), numbers(&got.narrow(0, images - 1, 1).unwrap()));
        }
    }

    /// Convolutions whose kernels are narrow enough for a way of their own, in an image that gains their outputs.
    #[test]
    fn dense_images_agree(
        height in 8usize..40, width in 8usize..40, inputs in 2usize..5, growth in 1usize..40, number in number_type(),
    ) {
        let inputs = 16 * inputs;
        let x = noise(1, &[1, height, width, inputs]);
        let (bias, slope, last_bias) = (noise(2, &[growth]), noise(3, &[growth]), noise(4, &[inputs]));
        for cpu in paths() {
            let shape = |inputs, outputs| Shape { outputs, inputs, taps: 9, order: Order::Plain };
            let (tensor, panels) = weight(cpu, number, shape(inputs, growth), 5);
            let (last_tensor, last_panels) = weight(cpu, number, shape(inputs + growth, inputs), 6);
            let fused = Fused { bias: Some(&bias), slope: Some(&slope), ..Fused::NOTHING };
            let last_fused = Fused { bias: Some(&last_bias), ..Fused::NOTHING };
            let grown = plain().conv3x3(&x, &tensor, Conv3x3::Same, fused).unwrap();
            let seen = Tensor::cat(&[&x, &grown], 3).unwrap();
            let sum = plain().conv3x3(&seen, &last_tensor, Conv3x3::Same, last_fused).unwrap();
            let expected = (&x * 1.25).unwrap().add(&(sum * 0.125).unwrap()).unwrap();
            let got = with_threads(|| {
                let mut image = DenseImage::new(height, width, inputs + growth).unwrap();
                image.set(&x).unwrap();
                image.grow(&panels, fused).unwrap();
                image.fold(&last_panels, last_fused, 0.5).unwrap();
                image.blend(&x, 0.25).unwrap()
            });
            // Two convolutions, one after the other: values of some tens.
            assert_close(&got, &expected, 2e-3, "dense");
        }
    }

    #[test]
    fn merging_adds_products(
        outputs in 1usize..70, inputs in 1usize..50, rank in 0usize..9, taps in prop_oneof![Just(1usize), Just(9)],
        number in number_type(), paired: bool, cut in 0usize..3,
    ) {
        let outputs = if paired { 2 * outputs } else { outputs };
        let order = if paired { Order::Paired } else { Order::Plain };
        let shape = Shape { outputs, inputs, taps, order };
        let rows = outputs * cut / 4..outputs - outputs * cut / 4;
        let (up, down) = (noise(6, &[rows.len(), rank]), noise(7, &[rank, inputs * taps]));
        let change = LowRank { rows: rows.clone(), rank, up: numbers(&up), down: numbers(&down) };
        for cpu in paths() {
            let isa = cpu.isa();
            let (tensor, _) = weight(cpu, number, shape, 5);
            let Weight::Tensor(base) = tensor else { unreachable!() };
            let stored = bytes(&base, number);
            let stored = Stored { bytes: &stored, number, shape };
            let merged = Panels::merge(isa, stored, std::slice::from_ref(&change), false).unwrap();
            let mut sum = numbers(&base);
            let (up, down) = (&change.up, &change.down);
            for (i, output) in rows.clone().enumerate() {
                for j in 0..inputs * taps {
                    let delta: f32 = (0..rank).map(|r| up[i * rank + r] * down[r * inputs * taps + j]).sum();
                    sum[output * inputs * taps + j] += delta;
                }
            }
            // What was merged, packed at once.
            let sum = Tensor::from_vec(sum, outputs * inputs * taps, &Device::Cpu).unwrap();
            let sum_bytes = bytes(&sum, NumberType::F32);
            let expected = Panels::pack(isa, Stored { bytes: &sum_bytes, number: NumberType::F32, shape }).unwrap();
            assert_close(&unpacked(&merged), &unpacked(&expected), 1e-5, "merged");
            let narrow = Panels::merge(isa, stored, std::slice::from_ref(&change), true).unwrap();
            assert_close(&unpacked(&narrow), &unpacked(&expected), 1e-2, "rounded");
        }
    }
}

/// The values in the order of the panels.
fn unpacked(panels: &Panels) -> Tensor {
    let values = match panels.values() {
        panels::Values::F32(v) => v.to_vec(),
        panels::Values::F16(v) => v.iter().map(|v| v.to_f32()).collect(),
        panels::Values::BF16(v) => v.iter().map(|v| v.to_f32()).collect(),
    };
    Tensor::new(values, &Device::Cpu).unwrap()
}

#[test]
fn a_row_does_not_depend_on_its_neighbours() {
    for cpu in paths() {
        let shape = Shape { outputs: 130, inputs: 300, taps: 1, order: Order::Plain };
        let (_, panels) = weight(cpu, NumberType::F16, shape, 5);
        let x = noise(1, &[201, 300]);
        let all = cpu.linear(&x, &panels, Fused::NOTHING).unwrap();
        for first in [0, 5, 97, 200] {
            let alone = cpu.linear(&x.narrow(0, first, 1).unwrap(), &panels, Fused::NOTHING).unwrap();
            assert_eq!(numbers(&alone), numbers(&all.narrow(0, first, 1).unwrap()));
        }
    }
}

#[test]
fn geglu_needs_pairs_side_by_side() {
    for cpu in paths() {
        let shape = Shape { outputs: 6, inputs: 7, taps: 1, order: Order::Plain };
        let (_, panels) = weight(cpu, NumberType::F32, shape, 5);
        let geglu = Fused { activation: Activation::Geglu, ..Fused::NOTHING };
        assert!(cpu.linear(&noise(1, &[3, 7]), &panels, geglu).is_err());
    }
}

/// Sizes for which an eighth of the products is left out, and for which not: in each an odd number of panels.
#[test]
fn an_image_does_not_depend_on_its_batch() {
    for cpu in paths() {
        for (rows, outputs) in [(256, 512), (256, 512 + cpu.isa().panel()), (255, 512)] {
            let shape = Shape { outputs, inputs: 512, taps: 1, order: Order::Plain };
            let (_, panels) = weight(cpu, NumberType::F16, shape, 5);
            let x = noise(1, &[3, rows, 512]);
            let all = cpu.linear(&x, &panels, Fused::NOTHING).unwrap();
            for image in 0..3 {
                let alone = cpu.linear(&x.narrow(0, image, 1).unwrap(), &panels, Fused::NOTHING).unwrap();
                assert_eq!(numbers(&alone), numbers(&all.narrow(0, image, 1).unwrap()));
            }
        }
    }
}

/// Errors relative to each row, against a product in f64: over inputs of very different sizes, as channels of transformers
/// have them. Rows that are ten times as large as their neighbours lend them their rounding.
#[test]
fn strassen_is_nearly_as_exact_as_the_plain_product() {
    let (rows, inputs, outputs) = (256, 1280, 512);
    let wide = |t: &Tensor| t.to_dtype(DType::F64).unwrap();
    for (larger, bound) in [(1.0, 5e-6), (10.0, 2e-5)] {
        let mut x = numbers(&noise(1, &[1, rows, inputs]));
        for (i, v) in x.iter_mut().enumerate() {
            let (row, input) = (i / inputs, i % inputs);
            *v *= if input % 97 == 0 { 50.0 } else { 1.0 } * if row % 7 == 0 { larger } else { 1.0 };
        }
        let x = Tensor::from_vec(x, (1, rows, inputs), &Device::Cpu).unwrap();
        for cpu in paths() {
            let shape = Shape { outputs, inputs, taps: 1, order: Order::Plain };
            let (tensor, panels) = weight(cpu, NumberType::F32, shape, 5);
            let (Weight::Tensor(w), Weight::Panels(p)) = (tensor, &panels) else { unreachable!() };
            assert!(strassen::pays(rows, p));
            let exact = wide(&x).matmul(&wide(&w).t().unwrap().unsqueeze(0).unwrap()).unwrap();
            let error = |y: Tensor| {
                let norms = |t: Tensor| t.sqr().unwrap().sum(2).unwrap().sqrt().unwrap();
                let relative = (norms((wide(&y) - &exact).unwrap()) / norms(exact.clone())).unwrap();
                relative.max(1).unwrap().to_vec1::<f64>().unwrap()[0]
            };
            // Each row alone is multiplied as it is.
            let rows_alone = x.reshape((rows, 1, inputs)).unwrap();
            let plain = cpu.linear(&rows_alone, &panels, Fused::NOTHING).unwrap().reshape((1, rows, outputs)).unwrap();
            let (plain, strassen) = (error(plain), error(cpu.linear(&x, &panels, Fused::NOTHING).unwrap()));
            let both = format!("{plain:.1e} as it is, {strassen:.1e} in quarters");
            assert!(plain < 1e-6 && strassen < bound, "{cpu:?}, rows ×{larger}: {both}");
        }
    }
}
