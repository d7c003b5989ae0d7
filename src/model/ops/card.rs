//! NVIDIA's cards: opening one, or why it is not there.

use candle_core::Device;

use crate::diagnostic::{Said, Text};
use crate::say;

/// Why a card cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum CardError {
    NotBuilt,
    NoDriver,
    NoLibrary { name: &'static str },
    Card(#[from] candle_core::Error),
}

impl Said for CardError {
    fn said(&self) -> Text {
        match self {
            CardError::NotBuilt => say!(
                "this lbw was built without CUDA; benches/gpu/build.sh builds one with it",
                "この lbw は CUDA なしでビルドされています。benches/gpu/build.sh で CUDA 対応版をビルドできます"
            ),
            CardError::NoDriver => {
                say!(
                    "NVIDIA's driver (580 or newer) is not installed here",
                    "NVIDIA のドライバー (580 以降) がインストールされていません"
                )
            }
            CardError::NoLibrary { name } => say!(
                "NVIDIA's library {name} is not found; `pip install nvidia-cublas nvidia-curand` brings it: beside an lbw from pip it is found, elsewhere LD_LIBRARY_PATH says where it is",
                "NVIDIA のライブラリー {name} が見つかりません。`pip install nvidia-cublas nvidia-curand` で入ります。lbw も pip で入れた場所なら見つかり、それ以外では LD_LIBRARY_PATH で場所を指定します"
            ),
            CardError::Card(error) => error.said(),
        }
    }
}

/// Bytes that are free on a device, where it can be asked.
pub fn free_memory(device: &Device) -> Option<u64> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(card) => card.cuda_stream().context().mem_get_info().ok().map(|(free, _)| free as u64),
        _ => None,
    }
}

/// The most memory of a card that was in use at once, in bytes.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct CardPeak {
    /// By tensors.
    pub used: u64,
    /// Held for them, with what lies between them.
    pub held: u64,
}

/// What this program has taken of a card so far; nothing for other devices.
pub fn card_peak(device: &Device) -> Option<CardPeak> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(card) => {
            let (used, held) = super::cuda::peak(card.cuda_stream().context().ordinal()).ok()?;
            Some(CardPeak { used, held })
        }
        _ => None,
    }
}

/// The card of this number, if this program was built for cards and it is there.
pub fn card(number: usize) -> Result<Device, CardError> {
    #[cfg(feature = "cuda")]
    return super::cuda::open(number);
    #[cfg(not(feature = "cuda"))]
    {
        let _ = number;
        Err(CardError::NotBuilt)
    }
}
