//! Between candle's tensors and slices.

use std::ops::Deref;

use candle_core::{Device, Layout, Result, Shape, Storage, Tensor};

/// Read access to the values of a contiguous f32 tensor on the CPU.
pub(super) struct Values<'a> {
    storage: Box<dyn Deref<Target = Storage> + 'a>,
    layout: &'a Layout,
}

impl<'a> Values<'a> {
    pub fn of(tensor: &'a Tensor) -> Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        Ok(Values { storage: Box::new(storage), layout })
    }

    pub fn slice(&self) -> Result<&[f32]> {
        let Storage::Cpu(storage) = &**self.storage else {
            candle_core::bail!("a kernel of the CPU was given a tensor of another device")
        };
        let Some((start, end)) = self.layout.contiguous_offsets() else {
            candle_core::bail!("a kernel was given a tensor that is not contiguous")
        };
        match storage.as_slice::<f32>()?.get(start..end) {
            Some(values) => Ok(values),
            None => candle_core::bail!("a tensor reaches beyond its storage"),
        }
    }
}

pub(super) fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(values, shape.into(), &Device::Cpu)
}

/// The f32 values of a contiguous tensor in CPU memory.
pub(super) fn values<'a>(storage: &'a candle_core::CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (start, end) = layout
        .contiguous_offsets()
        .ok_or_else(|| candle_core::Error::Msg("a kernel was given a tensor that is not contiguous".into()))?;
    storage
        .as_slice::<f32>()?
        .get(start..end)
        .ok_or_else(|| candle_core::Error::Msg("a tensor reaches beyond its storage".into()))
}
