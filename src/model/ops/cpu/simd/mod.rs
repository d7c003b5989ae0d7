//! Vectors of the running processor.
//!
//! Every kernel is written once, over [`Simd`]; a path differs from another in its one-line intrinsics and the size of its
//! tile only. [`Isa::run`] enters code that the compiler may fill with the path's instructions: whatever is marked
//! `inline(always)` below it is compiled for that path.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;
mod tile;
#[cfg(target_arch = "x86_64")]
mod transpose;

use half::{bf16, f16};

pub(super) use tile::{MR, Sums, UNROLLED};

/// Values of the widest vector.
pub(super) const MAX_LANES: usize = 16;

/// Columns of the widest tile.
pub(super) const MAX_PANEL: usize = 4 * MAX_LANES;

/// Numbers that are transposed at a time. All panels are so many columns, or a multiple of it.
pub(super) const SIDE: usize = 8;

/// A set of instructions that kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// What every processor of the target architecture has.
    Portable,
    /// AVX2 with FMA and F16C.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512F.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// Work that is compiled once per path.
pub(super) trait Task {
    /// # Safety
    /// The processor has the instructions of `S`. Implementations are `inline(always)`.
    unsafe fn run<S: Simd>(self);
}

impl Isa {
    /// All paths, the best last.
    pub const ALL: &[Isa] = &[
        Isa::Portable,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512,
    ];

    /// As the environment variable has it.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => "avx512",
        }
    }

    /// Whether the running processor has the instructions.
    pub fn is_available(self) -> bool {
        match self {
            Isa::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => {
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => Isa::Avx2.is_available() && is_x86_feature_detected!("avx512f"),
        }
    }

    pub(super) fn run(self, task: impl Task) {
        assert!(self.is_available(), "{self:?} is not available on this processor");
        // SAFETY: the processor has the instructions, as just checked.
        match self {
            Isa::Portable => unsafe { task.run::<portable::Portable>() },
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { avx2::run(task) },
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { avx512::run(task) },
        }
    }

    /// Columns of a panel: the width of the tile that the path computes at once.
    pub(super) fn panel(self) -> usize {
        match self {
            Isa::Portable => portable::Portable::PANEL,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2::Avx2::PANEL,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => avx512::Avx512::PANEL,
        }
    }
}

/// Vectors of f32.
///
/// # Safety
/// All functions need the path's instructions; those that take pointers need them valid for [`Simd::LANES`] values (without
/// alignment).
pub(super) trait Simd: Copy {
    const LANES: usize;
    /// Vectors in a row of the tile.
    const VECTORS: usize;
    /// Columns of the tile.
    const PANEL: usize = Self::LANES * Self::VECTORS;
    /// Rows of a panel that stay in the first-level cache.
    const STEP: usize;
    type V: Copy;

    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn load_f16(from: *const f16) -> Self::V;
    unsafe fn load_bf16(from: *const bf16) -> Self::V;
    unsafe fn store(to: *mut f32, v: Self::V);
    /// to\[i·stride + j\] = rows\[j\]\[i\], for [`SIDE`] rows of [`SIDE`] little-endian numbers of 16 bits.
    unsafe fn transpose_16_bits(rows: &[*const u8; SIDE], to: *mut u16, stride: usize);
    /// to\[k·MR + i\] = rows\[i\]\[k\], plus others\[i\]\[k\] times a factor, for [`MR`] rows of `count` values.
    unsafe fn interleave(rows: &[*const f32; MR], plus: Option<(&[*const f32; MR], f32)>, count: usize, to: *mut f32);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// a·b + c
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    /// 2ⁿ for whole numbers −126 ≤ n ≤ 127.
    unsafe fn exp2_whole(n: Self::V) -> Self::V;
    /// To the nearest whole number.
    unsafe fn round(v: Self::V) -> Self::V;
    /// `a` where x < 0, else `b`.
    unsafe fn if_negative(x: Self::V, a: Self::V, b: Self::V) -> Self::V;

    /// See [`tile::tile`].
    unsafe fn tile<const STRIDE: usize>(rows: &[*const f32; MR], panel: *const f32, k: usize, sums: Sums);

    /// The same for the first half of the columns only, in panels and sums of the same layout.
    unsafe fn half_tile(rows: &[*const f32; MR], panel: *const f32, k: usize, sums: Sums);
}
