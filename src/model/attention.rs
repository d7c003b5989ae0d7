//! The UNet's attention.
//!
//! What cross-attention makes of a text, its keys and values, does not depend on the step. It is kept for the last few texts
//! and made anew where a weight changes. A text is known by the identity of its tensor: whoever asks for many steps gives the
//! same tensor each time.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Result, Tensor, TensorId};

use super::builder::Builder;
use super::layers::Linear;
use super::ops::Operators;

/// Attention of several heads.
pub struct Attention {
    operators: Arc<dyn Operators>,
    heads: usize,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
}

impl Attention {
    pub fn new(b: &mut Builder, prefix: &str, channels: usize, context_dim: usize) -> Self {
        Attention {
            operators: b.operators().clone(),
            heads: b.architecture().unet.heads.count(channels),
            to_q: Linear::without_bias(b, &format!("{prefix}.to_q"), channels, channels),
            to_k: Linear::without_bias(b, &format!("{prefix}.to_k"), context_dim, channels),
            to_v: Linear::without_bias(b, &format!("{prefix}.to_v"), context_dim, channels),
            to_out: Linear::new(b, &format!("{prefix}.to_out.0"), channels, channels),
        }
    }

    /// The number of heads.
    pub fn heads(&self) -> usize {
        self.heads
    }

    /// Of a context (b, m, context_dim): (b, m, channels) each.
    pub fn keys_and_values(&self, context: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok((self.to_k.forward(context)?, self.to_v.forward(context)?))
    }

    /// Attention of x (b, n, channels) to keys `k` and values `v`: (b, n, channels)
    pub fn forward(&self, x: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let q = self.to_q.forward(x)?;
        self.to_out.forward(&self.operators.attention(&q, k, v, self.heads, false)?)
    }

    /// `residual` + attention of x (b, n, channels) to keys `k` and values `v`: (b, n, channels)
    pub fn forward_onto(&self, residual: &Tensor, x: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let q = self.to_q.forward(x)?;
        self.to_out.forward_onto(residual, &self.operators.attention(&q, k, v, self.heads, false)?)
    }
}

/// Of how many texts keys and values are kept: a prompt and a negative prompt of another length take turns at every step.
const KEPT_TEXTS: usize = 2;

/// Attention to a text.
pub struct CrossAttention {
    attention: Attention,
    kept: Mutex<Vec<KeysAndValues>>,
}

struct KeysAndValues {
    text: TensorId,
    versions: (u64, u64),
    k: Tensor,
    v: Tensor,
}

impl CrossAttention {
    pub fn new(b: &mut Builder, prefix: &str, channels: usize, context_dim: usize) -> Self {
        CrossAttention { attention: Attention::new(b, prefix, channels, context_dim), kept: Mutex::default() }
    }

    /// `residual` + attention of x (b, n, channels) to a text (b, m, context_dim) of any type of number: (b, n, channels)
    pub fn forward_onto(&self, residual: &Tensor, x: &Tensor, text: &Tensor) -> Result<Tensor> {
        let (k, v) = self.keys_and_values(text)?;
        self.attention.forward_onto(residual, x, &k, &v)
    }

    fn keys_and_values(&self, text: &Tensor) -> Result<(Tensor, Tensor)> {
        let versions = (self.attention.to_k.version(), self.attention.to_v.version());
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = kept().iter().find(|made| made.text == text.id() && made.versions == versions) {
            return Ok((made.k.clone(), made.v.clone()));
        }
        let (k, v) = self.attention.keys_and_values(&text.to_dtype(self.attention.operators.dtype())?)?;
        let mut kept = kept();
        kept.retain(|made| made.versions == versions);
        if kept.len() == KEPT_TEXTS {
            kept.remove(0);
        }
        kept.push(KeysAndValues { text: text.id(), versions, k: k.clone(), v: v.clone() });
        Ok((k, v))
    }
}
