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
