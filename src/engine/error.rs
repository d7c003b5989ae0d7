//! Why a plan did not become an image.

use crate::checkpoint::CheckpointError;
use crate::lora::LoraError;
use crate::model::{MergeError, ModelError};

/// Why a plan did not become an image.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Lora(#[from] LoraError),
    #[error(transparent)]
    LoraName(#[from] crate::lora::IndexError),
    #[error(transparent)]
    Merge(MergeError),
    #[error(transparent)]
    Operators(#[from] crate::model::OperatorError),
    #[error(transparent)]
    Limit(#[from] crate::plan::LimitError),
    #[error("the plan is for {0}; lbw runs SDXL only")]
    Family(&'static str),
    #[error("{}: {source}", path.display())]
    Config { path: std::path::PathBuf, source: std::io::Error },
    #[error("{lora}: the factor of {module} is {factor}; a strength or block weight is not a finite number")]
    NotFinite { lora: String, module: String, factor: f64 },
    #[error("the plan draws over the picture {0}, which is not there; give it with --init")]
    InitImage(String),
    /// The observer said so.
    #[error("stopped")]
    Stopped,
    #[error("the latent is not a number at step {step}; the checkpoint, a LoRA or the CFG scale drove it out of range")]
    NanLatent { step: usize },
    #[error(transparent)]
    Sampling(crate::sampling::Error),
    #[error("{0}")]
    Tensor(#[from] candle_core::Error),
}

impl From<ModelError> for EngineError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Stopped => EngineError::Stopped,
            ModelError::Tensor(error) => EngineError::Tensor(error),
        }
    }
}

impl From<MergeError> for EngineError {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::Stopped => EngineError::Stopped,
            other => EngineError::Merge(other),
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
