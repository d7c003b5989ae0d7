//! AVX-512F: 32 registers of 16 values.

use std::arch::x86_64::*;

use half::{bf16, f16};

use super::tile::{MR, Sums, tile};
use super::{SIDE, Simd, Task, transpose};

#[derive(Clone, Copy)]
pub(super) struct Avx512;

/// # Safety
/// The processor has AVX-512F.
#[target_feature(enable = "avx512f,avx2,fma,f16c")]
pub(super) unsafe fn run(task: impl Task) {
    unsafe { task.run::<Avx512>() }
}

// SAFETY of all blocks: by the trait's contract the instructions exist and pointers are valid for 16 values; loads and stores
// are the unaligned ones.
impl Simd for Avx512 {
    const LANES: usize = 16;
    const VECTORS: usize = 4;
    const STEP: usize = 128;
    type V = __m512;

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const f16) -> __m512 {
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const bf16) -> __m512 {
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast())))) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: __m512) {
        unsafe { _mm512_storeu_ps(to, v) }
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
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn exp2_whole(n: __m512) -> __m512 {
        unsafe {
            let exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
        }
    }
    #[inline(always)]
    unsafe fn round(v: __m512) -> __m512 {
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v) }
    }
    #[inline(always)]
    unsafe fn if_negative(x: __m512, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(x, _mm512_setzero_ps()), b, a) }
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
