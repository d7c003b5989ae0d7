//! The operators of the hot path, channels last.
//!
//! On the CPU those where candle's own lose most are ours (candle custom ops); every other device runs the plain candle
//! expression that stands beside each of them and is its test. Kernels take f32 and contiguous inputs, and their results do
//! not depend on the number of threads: work is cut by shape alone.

mod attention;
mod conv;
mod elementwise;
mod norm;
mod resize;

pub use attention::attention;
pub use conv::{conv3x3, conv3x3_padded};
pub use elementwise::{geglu, gelu, quick_gelu};
pub use norm::{group_norm, layer_norm};
pub use resize::{resize_nearest, upsample2};

use candle_core::{CpuStorage, Layout, Result, Tensor};

/// x·Wᵀ + b over the last axis: x (…, inputs), weight (outputs, inputs), bias (outputs).
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (outputs, inputs) = weight.dims2()?;
    let mut shape = x.dims().to_vec();
    let rows = x.elem_count() / inputs.max(1);
    if let Some(last) = shape.last_mut() {
        *last = outputs;
    }
    // One matrix of all rows: a batched product would multiply the same weight once per batch entry.
    let y = x.reshape((rows, inputs))?.matmul(&weight.t()?)?;
    let y = match bias {
        Some(bias) => y.broadcast_add(bias)?,
        None => y,
    };
    y.reshape(shape)
}

/// The f32 values of a contiguous tensor in CPU memory.
fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (start, end) = layout
        .contiguous_offsets()
        .ok_or_else(|| candle_core::Error::Msg("a kernel was given a tensor that is not contiguous".into()))?;
    storage
        .as_slice::<f32>()?
        .get(start..end)
        .ok_or_else(|| candle_core::Error::Msg("a tensor reaches beyond its storage".into()))
}
