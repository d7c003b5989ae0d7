//! Why a file is no upscaler that can be used.

use std::path::PathBuf;

use super::tensors::MAX_BYTES;
use crate::checkpoint::FileError;
use crate::diagnostic::{Said, Text};
use crate::say;

/// Why a file cannot be used as an upscaler.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum UpscalerFileError {
    #[error(transparent)]
    File(#[from] FileError),
    TooLarge {
        path: PathBuf,
    },
    Unsupported {
        path: PathBuf,
        name: &'static str,
    },
    Unknown {
        path: PathBuf,
    },
    Channels {
        path: PathBuf,
        inputs: usize,
        outputs: usize,
    },
    Tensors {
        path: PathBuf,
        problems: Vec<Text>,
    },
    Compute(#[from] candle_core::Error),
}

impl Said for UpscalerFileError {
    fn said(&self) -> Text {
        match self {
            UpscalerFileError::File(error) => error.said(),
            UpscalerFileError::TooLarge { path } => {
                let (path, limit) = (path.display(), MAX_BYTES >> 20);
                say!(
                    "{path} is larger than {limit} MiB, which no upscaler is",
                    "{path} は {limit} MiB を超えています。アップスケーラーではありません"
                )
            }
            UpscalerFileError::Unsupported { path, name } => {
                let path = path.display();
                say!(
                    "{path} is a {name} upscaler, which lbw cannot run; use an ESRGAN, Real-ESRGAN or compact one",
                    "{path} は {name} のアップスケーラーで、lbw では動きません。ESRGAN、Real-ESRGAN、コンパクト版のどれかを使ってください"
                )
            }
            UpscalerFileError::Unknown { path } => {
                let path = path.display();
                say!("{path} is not an upscaler that is known", "{path} は知られているアップスケーラーではありません")
            }
            UpscalerFileError::Channels { path, inputs, outputs } => {
                let path = path.display();
                say!(
                    "{path} takes pictures of {inputs} channels and gives {outputs}, not 3 and 3",
                    "{path} は {inputs} チャンネルの画像から {outputs} チャンネルを作ります (3 と 3 が必要です)"
                )
            }
            UpscalerFileError::Tensors { path, problems } => {
                let (path, problems) = (path.display(), Text::join(problems.iter().cloned(), "; "));
                say!("{path}: {problems}", "{path}: {problems}", with problems)
            }
            UpscalerFileError::Compute(error) => error.said(),
        }
    }
}
