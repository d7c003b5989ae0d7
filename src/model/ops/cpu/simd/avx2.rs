//! AVX2 with FMA and F16C: 16 registers of 8 values.

use std::arch::x86_64::*;

use half::{bf16, f16};

use super::tile::{MR, Sums, tile};
use super::{SIDE, Simd, Task, transpose};

#[derive(Clone, Copy)]
pub(super) struct Avx2;

/// # Safety
/// The processor has AVX2, FMA and F16C.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn run(task: impl Task) {
    unsafe { task.run::<Avx2>() }
}

// SAFETY of all blocks: by the trait's contract the instructions exist and pointers are valid for 8 values; loads and stores
// are the unaligned ones.
impl Simd for Avx2 {
    const LANES: usize = 8;
    const VECTORS: usize = 2;
    const STEP: usize = 256;
    type V = __m256;

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m256 {
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const f16) -> __m256 {
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const bf16) -> __m256 {
        unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast())))) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: __m256) {
        unsafe { _mm256_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn transpose_16_bits(rows: &[*const u8; SIDE], to: *mut u16, stride: usize) {
        unsafe { transpose::transpose_16_bits(rows, to, stride) }
    }
    #[inline(always)]
    unsafe fn interleave(rows: &[*const f32; MR], plus: Option<(&[*const f32; MR], f32)>, count: usize, to: *mut f32) {
        unsafe { transpose::interleave(rows, plus, count, to) }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn exp2_whole(n: __m256) -> __m256 {
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
        }
    }
    #[inline(always)]
    unsafe fn round(v: __m256) -> __m256 {
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v) }
    }
    #[inline(always)]
    unsafe fn if_negative(x: __m256, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_blendv_ps(b, a, _mm256_cmp_ps::<_CMP_LT_OQ>(x, _mm256_setzero_ps())) }
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
