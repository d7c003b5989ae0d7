//! Which operators an engine computes with.

use std::str::FromStr;
use std::sync::Arc;

use candle_core::{DType, Device};

use super::{Candle, Cpu, Isa, Operators};
use crate::diagnostic::{Said, Text};
use crate::say;

/// Which operators an engine computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OperatorChoice {
    /// The fastest in the device's usual type of number: ours in f32 on the CPU, f16 on every other device.
    #[default]
    Best,
    /// The fastest that compute in this type.
    In(Precision),
    /// Ours, with these instructions.
    Cpu(Isa),
    /// candle's, with activations and weights of this type; the VAE and what else would lose digits stays in f32.
    Candle(DType),
}

/// The type of number that networks compute in. Softmax, the statistics of norms, guidance, the states of samplers and the VAE are
/// in f32 whatever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits.
    F32,
    /// 16 bits, IEEE half precision.
    F16,
    /// 16 bits, the upper half of 32: three bits less than f16, which pictures show.
    Bf16,
}

impl Precision {
    /// The usual one of a device.
    pub fn usual(device: &Device) -> Self {
        if device.is_cpu() { Precision::F32 } else { Precision::F16 }
    }

    /// As flags and messages call it.
    pub fn name(self) -> &'static str {
        self.dtype().as_str()
    }

    fn dtype(self) -> DType {
        match self {
            Precision::F32 => DType::F32,
            Precision::F16 => DType::F16,
            Precision::Bf16 => DType::BF16,
        }
    }
}

