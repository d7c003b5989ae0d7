//! candle's operators, for every device and type of number.
//!
//! Of 16 bits are weights, activations and the products of linear layers, convolutions and attention. Softmax and the
//! statistics of norms are computed in f32 at least: in 16 bits their long sums lose all digits.

use std::sync::Arc;

use candle_core::{D, DType, Device, Result, Tensor};

use super::{
    Activation, Conv3x3, Fused, Held, LowRank, Moments, Operators, Stored, Weight, Work, Workspace, check_attention,
    nearest,
};

/// Scores are computed for as many queries at a time as keep them below this many values.
const SCORES: usize = 1 << 25;

/// candle's operators on one device.
#[derive(Debug, Clone)]
pub struct Candle {
    device: Device,
    dtype: DType,
}

impl Candle {
    /// Activations and weights have the type `dtype`.
    pub fn new(device: &Device, dtype: DType) -> Self {
        Candle { device: device.clone(), dtype }
    }

    /// The type of sums that are long.
    fn wide(&self) -> DType {
        if self.dtype == DType::F64 { DType::F64 } else { DType::F32 }
    }

    /// What is fused to a product, over its last axis.
    fn fused(&self, product: Tensor, fused: Fused<'_>) -> Result<Tensor> {
        let mut y = product;
        if let Some(bias) = fused.bias {
            y = y.broadcast_add(&bias.to_dtype(self.dtype)?)?;
        }
        if let Some(shift) = fused.shift {
            let mut shape = vec![1; y.rank()];
            (shape[0], shape[y.rank() - 1]) = shift.dims2()?;
            y = y.broadcast_add(&shift.reshape(shape)?)?;
        }
        if let Some(slope) = fused.slope {
            y = (y.relu()? - y.neg()?.relu()?.broadcast_mul(&slope.to_dtype(self.dtype)?)?)?;
        }
        y = match fused.activation {
            Activation::None => y,
            Activation::Silu => y.silu()?,
            Activation::Gelu => y.gelu_erf()?,
            Activation::QuickGelu => (&y * candle_nn::ops::sigmoid(&(&y * 1.702)?)?)?,
            Activation::Geglu => {
                let half = y.dim(D::Minus1)? / 2;
                (y.narrow(D::Minus1, 0, half)? * y.narrow(D::Minus1, half, half)?.gelu_erf()?)?
            }
        };
        match fused.residual {
            Some(residual) => y + residual,
            None => Ok(y),
        }
    }

    /// (x − mean) / √(variance + eps) over `axes`.
    fn normalised(&self, x: &Tensor, axes: &[usize], eps: f64) -> Result<Tensor> {
        let centred = x.broadcast_sub(&x.mean_keepdim(axes)?)?;
        let variance = centred.sqr()?.mean_keepdim(axes)?;
        centred.broadcast_div(&(variance + eps)?.sqrt()?)
    }
}

impl Operators for Candle {
    fn device(&self) -> &Device {
        &self.device
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn exact(&self) -> Arc<dyn Operators> {
        Arc::new(Candle { device: self.device.clone(), dtype: DType::F32 })
    }

    fn weight(&self, stored: Stored<'_>, changes: &[LowRank], _: Held) -> Result<Weight> {
        stored.check(changes)?;
        let shape = stored.shape;
        let dims = [shape.outputs, shape.row()];
        // Uploaded as the file has it: half the bytes, where they have 16 bits.
        let mut value = Tensor::from_raw_buffer(stored.bytes, stored.number.dtype(), &dims, &self.device)?;
        if !changes.is_empty() {
            value = value.to_dtype(self.wide())?;
        }
        for LowRank { rows, rank, up, down } in
            changes.iter().filter(|change| change.rank > 0 && !change.rows.is_empty())
        {
            let up = Tensor::from_slice(up, (rows.len(), *rank), &self.device)?.to_dtype(self.wide())?;
            let down = Tensor::from_slice(down, (*rank, shape.row()), &self.device)?.to_dtype(self.wide())?;
            let changed = (value.narrow(0, rows.start, rows.len())? + up.matmul(&down)?)?;
            value = match rows.len() == shape.outputs {
                true => changed,
                false => value.slice_assign(&[rows.clone(), 0..shape.row()], &changed)?,
            };
        }
        let value = value.to_dtype(self.dtype)?;
        Ok(Weight::Tensor(match shape.taps {
            9 => value.reshape((shape.outputs, shape.inputs, 3, 3))?,
            _ => value,
        }))
    }

    fn linear(&self, x: &Tensor, weight: &Weight, fused: Fused<'_>) -> Result<Tensor> {
        let weight = weight.tensor()?;
        let (outputs, inputs) = weight.dims2()?;
        let mut shape = x.dims().to_vec();
        let rows = x.elem_count() / inputs.max(1);
        match shape.last_mut() {
            Some(last) if *last == inputs => *last = outputs,
            _ => candle_core::bail!("linear: {:?} does not fit a weight of {:?}", x.shape(), weight.shape()),
        }
        // One matrix of all rows: a batched product would multiply the same weight once per batch entry.
        self.fused(x.reshape((rows, inputs))?.matmul(&weight.t()?)?.reshape(shape)?, fused)
    }

    fn conv3x3(&self, x: &Tensor, weight: &Weight, kind: Conv3x3, fused: Fused<'_>) -> Result<Tensor> {
        let mut x = x.permute((0, 3, 1, 2))?;
        if kind.doubles() {
            let (_, _, height, width) = x.dims4()?;
            x = x.upsample_nearest2d(2 * height, 2 * width)?;
        }
        let x = match kind.wraps() {
            true => wrapped(&wrapped(&x, 2)?, 3)?,
            false => x.pad_with_zeros(2, kind.before(), 1)?.pad_with_zeros(3, kind.before(), 1)?,
        };
        let y = x.contiguous()?.conv2d(weight.tensor()?, 0, kind.stride(), 1, 1)?;
        self.fused(y.permute((0, 2, 3, 1))?.contiguous()?, fused)
    }

    fn attention(&self, q: &Tensor, k: &Tensor, v: &Tensor, heads: usize, causal: bool) -> Result<Tensor> {
        check_attention(q, k, v, heads)?;
        let (batch, queries, channels) = q.dims3()?;
        let (_, keys, _) = k.dims3()?;
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
            let mut scores = q.narrow(2, first, rows)?.contiguous()?.matmul(&k)?.to_dtype(self.wide())?;
            if causal {
                scores = scores.broadcast_add(&causal_mask(first, rows, keys, &self.device)?.to_dtype(self.wide())?)?;
            }
            parts.push(candle_nn::ops::softmax_last_dim(&scores)?.to_dtype(self.dtype)?.matmul(&v)?);
        }
        let joined = match parts.as_slice() {
            [part] => part.clone(),
            parts => Tensor::cat(parts, 2)?,
        };
        joined.transpose(1, 2)?.contiguous()?.reshape((batch, queries, channels))
    }

