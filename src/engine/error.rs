//! Why a plan did not become an image.

use crate::checkpoint::CheckpointError;
use crate::diagnostic::{Said, Text};
use crate::lora::LoraError;
use crate::model::MergeError;
use crate::plan::FORMAT;
use crate::say;

/// Why a plan did not become an image.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum EngineError {
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Lora(#[from] LoraError),
    #[error(transparent)]
    LoraName(#[from] crate::lora::IndexError),
    #[error(transparent)]
    Merge(#[from] MergeError),
    #[error(transparent)]
    Kernels(#[from] crate::model::kernels::KernelError),
    Limit {
        what: Text,
        value: Text,
        limit: Text,
    },
    Family(&'static str),
    Format(u32),
    Config {
        path: std::path::PathBuf,
        source: std::io::Error,
    },
    NotFinite {
        lora: String,
        module: String,
        factor: f64,
    },
    InitImage(String),
    NanLatent {
        step: usize,
    },
    #[error(transparent)]
    Sampling(crate::sampling::Error),
    Tensor(#[from] candle_core::Error),
}

impl Said for EngineError {
    fn said(&self) -> Text {
        match self {
            EngineError::Checkpoint(error) => error.said(),
            EngineError::Lora(error) => error.said(),
            EngineError::LoraName(error) => error.said(),
            EngineError::Merge(error) => error.said(),
            EngineError::Kernels(error) => error.said(),
            EngineError::Limit { what, value, limit } => {
                say!("{what} is {value}; {limit}", "{what}が {value} です。{limit}", with what, value, limit)
            }
            EngineError::Family(family) => {
                say!(
                    "the plan is for {family}; lbw runs SDXL only",
                    "この plan は {family} 用です。lbw で動くのは SDXL だけです"
                )
            }
            EngineError::Format(format) => say!(
                "the plan has format {format}, this lbw reads format {FORMAT}",
                "この plan の形式は {format} です。この lbw が読めるのは形式 {FORMAT} です"
            ),
            EngineError::Config { path, source } => {
                let (path, source) = (path.display(), source.said());
                say!("{path}: {source}", "{path}: {source}", with source)
            }
            EngineError::NotFinite { lora, module, factor } => say!(
                "{lora}: the factor of {module} is {factor}; a strength or block weight is not a finite number",
                "{lora}: {module} に掛かる値が {factor} です。強度か階層別の重みが有限の数値ではありません"
            ),
            EngineError::InitImage(picture) => say!(
                "the plan draws over the picture {picture}, which is not there; give it with --init",
                "この plan は画像 {picture} の上に描きますが、その画像がありません。--init で指定してください"
            ),
            EngineError::NanLatent { step } => say!(
                "the latent is not a number at step {step}; the checkpoint, a LoRA or the CFG scale drove it out of range",
                "ステップ {step} で潜在画像が数値でなくなりました (NaN)。チェックポイント、LoRA、CFG スケールのどれかのため範囲を超えました"
            ),
            EngineError::Sampling(error) => error.said(),
            EngineError::Tensor(error) => error.said(),
        }
    }
}

/// An engine error that travelled through a sampler comes out as itself.
impl From<crate::sampling::Error> for EngineError {
    fn from(error: crate::sampling::Error) -> Self {
        match error {
            crate::sampling::Error::Caller(inner) => match inner.downcast::<EngineError>() {
                Ok(ours) => *ours,
                Err(other) => EngineError::Sampling(crate::sampling::Error::Caller(other)),
            },
            crate::sampling::Error::Tensor(error) => EngineError::Tensor(error),
            other => EngineError::Sampling(other),
        }
    }
}