/// Why the operators that were asked for are not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum OperatorError {
    Unknown { asked: String },
    Unavailable { asked: &'static str },
    Device { asked: &'static str },
    Type { asked: &'static str },
    Narrow { asked: &'static str, precision: Precision },
    NoBf16,
}

impl Said for OperatorError {
    fn said(&self) -> Text {
        match self {
            OperatorError::Unknown { asked } => {
                let names = names(|_| true);
                say!(
                    "`{asked}` is not known; use {names} or candle, or leave it out for the fastest",
                    "`{asked}` はありません。{names}、candle のどれかにするか、最も速いものでよければ指定しないでください"
                )
            }
            OperatorError::Unavailable { asked } => {
                let names = names(Isa::is_available);
                say!(
                    "{asked}: this processor does not have these instructions; it can run {names} and candle",
                    "{asked}: このプロセッサーにはこの命令がありません。{names} と candle は動きます"
                )
            }
            OperatorError::Device { asked } => say!(
                "{asked} is for the CPU only; leave it out for other devices, or use candle",
                "{asked} は CPU 専用です。ほかのデバイスでは指定しないか、candle にしてください"
            ),
            OperatorError::Type { asked } => say!(
                "models do not compute in {asked}; use f32, f16 or bf16",
                "モデルは {asked} では計算しません。f32、f16、bf16 のどれかにしてください"
            ),
            OperatorError::NoBf16 => say!(
                "the CPU multiplies no matrices in bf16 here; use f16, or leave --precision out for f32",
                "ここの CPU は bf16 で行列の積を計算できません。f16 にするか、--precision を外して f32 にしてください"
            ),
            OperatorError::Narrow { asked, precision } => {
                let precision = precision.name();
                say!(
                    "{asked} computes in f32 only, not in {precision}; use candle, or leave one of the two out",
                    "{asked} は f32 だけで計算し、{precision} では計算しません。candle にするか、どちらかの指定をやめてください"
                )
            }
        }
    }
}

fn names(which: impl Fn(Isa) -> bool) -> String {
    Isa::ALL.iter().filter(|isa| which(**isa)).map(|isa| isa.name()).collect::<Vec<_>>().join(", ")
}

impl OperatorChoice {
    /// The same, computing in `precision` if it is given.
    pub fn in_precision(self, precision: Option<Precision>) -> Result<Self, OperatorError> {
        Ok(match (self, precision) {
            (OperatorChoice::Best | OperatorChoice::In(_), Some(precision)) => OperatorChoice::In(precision),
            (OperatorChoice::Candle(_), Some(precision)) => OperatorChoice::Candle(precision.dtype()),
            (OperatorChoice::Cpu(isa), Some(precision)) if precision != Precision::F32 => {
                return Err(OperatorError::Narrow { asked: isa.name(), precision });
            }
            (choice, _) => choice,
        })
    }

    /// The type of number that these compute in on `device`.
    pub fn precision(self, device: &Device) -> Precision {
        match self {
            OperatorChoice::Best => Precision::usual(device),
            OperatorChoice::In(precision) => precision,
            OperatorChoice::Candle(DType::F16) => Precision::F16,
            OperatorChoice::Candle(DType::BF16) => Precision::Bf16,
            OperatorChoice::Cpu(_) | OperatorChoice::Candle(_) => Precision::F32,
        }
    }

    /// Whether [`OperatorChoice::open`] can open it there, as far as that is known without opening.
    pub fn fits(self, device: &Device) -> Result<(), OperatorError> {
        match self {
            _ if device.is_cpu() && self.precision(device) == Precision::Bf16 => Err(OperatorError::NoBf16),
            OperatorChoice::Cpu(isa) if !device.is_cpu() => Err(OperatorError::Device { asked: isa.name() }),
            _ => Ok(()),
        }
    }

    /// The operators for `device`.
    pub fn open(self, device: &Device) -> Result<Arc<dyn Operators>, OperatorError> {
        self.fits(device)?;
        let candle = |dtype| Arc::new(Candle::new(device, dtype));
        Ok(match self {
            OperatorChoice::Best => return OperatorChoice::In(Precision::usual(device)).open(device),
            // Without optimisation every instruction is a function call: candle's operators, which are compiled on their own,
            // are then much faster.
            OperatorChoice::In(Precision::F32) if device.is_cpu() && !cfg!(unoptimised) => Arc::new(Cpu::best()),
            #[cfg(feature = "cuda")]
            OperatorChoice::In(precision) if device.is_cuda() => match super::Cuda::new(device, precision.dtype()) {
                Some(ours) => Arc::new(ours),
                None => candle(precision.dtype()),
            },
            OperatorChoice::In(precision) => candle(precision.dtype()),
            OperatorChoice::Cpu(isa) => {
                Arc::new(Cpu::new(isa).ok_or(OperatorError::Unavailable { asked: isa.name() })?)
            }
            OperatorChoice::Candle(dtype @ (DType::F32 | DType::F16 | DType::BF16)) => candle(dtype),
            OperatorChoice::Candle(dtype) => return Err(OperatorError::Type { asked: dtype.as_str() }),
        })
    }
}

impl FromStr for OperatorChoice {
    type Err = OperatorError;

    /// `portable`, `avx2`, `avx512` or `candle`; nothing is the best.
    fn from_str(name: &str) -> Result<Self, OperatorError> {
        match Isa::ALL.iter().find(|isa| isa.name() == name) {
            Some(isa) => Ok(OperatorChoice::Cpu(*isa)),
            None if name.is_empty() => Ok(OperatorChoice::Best),
            None if name == "candle" => Ok(OperatorChoice::Candle(DType::F32)),
            None => Err(OperatorError::Unknown { asked: name.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_chosen_by_their_names() {
        assert_eq!("candle".parse(), Ok(OperatorChoice::Candle(DType::F32)));
        assert_eq!("".parse(), Ok(OperatorChoice::Best));
        for isa in Isa::ALL {
            let choice: OperatorChoice = isa.name().parse().unwrap();
            assert_eq!(choice, OperatorChoice::Cpu(*isa));
            match (isa.is_available(), choice.open(&Device::Cpu)) {
                (true, Ok(_)) => {}
                (false, Err(error)) => assert_eq!(error, OperatorError::Unavailable { asked: isa.name() }),
                (available, opened) => panic!("{isa:?}: {available}, {:?}", opened.err()),
            }
        }
        let half = Some(Precision::F16);
        assert_eq!(OperatorChoice::Best.in_precision(half), Ok(OperatorChoice::In(Precision::F16)));
        assert_eq!(OperatorChoice::Candle(DType::F32).in_precision(half), Ok(OperatorChoice::Candle(DType::F16)));
        assert_eq!(OperatorChoice::Best.in_precision(None), Ok(OperatorChoice::Best));
        let refused = OperatorChoice::Cpu(Isa::Portable).in_precision(half).unwrap_err().to_string();
        assert!(refused.starts_with("portable computes in f32 only, not in f16"), "{refused}");
        assert_eq!(OperatorChoice::In(Precision::F16).open(&Device::Cpu).unwrap().dtype(), DType::F16);
        let refused = OperatorChoice::In(Precision::Bf16).open(&Device::Cpu).err();
        assert_eq!(refused, Some(OperatorError::NoBf16));
        let error = "sse9".parse::<OperatorChoice>().unwrap_err().to_string();
        assert!(error.starts_with("`sse9` is not known; use portable"), "{error}");
    }
}
