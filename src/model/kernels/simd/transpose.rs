//! Transposition of 8 × 8 numbers of 16 bits, with instructions that every x86-64 processor has.

use std::arch::x86_64::*;

use super::SIDE;

/// See [`Simd::transpose_16_bits`](super::Simd::transpose_16_bits).
///
/// # Safety
/// `rows` are valid for 16 bytes each, and `to` for 8 values in each of 8 rows, `stride` apart.
#[inline(always)]
pub(super) unsafe fn transpose_16_bits(rows: &[*const u8; SIDE], to: *mut u16, stride: usize) {
    // SAFETY: as the caller promises; loads and stores are the unaligned ones.
    unsafe {
        let row = |j: usize| _mm_loadu_si128(rows[j].cast());
        // Rows 2i and 2i + 1 interleaved: pairs, then fours, then eights of a column are neighbours.
        let pairs = [
            (_mm_unpacklo_epi16(row(0), row(1)), _mm_unpackhi_epi16(row(0), row(1))),
            (_mm_unpacklo_epi16(row(2), row(3)), _mm_unpackhi_epi16(row(2), row(3))),
            (_mm_unpacklo_epi16(row(4), row(5)), _mm_unpackhi_epi16(row(4), row(5))),
            (_mm_unpacklo_epi16(row(6), row(7)), _mm_unpackhi_epi16(row(6), row(7))),
        ];
        let fours = [
            (_mm_unpacklo_epi32(pairs[0].0, pairs[1].0), _mm_unpacklo_epi32(pairs[2].0, pairs[3].0)),
            (_mm_unpackhi_epi32(pairs[0].0, pairs[1].0), _mm_unpackhi_epi32(pairs[2].0, pairs[3].0)),
            (_mm_unpacklo_epi32(pairs[0].1, pairs[1].1), _mm_unpacklo_epi32(pairs[2].1, pairs[3].1)),
            (_mm_unpackhi_epi32(pairs[0].1, pairs[1].1), _mm_unpackhi_epi32(pairs[2].1, pairs[3].1)),
        ];
        for (i, (upper, lower)) in fours.into_iter().enumerate() {
            _mm_storeu_si128(to.add(2 * i * stride).cast(), _mm_unpacklo_epi64(upper, lower));
            _mm_storeu_si128(to.add((2 * i + 1) * stride).cast(), _mm_unpackhi_epi64(upper, lower));
        }
    }
}
