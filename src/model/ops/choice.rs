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
    /// On the CPU ours, with the best instructions that the processor has; candle's in f32 on every other device.
    #[default]
    Best,
    /// Ours, with these instructions.
    Cpu(Isa),
    /// candle's, with activations and weights of this type; the VAE and what else would lose digits stays in f32.
    Candle(DType),
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
        }
    }
}

fn names(which: impl Fn(Isa) -> bool) -> String {
    Isa::ALL.iter().filter(|isa| which(**isa)).map(|isa| isa.name()).collect::<Vec<_>>().join(", ")
}

impl OperatorChoice {
    /// The operators for `device`.
    pub fn open(self, device: &Device) -> Result<Arc<dyn Operators>, OperatorError> {
        let candle = |dtype| Arc::new(Candle::new(device, dtype));
        Ok(match self {
            // Without optimisation every instruction is a function call: candle's operators, which are compiled on their own,
            // are then much faster.
            OperatorChoice::Best if device.is_cpu() && !cfg!(unoptimised) => Arc::new(Cpu::best()),
            OperatorChoice::Best => candle(DType::F32),
            OperatorChoice::Cpu(isa) if !device.is_cpu() => return Err(OperatorError::Device { asked: isa.name() }),
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
        let error = "sse9".parse::<OperatorChoice>().unwrap_err().to_string();
        assert!(error.starts_with("`sse9` is not known; use portable"), "{error}");
    }
}