    fn layer_norm(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
        let wide = self.wide();
        let y = self.normalised(&x.to_dtype(wide)?, &[x.rank().saturating_sub(1)], eps)?;
        y.broadcast_mul(&weight.to_dtype(wide)?)?.broadcast_add(&bias.to_dtype(wide)?)?.to_dtype(self.dtype)
    }

    fn group_norm(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        groups: usize,
        eps: f64,
        silu: bool,
    ) -> Result<Tensor> {
        let wide = self.wide();
        let shape = x.shape().clone();
        let (batch, channels) = (x.dim(0)?, x.dim(D::Minus1)?);
        if groups == 0 || !channels.is_multiple_of(groups) {
            candle_core::bail!("group_norm: {shape:?} does not divide into {groups} groups");
        }
        let y = x.to_dtype(wide)?.reshape((batch, (), groups, channels / groups))?;
        let y = self.normalised(&y, &[1, 3], eps)?.reshape(shape)?;
        let y = y.broadcast_mul(&weight.to_dtype(wide)?)?.broadcast_add(&bias.to_dtype(wide)?)?;
        if silu { y.silu()? } else { y }.to_dtype(self.dtype)
    }

    fn see(&self, part: &Tensor, moments: &mut Moments) -> Result<()> {
        let channels = part.dim(D::Minus1)?;
        let rows = part.to_dtype(self.wide())?.reshape(((), channels))?;
        let numbers = |sums: Tensor| sums.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.to_vec1::<f64>();
        let (sums, squares) = (numbers(rows.sum(0)?)?, numbers(rows.sqr()?.sum(0)?)?);
        moments.add(rows.dim(0)?, [sums.into_iter().zip(squares).collect()]);
        Ok(())
    }

    fn scaled_silu(&self, x: &Tensor, scale: &Tensor, shift: &Tensor) -> Result<Tensor> {
        let wide = self.wide();
        let y = x.to_dtype(wide)?.broadcast_mul(&scale.to_dtype(wide)?)?.broadcast_add(&shift.to_dtype(wide)?)?;
        y.silu()?.to_dtype(self.dtype)
    }

    fn resize_nearest(&self, x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
        let (_, h, w, _) = x.dims4()?;
        if (h, w) == (height, width) {
            return Ok(x.clone());
        }
        let places = |from, to| {
            let places: Vec<u32> = nearest(from, to).into_iter().map(|i| i as u32).collect();
            Tensor::new(places, &self.device)
        };
        x.contiguous()?.index_select(&places(h, height)?, 1)?.index_select(&places(w, width)?, 2)
    }

    fn workspace(&self, work: Work) -> Workspace {
        let (size, wide) = (self.dtype.size_in_bytes(), self.wide().size_in_bytes());
        match work {
            // Turned and with a border; on a card each pixel with its neighbours, as it is multiplied; the product before it is turned
            // back.
            Work::Conv3x3 { from, to, inputs, outputs } => {
                let neighbours = if self.device.is_cpu() { 0 } else { 9 * to };
                Workspace::beside((2 * from + neighbours) * inputs + to * outputs, size)
            }
            // The product before what is fused to it.
            Work::Linear { rows, outputs, .. } => Workspace::beside(rows * outputs, size),
            // Queries, keys and values by heads; scores, and what softmax makes of them.
            Work::Attention { images, queries, keys, heads, channels } => {
                let scores = (images * heads * keys * queries).min(SCORES.max(images * heads * keys));
                let by_heads = images * channels * (3 * queries + 3 * keys);
                Workspace::beside(by_heads * size + scores * (2 * wide + size), 1)
            }
            // Centred, squared and scaled.
            Work::Norm { values } => Workspace::beside(3 * values, wide),
        }
    }
}

/// With the opposite edge on both sides of an axis.
fn wrapped(x: &Tensor, axis: usize) -> Result<Tensor> {
    let last = x.dim(axis)?.saturating_sub(1);
    Tensor::cat(&[&x.narrow(axis, last, 1)?, x, &x.narrow(axis, 0, 1)?], axis)
}

/// −∞ where a key comes after its query. (rows, keys)
fn causal_mask(first: usize, rows: usize, keys: usize, device: &Device) -> Result<Tensor> {
    let mask: Vec<f32> = (first..first + rows)
        .flat_map(|query| (0..keys).map(move |key| if key > query { f32::NEG_INFINITY } else { 0.0 }))
        .collect();
    Tensor::from_vec(mask, (rows, keys), device)
}
