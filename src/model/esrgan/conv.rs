//! The 3×3 convolutions of the upscalers.

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};

use super::tensors::Tensors;
use crate::diagnostic::Text;
use crate::model::ops::{Conv3x3, Fused, Held, NumberType, Operators, Order, Shape, Stored, Weight};
use crate::say;

/// Where a network takes its parameters from. What is missing or ill-shaped is collected, so that all of it is told at once.
pub(super) struct Source {
    tensors: Tensors,
    operators: Arc<dyn Operators>,
    problems: Vec<Text>,
}

impl Source {
    pub fn new(tensors: Tensors, operators: Arc<dyn Operators>) -> Self {
        Source { tensors, operators, problems: Vec::new() }
    }

    pub fn operators(&self) -> &Arc<dyn Operators> {
        &self.operators
    }

    /// What was missing or wrong, and what nothing has taken: a network without it would be another one.
    pub fn problems(self) -> Vec<Text> {
        let mut problems = self.problems;
        if let Some(name) = self.tensors.keys().next() {
            let more = self.tensors.len() - 1;
            problems.push(say!(
                "{name} and {more} more tensors have no place in this network",
                "{name} ほか {more} 個のテンソルは、このネットワークに居場所がありません"
            ));
        }
        problems
    }

    /// The tensor `name` of this shape, of finite numbers. Where there is none a problem is noted, and nothing of that size made.
    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Option<Tensor>> {
        let problem = match self.tensors.remove(name) {
            None => say!("{name} {shape:?} is missing", "{name} {shape:?} がありません"),
            Some(tensor) if tensor.dims() != shape => {
                let found = tensor.dims();
                say!("{name} is {found:?}, not {shape:?}", "{name} は {shape:?} のはずが {found:?} です")
            }
            Some(tensor) => {
                let tensor = match tensor.dtype() {
                    DType::F32 | DType::F16 | DType::BF16 => tensor,
                    _ => tensor.to_dtype(DType::F32)?,
                };
                // A sum is finite only if all its parts are.
                let sum = tensor.to_dtype(DType::F32)?.abs()?.sum_all()?.to_scalar::<f32>()?;
                if sum.is_finite() {
                    return Ok(Some(tensor));
                }
                say!("{name} holds numbers that are not finite", "{name} に有限でない数があります")
            }
        };
        self.problems.push(problem);
        Ok(None)
    }

    /// (outputs) in f32.
    pub fn vector(&mut self, name: &str, len: usize) -> Result<Tensor> {
        match self.take(name, &[len])? {
            Some(vector) => vector.to_dtype(DType::F32)?.contiguous()?.to_device(self.operators.device()),
            None => nothing(),
        }
    }
}

/// activation(convolution + bias)
pub(super) struct Conv {
    operators: Arc<dyn Operators>,
    weight: Weight,
    bias: Tensor,
    /// Of the ReLU behind it, if there is one.
    slope: Option<Tensor>,
}

impl Conv {
    /// `NAME.weight` (outputs, inputs, 3, 3) and `NAME.bias`.
    pub fn new(source: &mut Source, name: &str, inputs: usize, outputs: usize) -> Result<Self> {
        let weight = source.take(&format!("{name}.weight"), &[outputs, inputs, 3, 3])?;
        let weight = match weight {
            None => Weight::Tensor(nothing()?),
            Some(weight) => {
                let shape = Shape { outputs, inputs, taps: 9, order: Order::Plain };
                let (number, bytes) = bytes(&weight)?;
                source.operators.weight(Stored { bytes: &bytes, number, shape }, &[], Held::Exact)?
            }
        };
        let bias = source.vector(&format!("{name}.bias"), outputs)?;
        Ok(Conv { operators: source.operators.clone(), weight, bias, slope: None })
    }

    /// With a leaky ReLU behind it.
    pub fn leaky(source: &mut Source, name: &str, inputs: usize, outputs: usize) -> Result<Self> {
        let conv = Conv::new(source, name, inputs, outputs)?;
        let slope = Some(Tensor::full(super::LEAKY, conv.bias.dims(), source.operators.device())?);
        Ok(Conv { slope, ..conv })
    }

    /// With a parametric ReLU behind it, whose slopes are `RELU.weight`.
    pub fn parametric(source: &mut Source, name: &str, relu: &str, inputs: usize, outputs: usize) -> Result<Self> {
        let conv = Conv::new(source, name, inputs, outputs)?;
        Ok(Conv { slope: Some(source.vector(&format!("{relu}.weight"), outputs)?), ..conv })
    }

    /// (b, h, w, inputs) → (b, h, w, outputs)
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.fused(x, Conv3x3::Same, None)
    }

    /// Over the image with each pixel doubled: → (b, 2h, 2w, outputs)
    pub fn doubling(&self, x: &Tensor) -> Result<Tensor> {
        self.fused(x, Conv3x3::Doubling, None)
    }

    /// `residual` + y
    pub fn forward_onto(&self, residual: &Tensor, x: &Tensor) -> Result<Tensor> {
        self.fused(x, Conv3x3::Same, Some(residual))
    }

    fn fused(&self, x: &Tensor, kind: Conv3x3, residual: Option<&Tensor>) -> Result<Tensor> {
        self.operators.conv3x3(x, &self.weight, kind, Fused { residual, ..self.epilogue() })
    }

    /// Bias and activation.
    pub fn epilogue(&self) -> Fused<'_> {
        Fused { bias: Some(&self.bias), slope: self.slope.as_ref(), ..Fused::NOTHING }
    }

    /// The kernel, as the operators want it.
    pub fn weight(&self) -> &Weight {
        &self.weight
    }
}

/// In place of a tensor that is missing: the network is not used then.
fn nothing() -> Result<Tensor> {
    Tensor::zeros(0, DType::F32, &Device::Cpu)
}

/// The little-endian bytes of a tensor's numbers.
fn bytes(tensor: &Tensor) -> Result<(NumberType, Vec<u8>)> {
    let flat = tensor.flatten_all()?;
    Ok(match flat.dtype() {
        DType::F16 => (NumberType::F16, flat.to_vec1::<half::f16>()?.iter().flat_map(|v| v.to_le_bytes()).collect()),
        DType::BF16 => (NumberType::BF16, flat.to_vec1::<half::bf16>()?.iter().flat_map(|v| v.to_le_bytes()).collect()),
        _ => (NumberType::F32, flat.to_vec1::<f32>()?.iter().flat_map(|v| v.to_le_bytes()).collect()),
    })
}
