//! Why a plan did not become an image.

use super::needs::Short;
use crate::block::Family;
use crate::checkpoint::CheckpointError;
use crate::diagnostic::{Said, Text};
use crate::lora::LoraError;
use crate::model::{MergeError, ModelError};
use crate::say;
use crate::upscale::UpscaleError;

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
    Merge(MergeError),
    #[error(transparent)]
    Operators(#[from] crate::model::OperatorError),
    Limit(#[from] crate::plan::LimitError),
    /// There is not enough memory for the plan.
    Memory(Short),
    Family {
        plan: Family,
        checkpoint: Family,
    },
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
    /// The VAE has no encoder, and a picture is to be encoded.
    NoEncoder,
    /// The plan asks for a refiner, and none is open.
    NoRefiner(String),
    OtherRefiner {
        path: std::path::PathBuf,
    },
    #[error(transparent)]
    Upscale(UpscaleError),
    /// The observer said so.
    Stopped,
    NanLatent {
        step: usize,
    },
    /// What the VAE makes of the latent is no number.
    NanPicture,
    #[error(transparent)]
    Sampling(crate::sampling::Error),
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

impl From<UpscaleError> for EngineError {
    fn from(error: UpscaleError) -> Self {
        match error {
            UpscaleError::Interrupted => EngineError::Stopped,
            other => EngineError::Upscale(other),
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

impl Said for EngineError {
    fn said(&self) -> Text {
        match self {
            EngineError::Checkpoint(error) => error.said(),
            EngineError::Lora(error) => error.said(),
            EngineError::LoraName(error) => error.said(),
            EngineError::Merge(error) => error.said(),
            EngineError::Operators(error) => error.said(),
            EngineError::Limit(error) => error.said(),
            EngineError::Memory(short) => short.said(),
            EngineError::Family { plan, checkpoint } => {
                let (plan, checkpoint) = (plan.label(), checkpoint.label());
                say!(
                    "the plan is for {plan}, and the checkpoint is {checkpoint}",
                    "この plan は {plan} 用で、チェックポイントは {checkpoint} です"
                )
            }
            EngineError::Stopped => say!("stopped", "中断しました"),
            EngineError::Config { path, source } => {
                let (path, source) = (path.display(), source.said());
                say!("{path}: {source}", "{path}: {source}", with source)
            }
            EngineError::NotFinite { lora, module, factor } => say!(
                "{lora}: the factor of {module} is {factor}; a strength or block weight is not a finite number",
                "{lora}: {module} に掛かる値が {factor} です。強度か階層別の重みが有限の数値ではありません"
            ),
            EngineError::InitImage(picture) => say!(
                "the plan draws over the picture {picture}, which is not there; give it with --init, a mask with --mask",
                "この plan は画像 {picture} の上に描きますが、その画像がありません。--init で、マスクは --mask で指定してください"
            ),
            EngineError::NoEncoder => say!(
                "the VAE has no encoder, which pictures are drawn over with; choose another with --vae",
                "VAE にエンコーダーがないため、画像を元に描けません。--vae で別の VAE を選んでください"
            ),
            EngineError::NoRefiner(name) => say!(
                "the plan switches to the refiner {name}, which is not open; give it with --refiner",
                "この plan は refiner {name} に切り替えますが、開かれていません。--refiner で指定してください"
            ),
            EngineError::OtherRefiner { path } => {
                let path = path.display();
                say!(
                    "{path} cannot take over as refiner: it is another kind of model than the checkpoint",
                    "{path} は refiner にできません。チェックポイントと別の種類のモデルです"
                )
            }
            EngineError::Upscale(error) => error.said(),
            EngineError::NanLatent { step } => say!(
                "the latent is not a number at step {step}; the checkpoint, a LoRA or the CFG scale drove it out of range",
                "ステップ {step} で潜在画像が数値でなくなりました (NaN)。チェックポイント、LoRA、CFG スケールのどれかのため範囲を超えました"
            ),
            EngineError::NanPicture => say!(
                "the VAE makes no numbers of the latent: its own are broken, or the latent is far out of range",
                "VAE が潜在画像を数値にできません。VAE の数値が壊れているか、潜在画像が範囲を大きく外れています"
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
