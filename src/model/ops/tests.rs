//! Every set of operators against the same expressions in f64, over odd shapes.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use half::{bf16, f16};
use proptest::prelude::*;

use super::*;

/// Reproducible values in −1…1, f32.
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
    t.to_device(&Device::Cpu).unwrap().to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

pub(super) fn assert_close(got: &Tensor, expected: &Tensor, tolerance: f32, what: &str) {
    assert_eq!(got.dims(), expected.dims(), "{what}");
    for (i, (a, b)) in numbers(got).into_iter().zip(numbers(expected)).enumerate() {
        assert!((a - b).abs() <= tolerance, "{what}: value {i} is {a} instead of {b}");
    }
}

/// The values of `t` as a file of this type holds them.
pub(super) fn bytes(t: &Tensor, number: NumberType) -> Vec<u8> {
    let values = numbers(t);
    match number {
        NumberType::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        NumberType::F16 => values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
        NumberType::BF16 => values.iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect(),
    }
}

/// The expressions that all sets are held against.
pub(super) fn reference() -> Candle {
    Candle::new(&Device::Cpu, DType::F64)
}

/// A set of operators, and whether it computes in 16 bits.
struct Set {
    name: String,
    operators: Arc<dyn Operators>,
    is_narrow: bool,
}

/// Of f16, relative to the largest value: a few units in its last place.
const NARROW: f32 = 4e-3;
/// Of f32, relative to the largest value, where that is more than is allowed of small ones: sixteen units in its last place. A gate multiplies
/// two sums of hundreds of products, whose values reach 200.
const WIDE: f32 = 16.0 * f32::EPSILON;

impl Set {
    fn of(&self, t: &Tensor) -> Tensor {
        self.there(t).to_dtype(self.operators.dtype()).unwrap()
    }

    /// A parameter, which stays f32.
    fn there(&self, t: &Tensor) -> Tensor {
        t.to_device(self.operators.device()).unwrap()
    }

    /// Within `tolerance` in f32, or [`WIDE`] of the largest value; within a share `narrow` of that in f16.
    fn assert_close(&self, got: &Tensor, expected: &Tensor, tolerance: f32, narrow: f32) {
        assert_eq!(got.dtype(), self.operators.dtype(), "{}", self.name);
        let largest = numbers(expected).into_iter().fold(1f32, |largest, v| largest.max(v.abs()));
        assert_close(
            got,
            expected,
            if self.is_narrow { narrow * largest } else { tolerance.max(WIDE * largest) },
            &self.name,
        );
    }
}

fn sets() -> Vec<Set> {
    let ours = Isa::ALL.iter().filter_map(|isa| Cpu::new(*isa));
    let ours = ours.map(|cpu| Set { name: format!("{cpu:?}"), operators: Arc::new(cpu), is_narrow: false });
    // Of the 16-bit types candle has all operators for f16 only, on the CPU.
    let candle = [DType::F32, DType::F16].map(|dtype| Set {
        name: format!("candle {dtype:?}"),
        operators: Arc::new(Candle::new(&Device::Cpu, dtype)),
        is_narrow: dtype == DType::F16,
    });
    ours.chain(candle).chain(on_a_card()).collect()
}

/// Ours for a card, with `LBW_TEST_DEVICE=cuda` in a build for cards.
#[cfg(feature = "cuda")]
fn on_a_card() -> Vec<Set> {
    use std::sync::OnceLock;
    static CARD: OnceLock<Option<Device>> = OnceLock::new();
    let is_wanted = std::env::var("LBW_TEST_DEVICE").as_deref() == Ok("cuda");
    let card = CARD.get_or_init(|| is_wanted.then(|| card(0).unwrap()));
    let set = |dtype: DType| {
        let operators = Cuda::new(card.as_ref()?, dtype)?;
        Some(Set { name: format!("card {dtype:?}"), operators: Arc::new(operators), is_narrow: dtype == DType::F16 })
    };
    [DType::F32, DType::F16].into_iter().filter_map(set).collect()
}

#[cfg(not(feature = "cuda"))]
fn on_a_card() -> Vec<Set> {
    Vec::new()
}

fn wide(t: &Tensor) -> Tensor {
    t.to_device(&Device::Cpu).unwrap().to_dtype(DType::F64).unwrap()
}

fn weight(operators: &dyn Operators, number: NumberType, shape: Shape, seed: u64) -> Weight {
    let values = noise(seed, &[shape.outputs, shape.inputs * shape.taps]);
    let bytes = bytes(&values, number);
    operators.weight(Stored { bytes: &bytes, number, shape }, &[], Held::Exact).unwrap()
}

pub(super) fn number_type() -> impl Strategy<Value = NumberType> {
    prop_oneof![Just(NumberType::F32), Just(NumberType::F16), Just(NumberType::BF16)]
}

