//! What a product does besides multiplying, and how a kernel moves over an image.

use candle_core::Tensor;

/// A function of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// The value as it is.
    None,
    /// x · sigmoid(x).
    Silu,
    /// x·Φ(x), with the error function.
    Gelu,
    /// x·sigmoid(1.702·x), CLIP-L's activation.
    QuickGelu,
    /// The first half of the outputs times GELU of the second half.
    Geglu,
}

/// What a linear layer or a convolution does besides its product: activation(product + bias + shift) + residual, where values
/// below 0 are multiplied by their slope before the activation.
#[derive(Clone, Copy)]
pub struct Fused<'a> {
    /// (outputs)
    pub bias: Option<&'a Tensor>,
    /// (images, outputs): added at all positions of an image.
    pub shift: Option<&'a Tensor>,
    /// What is applied at the end.
    pub activation: Activation,
    /// (outputs): of a leaky or parametric ReLU.
    pub slope: Option<&'a Tensor>,
    /// Of the result's shape.
    pub residual: Option<&'a Tensor>,
}

impl Fused<'_> {
    /// The product alone.
    pub const NOTHING: Fused<'static> =
        Fused { bias: None, shift: None, activation: Activation::None, slope: None, residual: None };
}

/// How a kernel of 3×3 pixels moves over an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conv3x3 {
    /// With one pixel of padding on all sides.
    Same,
    /// The same in steps of two pixels.
    Halving,
    /// In steps of two pixels, with padding only at the right and the bottom, as the VAE encoder does it.
    HalvingAfter,
    /// With padding on all sides, over the image with each pixel doubled in both directions.
    Doubling,
    /// As [`Same`](Conv3x3::Same), but what lies beyond an edge is the opposite one: the image is a tile.
    Around,
    /// As [`Halving`](Conv3x3::Halving), around.
    HalvingAround,
    /// As [`Doubling`](Conv3x3::Doubling), around.
    DoublingAround,
}

impl Conv3x3 {
    /// The same over a tile. [`HalvingAfter`](Conv3x3::HalvingAfter) stays what it is, as in webui: its padding is none of the
    /// convolution's own.
    pub fn around(self) -> Self {
        match self {
            Conv3x3::Same => Conv3x3::Around,
            Conv3x3::Halving => Conv3x3::HalvingAround,
            Conv3x3::Doubling => Conv3x3::DoublingAround,
            other => other,
        }
    }

    pub(super) fn wraps(self) -> bool {
        matches!(self, Conv3x3::Around | Conv3x3::HalvingAround | Conv3x3::DoublingAround)
    }

    pub(super) fn stride(self) -> usize {
        match self {
            Conv3x3::Halving | Conv3x3::HalvingAround | Conv3x3::HalvingAfter => 2,
            Conv3x3::Same | Conv3x3::Around | Conv3x3::Doubling | Conv3x3::DoublingAround => 1,
        }
    }

    /// Padding above and left; below and right it is always 1.
    pub(super) fn before(self) -> usize {
        if self == Conv3x3::HalvingAfter { 0 } else { 1 }
    }

    pub(super) fn doubles(self) -> bool {
        matches!(self, Conv3x3::Doubling | Conv3x3::DoublingAround)
    }

    pub(super) fn output(self, len: usize) -> usize {
        let len = if self.doubles() { 2 * len } else { len };
        (len + self.before() + 1).saturating_sub(3) / self.stride() + 1
    }
}
