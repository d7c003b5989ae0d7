//! How plans are executed.

use clap::{Args, ValueEnum};

use crate::app::{self, EngineSettings, Held, KeyTable, ModelType, OperatorChoice, Precision};
use crate::cli::language::tell;
use crate::cli::user;
use crate::diagnostic::{Diagnostic, Said, code};
use crate::say;

/// How plans are executed.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = tell("Engine", "実行方法"))]
pub struct EngineArgs {
    #[arg(long, hide_short_help = true,
        help = tell("cpu, cuda, cuda:N or metal [default: cpu]", "cpu、cuda、cuda:N、metal のどれか [既定: cpu]"))]
    pub device: Option<String>,
    #[arg(long, value_enum, default_value_t = LoraKeysArg::Lenient, hide_short_help = true,
        help = tell("Which LoRA keys are understood: webui's alone, or also other tools'",
            "どの LoRA のキーを読むか: webui のものだけ、またはほかのツールのものも"))]
    pub lora_keys: LoraKeysArg,
    #[arg(long, hide_short_help = true,
        help = tell("Block weights scale the whole delta of every kind of network, also where the extension does not",
            "階層別の重みを、拡張機能がそうしない種類のネットワークでも差分全体に掛けます"))]
    pub lbw_exact: bool,
    #[arg(long, value_enum, hide_short_help = true,
        help = tell("What the model predicts: noise, v, or v with zero terminal SNR [default: found out from the checkpoint]",
            "モデルが予測するもの: ノイズ、v、zero terminal SNR の v [既定: チェックポイントから判断]"))]
    pub prediction: Option<PredictionArg>,
    #[arg(long, value_enum, hide_short_help = true,
        help = tell("In which type of number the networks compute; softmax, norms, guidance, the sampler and the VAE stay in f32 \
                [default: f32 on the CPU, f16 on a GPU]",
            "ネットワークを計算する数値の型。softmax、正規化、ガイダンス、サンプラー、VAE は常に f32 です [既定: CPU では f32、GPU では f16]"))]
    pub precision: Option<PrecisionArg>,
    #[arg(long, value_enum, default_value_t = WeightsArg::F32, hide_short_help = true,
        help = tell("How weights are held: f32 is exact (a 16-bit file's own weights still take 16 bits, those that a LoRA changes take \
                32); f16 rounds the changed ones too, for half the memory. On the CPU only",
            "重みの持ち方。f32 は正確です (16 ビットのファイルの重みは 16 ビットのまま、LoRA で変わる重みは 32 ビット)。f16 は変わる重みも丸め、\
             メモリーが半分になります。CPU のみ"))]
    pub weights: WeightsArg,
    #[arg(long, value_name = "8g|500m|auto", hide_short_help = true,
        help = tell("How much memory may be taken; auto is what is free now. What has to be saved for it costs time and changes a byte of the picture by 1 at most; \
                what does not fit even so is refused before the first step [default: auto on a GPU of NVIDIA's, else as much as it takes]",
            "使ってよいメモリーの量。auto は今空いている分。節約は時間がかかり、画像のバイトが変わっても 1 までです。それでも収まらないものは最初のステップの前に\
             断ります [既定: NVIDIA の GPU では auto、それ以外では必要なだけ]"))]
    pub memory: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WeightsArg {
    F32,
    F16,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum PrecisionArg {
    F32,
    F16,
    Bf16,
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
    VZtsnr,
}

impl EngineArgs {
    /// What was asked for that is about checkpoints, where only an upscaler draws.
    pub fn without_checkpoint(&self) -> Option<Diagnostic> {
        let asked = [
            ("--memory", self.memory.is_some()),
            ("--prediction", self.prediction.is_some()),
            ("--weights", self.weights != WeightsArg::F32),
            ("--lbw-exact", self.lbw_exact),
        ];
        let flags: Vec<&str> = asked.into_iter().filter(|(_, is_asked)| *is_asked).map(|(flag, _)| flag).collect();
        let flags = flags.join(", ");
        (!flags.is_empty()).then(|| {
            let message = say!(
                "{flags}: without effect on an upscaler; what it takes of memory is what its tiles take (`--tile`)",
                "{flags}: アップスケーラーには効きません。使うメモリーはタイルの大きさ (`--tile`) で決まります"
            );
            Diagnostic::new(code::WITHOUT_EFFECT, message)
        })
    }

    /// The same as the application takes it.
    pub fn settings(&self) -> app::Result<EngineSettings> {
        // For measurements and for finding faults: which path our kernels take, or candle's operators.
        let operators = std::env::var("LBW_KERNELS").unwrap_or_default();
        let precision = self.precision.map(|p| match p {
            PrecisionArg::F32 => Precision::F32,
            PrecisionArg::F16 => Precision::F16,
            PrecisionArg::Bf16 => Precision::Bf16,
        });
        let precision = precision.or(user::config().precision);
        let operators = operators.parse::<OperatorChoice>().map_err(|e| {
            let e = e.said();
            let message = say!("LBW_KERNELS={operators}: {e}", "LBW_KERNELS={operators}: {e}", with e);
            app::Error::new(app::ErrorKind::Device, code::NO_DEVICE, message)
        });
        // It is opened at once: what is not there is told before anything is read or drawn.
        let device =
            app::device(self.device.as_ref().or(user::config().device.as_ref()).map_or("cpu", String::as_str))?;
        let operators = operators?.in_precision(precision).and_then(|operators| {
            operators.fits(&device)?;
            Ok(operators)
        });
        let operators = operators.map_err(|e| {
            let e = e.said();
            app::Error::words(code::NO_DEVICE, say!("--precision: {e}", "--precision: {e}", with e))
        })?;
        // A card's memory ends where it ends: pictures that need less of it are drawn so without being asked.
        let memory = self.memory.as_deref().or(user::config().memory.as_deref()).or(device.is_cuda().then_some("auto"));
        let memory = memory.map(|text| app::memory::allowed(text, &device)).transpose()?;
        Ok(EngineSettings {
            operators,
            device,
            memory,
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