pub(super) fn activation() -> impl Strategy<Value = Activation> {
    use Activation::*;
    prop_oneof![Just(None), Just(Silu), Just(Gelu), Just(QuickGelu), Just(Geglu)]
}

/// What is fused to a product, in the type of `set`: `operands` tells by its bits which.
struct Operands {
    bias: Tensor,
    shift: Tensor,
    slope: Tensor,
    residual: Tensor,
}

impl Operands {
    fn fused(&self, operands: u8, activation: Activation) -> Fused<'_> {
        let paired = activation == Activation::Geglu;
        Fused {
            bias: (operands & 1 > 0).then_some(&self.bias),
            shift: (operands & 2 > 0 && !paired).then_some(&self.shift),
            activation,
            slope: (operands & 8 > 0 && !paired).then_some(&self.slope),
            residual: (operands & 4 > 0).then_some(&self.residual),
        }
    }

    fn wide(&self) -> Self {
        let (bias, slope) = (self.bias.clone(), self.slope.clone());
        Operands { bias, shift: wide(&self.shift), slope, residual: wide(&self.residual) }
    }

    fn of(&self, set: &Set) -> Self {
        let (bias, slope) = (set.there(&self.bias), set.there(&self.slope));
        Operands { bias, shift: set.of(&self.shift), slope, residual: set.of(&self.residual) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn linear_agrees(
        images in 1usize..3, rows in 1usize..70, inputs in 1usize..300, outputs in 1usize..80,
        number in number_type(), activation in activation(), operands in 0u8..16,
    ) {
        let paired = activation == Activation::Geglu;
        let (width, order) = if paired { (2 * outputs, Order::Paired) } else { (outputs, Order::Plain) };
        let shape = Shape { outputs: width, inputs, taps: 1, order };
        let x = noise(1, &[images, rows, inputs]);
        let given = Operands {
            bias: noise(2, &[width]),
            shift: noise(3, &[images, width]),
            slope: noise(6, &[width]),
            residual: noise(4, &[images, rows, outputs]),
        };
        let reference = reference();
        let fused = given.wide();
        let expected = reference
            .linear(&wide(&x), &weight(&reference, number, shape, 5), fused.fused(operands, activation))
            .unwrap();
        for set in sets() {
            let fused = given.of(&set);
            let w = weight(&*set.operators, number, shape, 5);
            let got = set.operators.linear(&set.of(&x), &w, fused.fused(operands, activation)).unwrap();
            set.assert_close(&got, &expected, 2e-4, NARROW);
        }
    }

    #[test]
    fn conv3x3_agrees(
        images in 1usize..3, height in 1usize..12, width in 1usize..12, inputs in 1usize..40, outputs in 1usize..40,
        number in number_type(), operands in 0u8..16,
        kind in prop_oneof![
            Just(Conv3x3::Same), Just(Conv3x3::Halving), Just(Conv3x3::HalvingAfter), Just(Conv3x3::Doubling),
            Just(Conv3x3::Around), Just(Conv3x3::HalvingAround), Just(Conv3x3::DoublingAround),
        ],
    ) {
        prop_assume!(kind != Conv3x3::HalvingAfter || (height > 1 && width > 1));
        conv3x3_agrees_at([images, height, width, inputs], outputs, number, operands, kind);
    }

    /// Sizes and channels for which our kernels compute squares.
    #[test]
    fn large_conv3x3_agrees(
        images in 1usize..3, height in 8usize..40, width in 8usize..40, inputs in 2usize..5, outputs in 1usize..60,
        number in number_type(),
        kind in prop_oneof![Just(Conv3x3::Same), Just(Conv3x3::Doubling), Just(Conv3x3::Around), Just(Conv3x3::DoublingAround)],
    ) {
        conv3x3_agrees_at([images, height, width, 16 * inputs], outputs, number, 11, kind);
    }

    #[test]
    fn attention_agrees(
        queries in 1usize..120, keys in 1usize..160, heads in 1usize..3,
        width in prop_oneof![1usize..40, Just(64), Just(80), Just(160)], causal: bool, large: bool,
    ) {
        // Large scores test the rescaling, where the first keys are far from the largest.
        let q = noise(1, &[2, queries, heads * width]).affine(if large { 9.0 } else { 1.0 }, 0.0).unwrap();
        let (k, v) = (noise(2, &[2, keys, heads * width]), noise(3, &[2, keys, heads * width]));
        let expected = reference().attention(&wide(&q), &wide(&k), &wide(&v), heads, causal).unwrap();
        for set in sets() {
            let got = set.operators.attention(&set.of(&q), &set.of(&k), &set.of(&v), heads, causal).unwrap();
            // Scores of 16 bits are as coarse as they are large.
            set.assert_close(&got, &expected, 2e-5, if large { 0.1 } else { NARROW });
        }
    }

    #[test]
    fn norms_agree(positions in 1usize..600, groups in 1usize..33, per_group in 1usize..5, silu: bool) {
        let channels = groups * per_group;
        let x = noise(1, &[2, positions, channels]).affine(2.0, 3.0).unwrap();
        let (weight, bias) = (noise(2, &[channels]), noise(3, &[channels]));
        let reference = reference();
        let expected = |set: &Set| {
            // From what the set is given: where a group has no variance, its rounding is all there is.
            let x = wide(&set.of(&x));
            let group = reference.group_norm(&x, &weight, &bias, groups, 1e-5, silu).unwrap();
            let scaled = reference.scaled_silu(&x, &weight, &bias).unwrap();
            (group, reference.layer_norm(&x, &weight, &bias, 1e-5).unwrap(), scaled)
        };
        for set in sets() {
            let (group, layer, scaled) = expected(&set);
            let (weight, bias) = (set.there(&weight), set.there(&bias));
            let got = set.operators.group_norm(&set.of(&x), &weight, &bias, groups, 1e-5, silu).unwrap();
            // One value per group has no variance: what is left is rounding, made large by the division.
            set.assert_close(&got, &group, if positions * per_group > 1 { 1e-4 } else { 1e-2 }, NARROW);
            let got = set.operators.layer_norm(&set.of(&x), &weight, &bias, 1e-5).unwrap();
            set.assert_close(&got, &layer, if channels > 1 { 1e-4 } else { 1e-2 }, NARROW);
            let got = set.operators.scaled_silu(&set.of(&x), &weight, &bias).unwrap();
            set.assert_close(&got, &scaled, 1e-4, NARROW);
        }
    }

    #[test]
    fn resizing_is_the_same_everywhere(h in 1usize..20, w in 1usize..20, height in 1usize..20, width in 1usize..20) {
        let x = noise(1, &[2, h, w, 3]);
        let pixel = |y: usize, x: usize| {
            let place = |i: usize, from: usize, to: usize| ((i as f32 * (from as f32 / to as f32)) as usize).min(from - 1);
            (place(y, h, height) * w + place(x, w, width)) * 3
        };
        for set in sets() {
            let given = set.of(&x);
            let got = set.operators.resize_nearest(&given, height, width).unwrap();
            prop_assert_eq!(got.dims(), &[2, height, width, 3]);
            let (from, got) = (numbers(&given.get(1).unwrap()), numbers(&got.get(1).unwrap()));
            for (i, v) in got.chunks_exact(3).enumerate() {
                prop_assert_eq!(v, &from[pixel(i / width, i % width)..][..3], "{}", &set.name);
            }
        }
    }

    /// A linear layer with a merged weight is the layer plus the products that were merged.
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
        let base = noise(5, &[outputs, inputs * taps]);
        let file = bytes(&base, number);
        let stored = Stored { bytes: &file, number, shape };
        let base = match reference().weight(Stored { shape: Shape { taps: 1, inputs: inputs * taps, ..shape }, ..stored }, &[], Held::Exact).unwrap() {
            Weight::Tensor(base) => numbers(&base),
            Weight::Panels(_) => unreachable!(),
        };
        let mut sum = base;
        for (i, output) in rows.clone().enumerate() {
            for j in 0..inputs * taps {
                let delta: f32 = (0..rank).map(|r| change.up[i * rank + r] * change.down[r * inputs * taps + j]).sum();
                sum[output * inputs * taps + j] += delta;
            }
        }
        let sum = Tensor::from_vec(sum, outputs * inputs * taps, &Device::Cpu).unwrap();
        let summed = bytes(&sum, NumberType::F32);
        let summed = Stored { bytes: &summed, number: NumberType::F32, shape };
        for set in sets() {
            let apply = |weight: &Weight| match taps {
                1 => {
                    let activation = if paired { Activation::Geglu } else { Activation::None };
                    let fused = Fused { activation, ..Fused::NOTHING };
                    set.operators.linear(&set.of(&noise(1, &[3, inputs])), weight, fused).unwrap()
                }
                _ if paired => set.of(&noise(1, &[1])),
                _ => {
                    let x = set.of(&noise(1, &[1, 3, 3, inputs]));
                    set.operators.conv3x3(&x, weight, Conv3x3::Same, Fused::NOTHING).unwrap()
                }
            };
            let expected = apply(&set.operators.weight(summed, &[], Held::Exact).unwrap());
            let merge = |held| apply(&set.operators.weight(stored, std::slice::from_ref(&change), held).unwrap());
            set.assert_close(&merge(Held::Exact), &expected, 4e-4, NARROW);
            // Rounded to f16 by ours; candle's weights have the type of all numbers.
            set.assert_close(&merge(Held::Half), &expected, 0.2, NARROW);
        }
    }
}

