//! Multi-head attention.
//!
//! A job holds a block of queries of one head and goes over the keys block by block: scores, their exponentials relative to
//! the largest score so far, and the weighted sum of the values, which is rescaled when a larger score turns up (online
//! softmax). Scores never leave the cache. Keys and values are packed once for all jobs.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::super::check_attention;
use super::epilogue::store_part;
use super::jobs::in_turn;
use super::math::exp;
use super::simd::{Isa, MR, Simd, Sums, Task};
use super::values::{Values, tensor};

/// Queries of a job.
const QUERIES: usize = 16 * MR;
/// Keys whose scores are made at a time: whole panels on every path.
const KEYS: usize = 128;

/// See [`Operators::attention`](super::super::Operators::attention).
pub(super) fn attention(isa: Isa, q: &Tensor, k: &Tensor, v: &Tensor, heads: usize, causal: bool) -> Result<Tensor> {
    let (batch, queries, channels) = q.dims3()?;
    let (_, keys, _) = k.dims3()?;
    check_attention(q, k, v, heads)?;
    let (q, k, v) = (q.contiguous()?, k.contiguous()?, v.contiguous()?);
    let (q, k, v) = (Values::of(&q)?, Values::of(&k)?, Values::of(&v)?);
    let (q, k, v) = (q.slice()?, k.slice()?, v.slice()?);
    let sizes = Sizes { keys, channels, width: channels / heads, causal };
    let packed: Vec<Packed> = (0..batch * heads)
        .into_par_iter()
        .map(|i| {
            let (image, head) = (i / heads * keys * channels, i % heads * sizes.width);
            sizes.pack(isa, &k[image..][..keys * channels], &v[image..][..keys * channels], head)
        })
        .collect();

    let mut y = vec![0f32; q.len()];
    let result = Output(y.as_mut_ptr());
    let blocks = queries.div_ceil(QUERIES);
    in_turn(batch * heads * blocks, |scratch: &mut Scratch, job| {
        let (i, first) = (job / blocks, job % blocks * QUERIES);
        let start = i / heads * queries * channels;
        isa.run(Job {
            sizes,
            packed: &packed[i],
            q: &q[start..][..queries * channels],
            start,
            head: i % heads * sizes.width,
            first,
            count: QUERIES.min(queries - first),
            result,
            scratch,
        });
    });
    tensor(y, (batch, queries, channels))
}

/// Values that keys and values are packed into: of so many heads of all images, each `width` wide.
pub(super) fn packed(isa: Isa, heads: usize, keys: usize, width: usize) -> usize {
    let panel = isa.panel();
    heads * (keys.next_multiple_of(panel) * width + keys * width.next_multiple_of(panel))
}

#[derive(Clone, Copy)]
struct Sizes {
    keys: usize,
    channels: usize,
    /// Of a head.
    width: usize,
    causal: bool,
}

/// Keys and values of one head.
struct Packed {
    /// (panel of keys, width, key): zeros fill up the last panel.
    keys: Vec<f32>,
    /// (panel of the width, keys, column): likewise.
    values: Vec<f32>,
}

impl Sizes {
    /// k and v are one image's (keys, channels).
    fn pack(&self, isa: Isa, k: &[f32], v: &[f32], head: usize) -> Packed {
        let panel = isa.panel();
        let mut keys = vec![0f32; self.keys.div_ceil(panel) * panel * self.width];
        let mut values = vec![0f32; self.width.div_ceil(panel) * panel * self.keys];
        for (key, (k, v)) in k.chunks_exact(self.channels).zip(v.chunks_exact(self.channels)).enumerate() {
            let to = &mut keys[key / panel * panel * self.width..][..panel * self.width];
            for (to, k) in to[key % panel..].iter_mut().step_by(panel).zip(&k[head..][..self.width]) {
                *to = *k;
            }
            for (p, v) in v[head..][..self.width].chunks(panel).enumerate() {
                values[(p * self.keys + key) * panel..][..v.len()].copy_from_slice(v);
            }
        }
        Packed { keys, values }
    }
}

/// The result, to whose parts the jobs write at the same time.
#[derive(Clone, Copy)]
struct Output(*mut f32);

// SAFETY: the jobs write to disjoint queries or heads, and nothing reads until all have ended.
unsafe impl Send for Output {}
// SAFETY: as above.
unsafe impl Sync for Output {}

#[derive(Default)]
struct Scratch {
    /// (query, KEYS)
    scores: Vec<f32>,
    /// (query, width in whole panels)
    sums: Vec<f32>,
    /// The largest score of each query so far, and the sum of its exponentials.
    state: Vec<(f32, f32)>,
}

struct Job<'a> {
    sizes: Sizes,
    packed: &'a Packed,
    /// One image's (queries, channels).
    q: &'a [f32],
    /// Where this image begins in the result.
    start: usize,
    /// The head's first channel.
    head: usize,
    first: usize,
    count: usize,
    result: Output,
    scratch: &'a mut Scratch,
}

