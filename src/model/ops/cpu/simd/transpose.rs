//! Transpositions with instructions that every x86-64 processor has.

use std::arch::x86_64::*;

use super::{MR, SIDE};

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

/// Interleaves [`MR`] rows, whose values at a place are given as a vector of four and as one. Not a function of two closures:
/// they would be compiled without the path's instructions.
macro_rules! interleaved {
    (|$i:ident, $at:ident| $four:expr, |$i1:ident, $at1:ident| $one:expr, $count:expr, $to:expr) => {{
        const { assert!(MR == 6) };
        let (count, to) = ($count, $to);
        let whole = count - count % 4;
        for k in (0..whole).step_by(4) {
            let mut v = [_mm_setzero_ps(); MR];
            for ($i, v) in v.iter_mut().enumerate() {
                let $at = k;
                *v = $four;
            }
            let (low, high) = (_mm_unpacklo_ps(v[0], v[1]), _mm_unpackhi_ps(v[0], v[1]));
            let (low2, high2) = (_mm_unpacklo_ps(v[2], v[3]), _mm_unpackhi_ps(v[2], v[3]));
            let low3 = _mm_castps_pd(_mm_unpacklo_ps(v[4], v[5]));
            let high3 = _mm_castps_pd(_mm_unpackhi_ps(v[4], v[5]));
            let to = to.add(k * MR);
            _mm_storeu_ps(to, _mm_movelh_ps(low, low2));
            _mm_storel_pd(to.add(4).cast(), low3);
            _mm_storeu_ps(to.add(6), _mm_movehl_ps(low2, low));
            _mm_storeh_pd(to.add(10).cast(), low3);
            _mm_storeu_ps(to.add(12), _mm_movelh_ps(high, high2));
            _mm_storel_pd(to.add(16).cast(), high3);
            _mm_storeu_ps(to.add(18), _mm_movehl_ps(high2, high));
            _mm_storeh_pd(to.add(22).cast(), high3);
        }
        for $at1 in whole..count {
            for $i1 in 0..MR {
                *to.add($at1 * MR + $i1) = $one;
            }
        }
    }};
}

/// See [`Simd::interleave`](super::Simd::interleave).
///
/// # Safety
/// All rows are valid for `count` values each, and `to` for [`MR`] × `count`.
#[inline(always)]
pub(super) unsafe fn interleave(
    rows: &[*const f32; MR],
    plus: Option<(&[*const f32; MR], f32)>,
    count: usize,
    to: *mut f32,
) {
    // SAFETY: as the caller promises.
    unsafe {
        match plus {
            None => interleaved!(|i, at| _mm_loadu_ps(rows[i].add(at)), |i, at| *rows[i].add(at), count, to),
            Some((others, factor)) => {
                let factors = _mm_set1_ps(factor);
                interleaved!(
                    |i, at| {
                        let more = _mm_mul_ps(factors, _mm_loadu_ps(others[i].add(at)));
                        _mm_add_ps(_mm_loadu_ps(rows[i].add(at)), more)
                    },
                    |i, at| *rows[i].add(at) + factor * *others[i].add(at),
                    count,
                    to
                )
            }
        }
    }
}
