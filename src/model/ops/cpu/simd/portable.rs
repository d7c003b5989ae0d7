//! Plain arithmetic on four values at a time, which compilers turn into the vectors that every processor of a 64-bit
//! architecture has.

use half::{bf16, f16};

use super::tile::{MR, Sums, tile};
use super::{SIDE, Simd};

#[derive(Clone, Copy)]
pub(super) struct Portable;

type V = [f32; 4];

#[inline(always)]
fn zip(a: V, b: V, f: impl Fn(f32, f32) -> f32) -> V {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
}

#[inline(always)]
fn map(a: V, f: impl Fn(f32) -> f32) -> V {
    [f(a[0]), f(a[1]), f(a[2]), f(a[3])]
}

// SAFETY of all blocks: by the trait's contract pointers are valid for 4 values; they are read and written unaligned.
impl Simd for Portable {
    const LANES: usize = 4;
    const VECTORS: usize = 2;
    const STEP: usize = 256;
    type V = V;

    #[inline(always)]
    unsafe fn splat(x: f32) -> V {
        [x; 4]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> V {
        unsafe { from.cast::<V>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const f16) -> V {
        let halves = unsafe { from.cast::<[f16; 4]>().read_unaligned() };
        halves.map(f16::to_f32)
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const bf16) -> V {
        let halves = unsafe { from.cast::<[bf16; 4]>().read_unaligned() };
        halves.map(bf16::to_f32)
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: V) {
        unsafe { to.cast::<V>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn transpose_16_bits(rows: &[*const u8; SIDE], to: *mut u16, stride: usize) {
        for (j, row) in rows.iter().enumerate() {
            for i in 0..SIDE {
                unsafe { *to.add(i * stride + j) = u16::from_le_bytes(*row.cast::<[u8; 2]>().add(i)) };
            }
        }
    }
    #[inline(always)]
    unsafe fn interleave(rows: &[*const f32; MR], plus: Option<(&[*const f32; MR], f32)>, count: usize, to: *mut f32) {
        for k in 0..count {
            for (i, row) in rows.iter().enumerate() {
                unsafe {
                    let more = plus.map_or(0.0, |(others, factor)| factor * *others[i].add(k));
                    *to.add(k * MR + i) = *row.add(k) + more;
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn add(a: V, b: V) -> V {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: V, b: V) -> V {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: V, b: V) -> V {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(a: V, b: V) -> V {
        zip(a, b, |a, b| a / b)
    }
    /// In two roundings: a fused one is a slow function call where the processor has no instruction for it.
    #[inline(always)]
    unsafe fn mul_add(a: V, b: V, c: V) -> V {
        zip(zip(a, b, |a, b| a * b), c, |ab, c| ab + c)
    }
    #[inline(always)]
    unsafe fn max(a: V, b: V) -> V {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(a: V, b: V) -> V {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn exp2_whole(n: V) -> V {
        map(n, |n| f32::from_bits(((n as i32 + 127) as u32) << 23))
    }
    #[inline(always)]
    unsafe fn round(v: V) -> V {
        // Adding 1.5·2²³ leaves no bits for a fraction.
        map(v, |v| (v + 12_582_912.0) - 12_582_912.0)
    }
    #[inline(always)]
    unsafe fn if_negative(x: V, a: V, b: V) -> V {
        let pick = |i: usize| if x[i] < 0.0 { a[i] } else { b[i] };
        [pick(0), pick(1), pick(2), pick(3)]
    }

    #[inline(always)]
    unsafe fn tile<const STRIDE: usize>(rows: &[*const f32; MR], panel: *const f32, k: usize, sums: Sums) {
        unsafe { tile::<Self, { Self::VECTORS }, STRIDE>(rows, panel, k, sums) }
    }

    #[inline(always)]
    unsafe fn half_tile(rows: &[*const f32; MR], panel: *const f32, k: usize, sums: Sums) {
        unsafe { tile::<Self, { Self::VECTORS / 2 }, 1>(rows, panel, k, sums) }
    }
}