fn conv3x3_agrees_at(dims: [usize; 4], outputs: usize, number: NumberType, operands: u8, kind: Conv3x3) {
    let [images, height, width, inputs] = dims;
    let shape = Shape { outputs, inputs, taps: 9, order: Order::Plain };
    let x = noise(1, &dims);
    let given = Operands {
        bias: noise(2, &[outputs]),
        shift: noise(3, &[images, outputs]),
        slope: noise(6, &[outputs]),
        residual: noise(4, &[images, kind.output(height), kind.output(width), outputs]),
    };
    let reference = reference();
    let fused = given.wide();
    let w = weight(&reference, number, shape, 5);
    let expected = reference.conv3x3(&wide(&x), &w, kind, fused.fused(operands, Activation::None)).unwrap();
    for set in sets() {
        let fused = given.of(&set);
        let w = weight(&*set.operators, number, shape, 5);
        let got = set.operators.conv3x3(&set.of(&x), &w, kind, fused.fused(operands, Activation::None)).unwrap();
        // candle adds up the thousands of products of a convolution in 16 bits; of few values also the largest may be small.
        set.assert_close(&got, &expected, 5e-4, 1.5e-2);
    }
}

/// A tile beside itself in all directions is what a convolution around it sees.
#[test]
fn a_tile_goes_on_at_its_other_edge() {
    let shape = Shape { outputs: 3, inputs: 2, taps: 9, order: Order::Plain };
    let x = noise(1, &[1, 5, 6, 2]);
    let row = Tensor::cat(&[&x, &x, &x], 2).unwrap();
    let tiles = wide(&Tensor::cat(&[&row, &row, &row], 1).unwrap());
    let reference = reference();
    let w = weight(&reference, NumberType::F32, shape, 5);
    for (kind, factor) in [(Conv3x3::Same, 1), (Conv3x3::Doubling, 2)] {
        let all = reference.conv3x3(&tiles, &w, kind, Fused::NOTHING).unwrap();
        let middle = all.narrow(1, 5 * factor, 5 * factor).unwrap().narrow(2, 6 * factor, 6 * factor).unwrap();
        let got = reference.conv3x3(&wide(&x), &w, kind.around(), Fused::NOTHING).unwrap();
        assert_close(&got, &middle, 1e-6, "around");
    }
}

