//! Every kernel on every path that this processor has, against the plain candle expression, over odd shapes.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use half::{bf16, f16};
use proptest::prelude::*;

use super::*;

/// Reproducible values in −1…1.
pub(super) fn noise(seed: u64, shape: &[usize]) -> Tensor {
    let count = shape.iter().product::<usize>() as u64;
    let value = |i: u64| {
        let mut z = (seed << 32 | i).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        ((z ^ (z >> 27)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    Tensor::from_vec((0..count).map(value).collect::<Vec<_>>(), shape, &Device::Cpu).unwrap()
}

pub(super) fn numbers(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

pub(super) fn paths() -> impl Iterator<Item = Isa> {
    Isa::ALL.iter().copied().filter(|isa| isa.is_available())
}

pub(super) fn assert_close(got: &Tensor, expected: &Tensor, tolerance: f32) {
    assert_eq!(got.dims(), expected.dims());
    for (i, (a, b)) in numbers(got).into_iter().zip(numbers(expected)).enumerate() {
        assert!((a - b).abs() <= tolerance, "value {i}: {a} instead of {b}");
    }
}

fn bytes(t: &Tensor, number: NumberType) -> Vec<u8> {
    let values = numbers(t);
    match number {
        NumberType::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        NumberType::F16 => values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
        NumberType::BF16 => values.iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect(),
    }
}

/// The same weight as a tensor and packed for `isa`; the numbers are those of the narrow type.
fn weight(isa: Isa, number: NumberType, shape: Shape, seed: u64) -> (Weight, Weight) {
    let Shape { outputs, inputs, taps, .. } = shape;
    let dims = if taps == 9 { vec![outputs, inputs, 3, 3] } else { vec![outputs, inputs] };
    let dtype = match number {
        NumberType::F32 => candle_core::DType::F32,
        NumberType::F16 => candle_core::DType::F16,
        NumberType::BF16 => candle_core::DType::BF16,
    };
    let tensor = noise(seed, &dims).to_dtype(dtype).unwrap().to_dtype(candle_core::DType::F32).unwrap();
    let bytes = bytes(&tensor, number);
    let panels = Panels::pack(isa, Stored { bytes: &bytes, number, shape }).unwrap();
    (Weight::Tensor(tensor), Weight::Panels(Arc::new(panels)))
}

/// The result of `f`, the same bit for bit in pools of one, two and three threads.
pub(super) fn with_threads(f: impl Fn() -> Tensor + Sync) -> Tensor {
    let results: Vec<Tensor> = (1..=3)
        .map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(&f))
        .collect();
    for result in &results[1..] {
        let bits = |t: &Tensor| numbers(t).into_iter().map(f32::to_bits).collect::<Vec<_>>();
        assert!(bits(result) == bits(&results[0]), "the result depends on the number of threads");
    }
    results[0].clone()
}

fn number_type() -> impl Strategy<Value = NumberType> {
    prop_oneof![Just(NumberType::F32), Just(NumberType::F16), Just(NumberType::BF16)]
}

fn activation() -> impl Strategy<Value = Activation> {
    use Activation::*;
    prop_oneof![Just(None), Just(Silu), Just(Gelu), Just(QuickGelu), Just(Geglu)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn linear_agrees(
        images in 1usize..3, rows in 1usize..70, inputs in 1usize..300, outputs in 1usize..80,
        number in number_type(), activation in activation(), operands in 0u8..8,
    ) {
        let paired = activation == Activation::Geglu;
        let (width, order) = if paired { (2 * outputs, Order::Paired) } else { (outputs, Order::Plain) };
        let x = noise(1, &[images, rows, inputs]);
        let (bias, shift) = (noise(2, &[width]), noise(3, &[images, width]));
        let residual = noise(4, &[images, rows, outputs]);
        let fused = Fused {
            bias: (operands & 1 > 0).then_some(&bias),
            shift: (operands & 2 > 0 && !paired).then_some(&shift),
            activation,
            residual: (operands & 4 > 0).then_some(&residual),
        };
        for isa in paths() {
            let shape = Shape { outputs: width, inputs, taps: 1, order };
            let (tensor, panels) = weight(isa, number, shape, 5);
            let expected = linear(&x, &tensor, fused).unwrap();
            assert_close(&with_threads(|| linear(&x, &panels, fused).unwrap()), &expected, 2e-4);
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
        for isa in paths() {
            // Not a whole number of panels, but an even one.
            let outputs = (outputs.div_ceil(isa.panel()).next_multiple_of(2) * isa.panel() - outputs % 4 * 2).max(2);
            let (bias, width) = (noise(2, &[outputs]), if paired { outputs / 2 } else { outputs });
            let onto = noise(4, &[images, rows, width]);
            let order = if paired { Order::Paired } else { Order::Plain };
            let (tensor, panels) = weight(isa, number, Shape { outputs, inputs, taps: 1, order }, 5);
            let Weight::Panels(panels) = panels else { unreachable!() };
            let fused = Fused { bias: Some(&bias), activation, residual: residual.then_some(&onto), ..Fused::NOTHING };
            let expected = linear(&x, &tensor, fused).unwrap();
            let values = numbers(&x);
            let got = with_threads(|| {
                let y = fused.with_slices(|epilogue| strassen::strassen(&values, &panels, epilogue)).unwrap();
                Tensor::from_vec(y, (images, rows, width), &Device::Cpu).unwrap()
            });
            assert_close(&got, &expected, 5e-4);
        }
    }

    #[test]
    fn conv3x3_agrees(
        images in 1usize..3, height in 1usize..12, width in 1usize..12, inputs in 1usize..40, outputs in 1usize..40,
        number in number_type(),
        kind in prop_oneof![
            Just(Conv3x3::Same), Just(Conv3x3::Halving), Just(Conv3x3::HalvingAfter), Just(Conv3x3::Doubling)
        ],
    ) {
        prop_assume!(kind != Conv3x3::HalvingAfter || (height > 1 && width > 1));
        let x = noise(1, &[images, height, width, inputs]);
        let (bias, shift) = (noise(2, &[outputs]), noise(3, &[images, outputs]));
        for isa in paths() {
            let shape = Shape { outputs, inputs, taps: 9, order: Order::Plain };
            let (tensor, panels) = weight(isa, number, shape, 5);
            let fused = Fused { bias: Some(&bias), shift: Some(&shift), ..Fused::NOTHING };
            let expected = conv3x3(&x, &tensor, kind, fused).unwrap();
            let got = with_threads(|| conv3x3(&x, &panels, kind, fused).unwrap());
            assert_close(&got, &expected, 2e-4);
            let onto = Fused { bias: Some(&bias), residual: Some(&expected), ..Fused::NOTHING };
            let expected = conv3x3(&x, &tensor, kind, onto).unwrap();
            assert_close(&conv3x3(&x, &panels, kind, onto).unwrap(), &expected, 2e-4);
        }
    }

    /// Sizes and channels for which the squares are used.
    #[test]
    fn large_conv3x3_agrees(
        images in 1usize..3, height in 8usize..40, width in 8usize..40, inputs in 2usize..5, outputs in 1usize..60,
        number in number_type(), kind in prop_oneof![Just(Conv3x3::Same), Just(Conv3x3::Doubling)],
    ) {
        let x = noise(1, &[images, height, width, 16 * inputs]);
        let (bias, shift) = (noise(2, &[outputs]), noise(3, &[images, outputs]));
        for isa in paths() {
            let shape = Shape { outputs, inputs: 16 * inputs, taps: 9, order: Order::Plain };
            let (tensor, panels) = weight(isa, number, shape, 5);
            let fused = Fused { bias: Some(&bias), shift: Some(&shift), ..Fused::NOTHING };
            let expected = conv3x3(&x, &tensor, kind, fused).unwrap();
            let got = with_threads(|| conv3x3(&x, &panels, kind, fused).unwrap());
            assert_close(&got, &expected, 5e-4);
            let last = x.narrow(0, images - 1, 1).unwrap();
            let shift = shift.narrow(0, images - 1, 1).unwrap();
            let alone = conv3x3(&last, &panels, kind, Fused { shift: Some(&shift), ..fused }).unwrap();
            prop_assert_eq!(numbers(&alone), numbers(&got.narrow(0, images - 1, 1).unwrap()));
        }
    }

    #[test]
    fn attention_agrees(
        queries in 1usize..120, keys in 1usize..160, heads in 1usize..3, width in 1usize..40,
        causal: bool, large: bool,
    ) {
        // Large scores test the rescaling, where the first keys are far from the largest.
        let x = noise(1, &[2, queries, heads * width]).affine(if large { 9.0 } else { 1.0 }, 0.0).unwrap();
        let (k, v) = (noise(2, &[2, keys, heads * width]), noise(3, &[2, keys, heads * width]));
        let expected = attention::plain(&x, &k, &v, heads, causal).unwrap();
        for isa in paths() {
            let got = with_threads(|| attention::attention_on(isa, &x, &k, &v, heads, causal).unwrap());
            assert_close(&got, &expected, 2e-5);
        }
    }

    #[test]
    fn norms_agree(positions in 1usize..600, groups in 1usize..33, per_group in 1usize..5, silu: bool) {
        let channels = groups * per_group;
        let x = noise(1, &[2, positions, channels]).affine(2.0, 3.0).unwrap();
        let (weight, bias) = (noise(2, &[channels]), noise(3, &[channels]));
        let expected = norm::plain_group_norm(&x, &weight, &bias, groups, 1e-5, silu).unwrap();
        let expected_layer = norm::plain_layer_norm(&x, &weight, &bias, 1e-5).unwrap();
        for isa in paths() {
            let got = with_threads(|| norm::group_norm_on(isa, &x, &weight, &bias, groups, 1e-5, silu).unwrap());
            // One value per group has no variance: what is left is rounding, made large by the division.
            assert_close(&got, &expected, if positions * per_group > 1 { 1e-4 } else { 1e-2 });
            let got = with_threads(|| norm::layer_norm_on(isa, &x, &weight, &bias, 1e-5).unwrap());
            assert_close(&got, &expected_layer, if channels > 1 { 1e-4 } else { 1e-2 });
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
        for isa in paths() {
            let (tensor, _) = weight(isa, number, shape, 5);
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
            assert_close(&unpacked(&merged), &unpacked(&expected), 1e-5);
            let narrow = Panels::merge(isa, stored, std::slice::from_ref(&change), true).unwrap();
            assert_close(&unpacked(&narrow), &unpacked(&expected), 1e-2);
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
    for isa in paths() {
        let shape = Shape { outputs: 130, inputs: 300, taps: 1, order: Order::Plain };
        let (_, panels) = weight(isa, NumberType::F16, shape, 5);
        let x = noise(1, &[201, 300]);
        let all = linear(&x, &panels, Fused::NOTHING).unwrap();
        for first in [0, 5, 97, 200] {
            let alone = linear(&x.narrow(0, first, 1).unwrap(), &panels, Fused::NOTHING).unwrap();
            assert_eq!(numbers(&alone), numbers(&all.narrow(0, first, 1).unwrap()));
        }
    }
}

/// Sizes for which an eighth of the products is left out, and for which not: in each an odd number of panels.
#[test]
fn an_image_does_not_depend_on_its_batch() {
    for isa in paths() {
        for (rows, outputs) in [(256, 512), (256, 512 + isa.panel()), (255, 512)] {
            let shape = Shape { outputs, inputs: 512, taps: 1, order: Order::Plain };
            let (_, panels) = weight(isa, NumberType::F16, shape, 5);
            let x = noise(1, &[3, rows, 512]);
            let all = linear(&x, &panels, Fused::NOTHING).unwrap();
            for image in 0..3 {
                let alone = linear(&x.narrow(0, image, 1).unwrap(), &panels, Fused::NOTHING).unwrap();
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
    let wide = |t: &Tensor| t.to_dtype(candle_core::DType::F64).unwrap();
    for (larger, bound) in [(1.0, 5e-6), (10.0, 2e-5)] {
        let mut x = numbers(&noise(1, &[1, rows, inputs]));
        for (i, v) in x.iter_mut().enumerate() {
            let (row, input) = (i / inputs, i % inputs);
            *v *= if input % 97 == 0 { 50.0 } else { 1.0 } * if row % 7 == 0 { larger } else { 1.0 };
        }
        let x = Tensor::from_vec(x, (1, rows, inputs), &Device::Cpu).unwrap();
        for isa in paths() {
            let shape = Shape { outputs, inputs, taps: 1, order: Order::Plain };
            let (tensor, panels) = weight(isa, NumberType::F32, shape, 5);
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
            let plain = linear(&rows_alone, &panels, Fused::NOTHING).unwrap().reshape((1, rows, outputs)).unwrap();
            let (plain, strassen) = (error(plain), error(linear(&x, &panels, Fused::NOTHING).unwrap()));
            let both = format!("{plain:.1e} as it is, {strassen:.1e} in quarters");
            assert!(plain < 1e-6 && strassen < bound, "{isa:?}, rows ×{larger}: {both}");
        }
    }
}

#[test]
fn operands_of_other_shapes_are_refused() {
    for isa in paths() {
        let shape = Shape { outputs: 5, inputs: 7, taps: 1, order: Order::Plain };
        let (_, panels) = weight(isa, NumberType::F32, shape, 5);
        assert!(linear(&noise(1, &[3, 8]), &panels, Fused::NOTHING).is_err());
        let (x, wrong) = (noise(1, &[3, 7]), noise(2, &[4]));
        assert!(linear(&x, &panels, Fused { bias: Some(&wrong), ..Fused::NOTHING }).is_err());
        assert!(linear(&x, &panels, Fused { residual: Some(&wrong), ..Fused::NOTHING }).is_err());
        assert!(linear(&x, &panels, Fused { activation: Activation::Geglu, ..Fused::NOTHING }).is_err());
        assert!(conv3x3(&noise(1, &[1, 4, 4, 7]), &panels, Conv3x3::Same, Fused::NOTHING).is_err());
        let stored = Stored { bytes: &[0; 12], number: NumberType::F32, shape };
        assert!(Panels::pack(isa, stored).is_err());
    }
}