impl Task for Job<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Sizes { keys, channels, width, causal, .. } = self.sizes;
        let Scratch { scores, sums, state } = self.scratch;
        let tiles = self.count.div_ceil(MR);
        let padded = width.next_multiple_of(S::PANEL);
        assert!(KEYS.is_multiple_of(S::PANEL));
        sums.clear();
        sums.resize(tiles * MR * padded, 0.0);
        scores.resize(tiles * MR * KEYS, 0.0);
        state.clear();
        state.resize(self.count, (f32::NEG_INFINITY, 0.0));
        let scale = (width as f32).powf(-0.5);
        let reach = if causal { keys.min(self.first + self.count) } else { keys };

        for from in (0..reach).step_by(KEYS) {
            let len = KEYS.min(keys - from);
            for (p, panel) in (0..len.div_ceil(S::PANEL)).enumerate() {
                let panel = &self.packed.keys[(from / S::PANEL + panel) * S::PANEL * width..][..S::PANEL * width];
                for t in 0..tiles {
                    let mut rows = [std::ptr::null(); MR];
                    for (i, row) in rows.iter_mut().enumerate() {
                        // Queries beyond the last repeat it, into scores that are not used.
                        let query = self.first + (t * MR + i).min(self.count - 1);
                        *row = self.q[query * channels + self.head..][..width].as_ptr();
                    }
                    let tile = &mut scores[t * MR * KEYS..][..MR * KEYS];
                    // SAFETY: each row was sliced to `width` values, the panel has width × PANEL; rows of the tile are
                    // KEYS apart, and PANEL columns from p × PANEL on are inside of them because KEYS is whole panels.
                    unsafe {
                        let sums = Sums { at: tile.as_mut_ptr().add(p * S::PANEL), stride: KEYS, fresh: true };
                        S::tile::<1>(&rows, panel.as_ptr(), width, sums);
                    }
                }
            }
            for (i, state) in state.iter_mut().enumerate() {
                let visible = if causal { len.min((self.first + i + 1).saturating_sub(from)) } else { len };
                let row = &mut scores[i * KEYS..][..KEYS];
                let sums = &mut sums[i * padded..][..padded];
                // SAFETY: `S` is the processor's.
                unsafe { softmax::<S>(row, visible, scale, state, sums) };
            }
            for p in 0..padded / S::PANEL {
                let panel = &self.packed.values[(p * keys + from) * S::PANEL..][..len * S::PANEL];
                for t in 0..tiles {
                    let mut rows = [std::ptr::null(); MR];
                    for (i, row) in rows.iter_mut().enumerate() {
                        *row = scores[(t * MR + i) * KEYS..][..len].as_ptr();
                    }
                    let tile = &mut sums[t * MR * padded..][..MR * padded];
                    // SAFETY: rows and panel were sliced to `len` values and len × PANEL; rows of the tile are `padded`
                    // apart, of which PANEL columns from p × PANEL on are a part.
                    unsafe {
                        let sums = Sums { at: tile.as_mut_ptr().add(p * S::PANEL), stride: padded, fresh: false };
                        S::tile::<1>(&rows, panel.as_ptr(), len, sums);
                    }
                }
            }
        }

        for (i, ((_, total), sums)) in state.iter().zip(sums.chunks_exact(padded)).enumerate() {
            let at = self.start + (self.first + i) * channels + self.head;
            for j in (0..width).step_by(S::LANES) {
                // SAFETY: `sums` has whole panels; the result has room for this head of this query, which is no other
                // job's, and only values inside of it are written.
                unsafe {
                    let v = S::div(S::load(sums.as_ptr().add(j)), S::splat(*total));
                    store_part::<S>(self.result.0.add(at + j), S::LANES.min(width - j), v);
                }
            }
        }
    }
}

/// Turns the first `visible` scores into exponentials relative to the largest score so far, the others into 0, and brings
/// the query's state and `sums` of earlier keys to that scale.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn softmax<S: Simd>(row: &mut [f32], visible: usize, scale: f32, state: &mut (f32, f32), sums: &mut [f32]) {
    assert!(
        row.len() == KEYS && visible <= KEYS && KEYS.is_multiple_of(S::LANES) && sums.len().is_multiple_of(S::LANES)
    );
    row[visible..].fill(f32::NEG_INFINITY);
    let mut lanes = [0f32; 16];
    // SAFETY: rows and sums are whole vectors, as checked; `lanes` is as wide as the widest vector.
    unsafe {
        let mut largest = S::load(row.as_ptr());
        for j in (S::LANES..KEYS).step_by(S::LANES) {
            largest = S::max(largest, S::load(row.as_ptr().add(j)));
        }
        S::store(lanes.as_mut_ptr(), largest);
        let largest = lanes[..S::LANES].iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b)) * scale;
        if largest == f32::NEG_INFINITY {
            // No key of this block is visible.
            row.fill(0.0);
            return;
        }
        if largest > state.0 {
            let factor = (state.0 - largest).exp();
            for j in (0..sums.len()).step_by(S::LANES) {
                let at = sums.as_mut_ptr().add(j);
                S::store(at, S::mul(S::load(at), S::splat(factor)));
            }
            *state = (largest, state.1 * factor);
        }
        let (scale, shift) = (S::splat(scale), S::splat(-state.0));
        let mut total = S::splat(0.0);
        for j in (0..KEYS).step_by(S::LANES) {
            let at = row.as_mut_ptr().add(j);
            let e = exp::<S>(S::mul_add(S::load(at), scale, shift));
            total = S::add(total, e);
            S::store(at, e);
        }
        S::store(lanes.as_mut_ptr(), total);
        state.1 += lanes[..S::LANES].iter().sum::<f32>();
    }
    row[visible..].fill(0.0);
}