#[test]
fn operands_of_other_shapes_are_refused() {
    for set in sets() {
        let ops = &*set.operators;
        let shape = Shape { outputs: 5, inputs: 7, taps: 1, order: Order::Plain };
        let w = weight(ops, NumberType::F32, shape, 5);
        let x = set.of(&noise(1, &[3, 7]));
        let wrong = set.of(&noise(2, &[4]));
        assert!(ops.linear(&x, &w, Fused::NOTHING).is_ok());
        assert!(ops.linear(&set.of(&noise(1, &[3, 8])), &w, Fused::NOTHING).is_err(), "{}", set.name);
        assert!(ops.linear(&x, &w, Fused { bias: Some(&wrong), ..Fused::NOTHING }).is_err(), "{}", set.name);
        assert!(ops.linear(&x, &w, Fused { residual: Some(&wrong), ..Fused::NOTHING }).is_err(), "{}", set.name);
        assert!(ops.conv3x3(&set.of(&noise(1, &[1, 4, 4, 7])), &w, Conv3x3::Same, Fused::NOTHING).is_err());
        assert!(ops.attention(&set.of(&noise(1, &[1, 4, 7])), &x, &x, 1, false).is_err());
        let norm = set.there(&noise(1, &[7]));
        assert!(ops.group_norm(&set.of(&noise(1, &[1, 4, 7])), &norm, &norm, 2, 1e-5, false).is_err());
        assert!(ops.weight(Stored { bytes: &[0; 12], number: NumberType::F32, shape }, &[], Held::Exact).is_err());
    }
}

/// Each set refuses the other's weights.
#[test]
fn weights_of_another_set_are_refused() {
    let shape = Shape { outputs: 5, inputs: 7, taps: 1, order: Order::Plain };
    let (ours, candle) = (Cpu::best(), Candle::new(&Device::Cpu, DType::F32));
    let x = noise(1, &[3, 7]);
    assert!(ours.linear(&x, &weight(&candle, NumberType::F32, shape, 5), Fused::NOTHING).is_err());
    assert!(candle.linear(&x, &weight(&ours, NumberType::F32, shape, 5), Fused::NOTHING).is_err());
}
