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
                say!("NVIDIA's driver is not installed here", "NVIDIA のドライバーがインストールされていません")
            }
            CardError::NoLibrary { name } => say!(
                "NVIDIA's library {name} is not found; `pip install nvidia-cublas nvidia-curand` brings it, and LD_LIBRARY_PATH says where it is",
                "NVIDIA のライブラリー {name} が見つかりません。`pip install nvidia-cublas nvidia-curand` で入り、場所は LD_LIBRARY_PATH で指定します"
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
