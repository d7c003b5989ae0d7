//! How plans are executed.

use clap::{Args, ValueEnum};

use crate::app::{self, EngineSettings, Held, KeyTable, ModelType};
use crate::diagnostic::code;
use crate::say;

/// How plans are executed.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineArgs {
    /// cpu, cuda, cuda:N or metal
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Which LoRA keys are understood: webui's alone, or also other tools'
    #[arg(long, value_enum, default_value_t = LoraKeysArg::Lenient)]
    pub lora_keys: LoraKeysArg,
    /// Block weights scale the whole delta of every kind of network, also where the extension does not
    #[arg(long)]
    pub lbw_exact: bool,
    /// What the model predicts [default: found out from the checkpoint]
    #[arg(long, value_enum)]
    pub prediction: Option<PredictionArg>,
    /// How weights are held: f32 is exact (a 16-bit file's own weights still take 16 bits, those that a LoRA changes take 32);
    /// f16 rounds the changed ones too, for half the memory. On the CPU only
    #[arg(long, value_enum, default_value_t = WeightsArg::F32)]
    pub weights: WeightsArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WeightsArg {
    F32,
    F16,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LoraKeysArg {
    Webui,
    Lenient,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum PredictionArg {
    Eps,
    V,
    /// v-prediction with zero terminal SNR
    VZtsnr,
}

impl EngineArgs {
    /// The same as the application takes it.
    pub fn settings(&self) -> app::Result<EngineSettings> {
        // For measurements and for finding faults: which path our kernels take, or candle's operators.
        let operators = std::env::var("LBW_KERNELS").unwrap_or_default();
        let operators = operators.parse().map_err(|e| {
            let message = say!("LBW_KERNELS={operators}: {e}", "LBW_KERNELS={operators}: {e}");
            app::Error::new(app::ErrorKind::Device, code::NO_DEVICE, message)
        })?;
        Ok(EngineSettings {
            operators,
            device: self.device.clone(),
            lora_keys: match self.lora_keys {
                LoraKeysArg::Webui => KeyTable::Webui,
                LoraKeysArg::Lenient => KeyTable::Lenient,
            },
            exact_block_weights: self.lbw_exact,
            model_type: self.prediction.map(|p| match p {
                PredictionArg::Eps => ModelType::EPS,
                PredictionArg::V => ModelType::V,
                PredictionArg::VZtsnr => ModelType::V_ZERO_SNR,
            }),
            weights: match self.weights {
                WeightsArg::F32 => Held::Exact,
                WeightsArg::F16 => Held::Half,
            },
        })
    }
}
