//! Multi-head attention.

use candle_core::{Device, Result, Tensor};

/// Scores are computed for as many queries at a time as keep them below this many values.
const SCORES: usize = 1 << 25;

/// softmax(q·kᵀ/√width)·v per head; `causal` hides later tokens.
///
/// q (b, n, heads·width), k and v (b, m, heads·width) → (b, n, heads·width)
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize, causal: bool) -> Result<Tensor> {
    let (batch, queries, channels) = q.dims3()?;
    let (_, keys, _) = k.dims3()?;
    if heads == 0 || channels % heads != 0 {
        candle_core::bail!("attention: {channels} channels do not divide into {heads} heads");
    }
    let width = channels / heads;
    let split = |x: &Tensor| {
        let (batch, tokens, _) = x.dims3()?;
        x.reshape((batch, tokens, heads, width))?.transpose(1, 2)?.contiguous()
    };
    let q = (split(q)? * (width as f64).powf(-0.5))?;
    let (k, v) = (split(k)?.t()?, split(v)?);

    let step = (SCORES / (batch * heads * keys).max(1)).clamp(1, queries.max(1));
    let mut parts = Vec::new();
    for first in (0..queries).step_by(step) {
        let rows = step.min(queries - first);
        let mut scores = q.narrow(2, first, rows)?.contiguous()?.matmul(&k)?;
        if causal {
            scores = scores.broadcast_add(&causal_mask(first, rows, keys, scores.device())?)?;
        }
        parts.push(candle_nn::ops::softmax_last_dim(&scores)?.matmul(&v)?);
    }
    let joined = match parts.as_slice() {
        [part] => part.clone(),
        parts => Tensor::cat(parts, 2)?,
    };
    joined.transpose(1, 2)?.contiguous()?.reshape((batch, queries, channels))
}

/// −∞ where a key comes after its query. (rows, keys)
fn causal_mask(first: usize, rows: usize, keys: usize, device: &Device) -> Result<Tensor> {
    let mask: Vec<f32> = (first..first + rows)
        .flat_map(|query| (0..keys).map(move |key| if key > query { f32::NEG_INFINITY } else { 0.0 }))
        .collect();
    Tensor::from_vec(mask, (rows, keys), device)
}
