//! Elementary functions of vectors.

use super::simd::Simd;

/// eˣ, to about 1e-7 of its value; below −87 not quite zero, above 88 not quite infinite.
///
/// x = n·ln 2 + r with |r| ≤ ln 2 / 2; the series of eʳ to the seventh power leaves 5e-9.
#[inline(always)]
pub(super) unsafe fn exp<S: Simd>(x: S::V) -> S::V {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    const COEFFICIENTS: [f32; 7] = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    unsafe {
        // In this order of operands a NaN stays one.
        let x = S::min(S::splat(88.3), S::max(S::splat(-87.3), x));
        let n = S::round(S::mul(x, S::splat(std::f32::consts::LOG2_E)));
        let r = S::mul_add(n, S::splat(-LN2_HIGH), x);
        let r = S::mul_add(n, S::splat(-LN2_LOW), r);
        let mut sum = S::splat(1.0 / 5040.0);
        for c in COEFFICIENTS {
            sum = S::mul_add(sum, r, S::splat(c));
        }
        S::mul(sum, S::exp2_whole(n))
    }
}

/// x·σ(scale·x): SiLU for scale 1.
#[inline(always)]
pub(super) unsafe fn swish<S: Simd>(x: S::V, scale: f32) -> S::V {
    unsafe {
        let e = exp::<S>(S::mul(x, S::splat(-scale)));
        S::div(x, S::add(S::splat(1.0), e))
    }
}

/// x·Φ(x), with erf by formula 7.1.26 of Abramowitz and Stegun (absolute error of Φ below 1e-7).
#[inline(always)]
pub(super) unsafe fn gelu<S: Simd>(x: S::V) -> S::V {
    const P: f32 = 0.327_591_1;
    const A: [f32; 4] = [-1.453_152, 1.421_413_8, -0.284_496_72, 0.254_829_6];
    unsafe {
        // |x|/√2
        let z = S::mul(S::max(x, S::sub(S::splat(0.0), x)), S::splat(std::f32::consts::FRAC_1_SQRT_2));
        let t = S::div(S::splat(1.0), S::mul_add(z, S::splat(P), S::splat(1.0)));
        let mut sum = S::splat(1.061_405_4);
        for a in A {
            sum = S::mul_add(sum, t, S::splat(a));
        }
        let e = exp::<S>(S::sub(S::splat(0.0), S::mul(z, z)));
        // 1 − Φ(|x|)
        let tail = S::mul(S::mul(S::mul(sum, t), e), S::splat(0.5));
        S::mul(x, S::if_negative(x, tail, S::sub(S::splat(1.0), tail)))
    }
}
