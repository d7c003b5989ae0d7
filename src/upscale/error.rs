//! Why a picture is not enlarged.

use super::{MAX_PIXELS, MAX_SIDE, NoUpscaler};
use crate::diagnostic::{Said, Text};
use crate::model::esrgan::UpscalerFileError;
use crate::say;

/// Why a picture could not be enlarged.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum UpscaleError {
    TooLarge {
        width: usize,
        height: usize,
    },
    Empty {
        width: usize,
        height: usize,
        scale: f64,
    },
    Scale(f64),
    Overlap {
        tile: usize,
        overlap: usize,
    },
    NotNumbers,
    Interrupted,
    #[error(transparent)]
    Name(#[from] NoUpscaler),
    #[error(transparent)]
    File(#[from] UpscalerFileError),
    Compute(#[from] candle_core::Error),
}

impl Said for UpscaleError {
    fn said(&self) -> Text {
        match self {
            UpscaleError::TooLarge { width, height } => say!(
                "a picture of {width}×{height} pixels is too large; {MAX_SIDE} a side and {MAX_PIXELS} in all are possible",
                "{width}×{height} ピクセルの画像は大きすぎます。一辺 {MAX_SIDE}、全体で {MAX_PIXELS} までです"
            ),
            UpscaleError::Empty { width, height, scale } => say!(
                "nothing is left of a picture of {width}×{height} pixels at a scale of {scale}",
                "{width}×{height} ピクセルの画像を {scale} 倍にすると何も残りません"
            ),
            UpscaleError::Scale(scale) => {
                say!("a scale of {scale} is not a positive number", "倍率 {scale} は正の数ではありません")
            }
            UpscaleError::Overlap { tile, overlap } => say!(
                "tiles of {tile} pixels cannot overlap by {overlap}; the overlap must be less than the tile",
                "{tile} ピクセルのタイルを {overlap} 重ねることはできません。重なりはタイルより小さくしてください"
            ),
            UpscaleError::NotNumbers => {
                say!("the upscaler gave values that are not numbers", "アップスケーラーの出力に数でない値があります")
            }
            UpscaleError::Interrupted => say!("interrupted", "中断しました"),
            UpscaleError::Name(error) => error.said(),
            UpscaleError::File(error) => error.said(),
            UpscaleError::Compute(error) => error.said(),
        }
    }
}
