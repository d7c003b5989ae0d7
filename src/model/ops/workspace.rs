//! What operators take beside their operands and results, for estimates of memory.

/// Something that a set of operators is to do.
#[derive(Debug, Clone, Copy)]
pub enum Work {
    /// A 3×3 convolution of so many pixels, of all images, to so many.
    Conv3x3 {
        /// Pixels that go in.
        from: usize,
        /// Pixels that come out.
        to: usize,
        /// Channels that go in.
        inputs: usize,
        /// Channels that come out.
        outputs: usize,
    },
    /// A product over the last axis.
    Linear {
        /// Of all images.
        rows: usize,
        /// Of one image.
        rows_of_image: usize,
        /// Values of a row that goes in.
        inputs: usize,
        /// Values of a row that comes out.
        outputs: usize,
    },
    /// Attention of several heads.
    Attention {
        /// Images or texts.
        images: usize,
        /// Of each.
        queries: usize,
        /// Of each.
        keys: usize,
        /// Into which the channels are divided.
        heads: usize,
        /// Of queries, keys and values.
        channels: usize,
    },
    /// A normalisation of so many values.
    Norm {
        /// Of all images.
        values: usize,
    },
}

/// What is held of a device beside the tensors that a program has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overhead {
    /// Bytes before there is a tensor: code, tables, what threads or kernels work in.
    pub own: u64,
    /// Eighths of the tensors that lie between them where memory is [spared](super::Operators::spare).
    pub spared: u64,
    /// The same where it is not.
    pub unspared: u64,
}

impl Overhead {
    /// Measured with pictures of 256² to 1024² and one or two threads: 90 to 200 MiB more are resident than tensors take, for code, tables,
    /// what threads work in and what the allocator keeps; once, at 512², 260 MiB.
    pub(super) const CPU: Self = Overhead { own: 128 << 20, spared: 0, unspared: 0 };
    /// Measured on an H100 and an H200 with pictures of SDXL's size: 630 MiB with next to no tensor, and 11 to 13 % or 18 to 25 % more
    /// than tensors took.
    pub(super) const CARD: Self = Overhead { own: 640 << 20, spared: 1, unspared: 2 };

    /// Bytes that are held for so many of tensors.
    pub fn held(self, tensors: u64) -> u64 {
        self.with(tensors, self.spared)
    }

    /// Whether so many bytes of tensors are held in `most` only where memory is spared.
    pub fn is_tight(self, tensors: u64, most: u64) -> bool {
        self.unspared > self.spared && self.with(tensors, self.unspared) > most
    }

    /// Bytes of tensors that are held in `most`; `None` where not even what comes before them is.
    pub fn tensors(self, most: u64) -> Option<u64> {
        Some((u128::from(most.checked_sub(self.own)?) * 8 / u128::from(8 + self.spared)) as u64)
    }

    fn with(self, tensors: u64, eighths: u64) -> u64 {
        self.own.saturating_add(tensors).saturating_add(tensors.div_ceil(8).saturating_mul(eighths))
    }
}

impl Default for Overhead {
    fn default() -> Self {
        Overhead::CPU
    }
}

/// Bytes beside operands and result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Workspace {
    /// As long as the work lasts.
    pub beside: u64,
    /// Kept for the next work of any kind; the largest counts.
    pub kept: u64,
}

impl Workspace {
    /// So many numbers of `size` bytes as long as the work lasts.
    pub(super) fn beside(numbers: usize, size: usize) -> Self {
        Workspace { beside: (numbers * size) as u64, kept: 0 }
    }

    /// So many numbers of `size` bytes that are kept.
    pub(super) fn kept(numbers: usize, size: usize) -> Self {
        Workspace { beside: 0, kept: (numbers * size) as u64 }
    }
}
