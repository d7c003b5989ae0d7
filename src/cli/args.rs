//! The command line's grammar. Flags are named after webui's fields.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::img2img::{Img2imgArgs, Over};
use super::settings_args::{HiresArgs, RareArgs};
use crate::plan::Dialect;

/// Runs AUTOMATIC1111 webui prompts, LoRA Block Weight included, on its own SDXL engine.
#[derive(Debug, Parser)]
#[command(name = "lbw", version, max_term_width = 120, after_help = EXAMPLES)]
pub struct Cli {
    /// Language of the diagnostics [default: the system's, if it is one of them]
    #[arg(long, global = true, value_enum, env = "LBW_LANG", hide_env_values = true)]
    pub lang: Option<LangArg>,
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  lbw \"1girl, (red hair:1.2) <lora:all12:1:1:lbw=XLOUT>\"
  lbw txt2img --webui-dir ~/stable-diffusion-webui --model ponyDiffusion \"1girl <lora:mine:1:lbw=XLIN>\" --steps 25
  lbw plan \"<lora:mine:0.8:1:lbw=1,1,1,1,1,1,1,0.8,1,1,1,1>\"
  lbw info 00001-42.png

`lbw PROMPT` is `lbw txt2img PROMPT`. A pasted infotext (prompt, `Negative prompt:`, `Steps: …`) is understood wherever a
prompt is; flags win over its fields.

Exit codes: 0 done; 1 some images failed; 2 the text is wrong (a prompt, flag, preset or name); 3 a file or device is absent,
unreadable, damaged or full; 130 interrupted.";

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LangArg {
    En,
    Ja,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prompt to PNG
    Txt2img(Txt2img),
    /// Draw a prompt over a picture
    Img2img(Img2imgArgs),
    /// Execute a saved plan, or the one inside a PNG
    Run(RunArgs),
    /// Show what would run, block by block, without running it
    Plan(super::plan::PlanArgs),
    /// Check prompt and preset files, or prompts, and report everything that is wrong or surprising
    Check(CheckArgs),
    /// Draw an XYZ plot: a grid of pictures over blocks, weights, presets, seeds and settings
    Xyz(Box<super::xyz::XyzArgs>),
    /// List, show, convert and add presets
    #[command(subcommand)]
    Preset(super::preset::PresetCommand),
    /// Look into LoRA files, bake block weights into them, write them for other programs
    #[command(subcommand)]
    Lora(super::lora::LoraCommand),
    /// Show the infotext and the plan of an image
    Info(InfoArgs),
    /// Explain a diagnostic code
    Explain(ExplainArgs),
    /// Prompt files to PNGs, checked first and resumable
    Batch(super::batch::BatchArgs),
    /// Measure how long the parts of an image take on this machine
    Bench(super::bench::BenchArgs),
    /// Draw plans that another program sends, with the model staying loaded
    Worker(super::worker::WorkerArgs),
    /// Effective Block Analyzer: which block of a LoRA does what
    Analyze(super::analyze::AnalyzeArgs),
}

#[derive(Debug, Args)]
pub struct Txt2img {
    #[command(flatten)]
    pub prompt: PromptArgs,
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Stop at the plan: check everything, draw nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Plan files (JSON), or PNGs that lbw made
    #[arg(required = true, value_name = "FILE")]
    pub plans: Vec<PathBuf>,
    /// The pictures that img2img plans draw over
    #[arg(long, value_name = "IMAGE")]
    pub init: Vec<PathBuf>,
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Prompts, prompt files (one prompt per line) or preset files (.yaml, lbwpresets.txt, elempresets.txt)
    #[arg(required = true, value_name = "PROMPT|FILE")]
    pub inputs: Vec<String>,
    #[command(flatten)]
    pub files: FileArgs,
    /// Whose reading of block weights in LoRA tags is followed [default: webui]
    #[arg(long, value_enum)]
    pub lbw_dialect: Option<DialectArg>,
    /// Treat warnings as errors
    #[arg(long)]
    pub strict: bool,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct InfoArgs {
    /// Images (PNG, JPEG, WebP); a .txt beside an image is read when the image has no infotext
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A code such as W0203; without one, all codes are listed
    pub code: Option<String>,
}

/// Prompts and the settings that webui's fields hold.
#[derive(Debug, Clone, Args)]
pub struct PromptArgs {
    /// Prompts or pasted infotexts; several are several images; `-` reads one from standard input
    #[arg(required = true, value_name = "PROMPT", allow_hyphen_values = false)]
    pub prompts: Vec<String>,
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    pub negative_prompt: Option<String>,
    /// A style of webui's styles.csv to put around the prompts; may be given several times, they apply in order
    #[arg(long, value_name = "NAME")]
    pub style: Vec<String>,
    /// [default: 20]
    #[arg(long)]
    pub steps: Option<u32>,
    /// Sampler, e.g. "Euler a" [default: DPM++ 2M]
    #[arg(long)]
    pub sampler: Option<String>,
    /// Schedule type, e.g. Karras [default: Automatic]
    #[arg(long)]
    pub schedule_type: Option<String>,
    /// [default: 7]
    #[arg(long, allow_hyphen_values = true)]
    pub cfg_scale: Option<f64>,
    /// -1 draws one [default: -1]
    #[arg(long, allow_hyphen_values = true)]
    pub seed: Option<i64>,
    /// Pixels, a multiple of 8 [default: 1024; the embedded model's size is 128]
    #[arg(long)]
    pub width: Option<u32>,
    /// Pixels, a multiple of 8
    #[arg(long)]
    pub height: Option<u32>,
    /// Only recorded for SDXL, as in webui
    #[arg(long)]
    pub clip_skip: Option<u32>,
    /// Where random numbers come from
    #[arg(long, value_enum)]
    pub noise_source: Option<NoiseSourceArg>,
    /// How emphasis acts
    #[arg(long, value_enum)]
    pub emphasis: Option<EmphasisArg>,
    #[arg(long, allow_hyphen_values = true)]
    pub subseed: Option<i64>,
    #[arg(long)]
    pub subseed_strength: Option<f64>,
    /// Whose reading of block weights in LoRA tags is followed [default: webui]
    #[arg(long, value_enum)]
    pub lbw_dialect: Option<DialectArg>,
    /// Eta of ancestral and SDE samplers and of DDIM
    #[arg(long)]
    pub eta: Option<f64>,
    /// Images per prompt, seeds counting up
    #[arg(long, default_value_t = 1)]
    pub n_iter: u32,
    /// Images per iteration; seeds count up through all of them
    #[arg(long, default_value_t = 1)]
    pub batch_size: u32,
    /// Treat warnings as errors
    #[arg(long)]
    pub strict: bool,
    #[command(flatten)]
    pub hires: HiresArgs,
    #[command(flatten)]
    pub rare: RareArgs,
    /// Set by `lbw img2img`.
    #[arg(skip)]
    pub over: Option<Over>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum NoiseSourceArg {
    Gpu,
    Cpu,
    Nv,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum EmphasisArg {
    Original,
    NoNorm,
    Ignore,
    None,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum DialectArg {
    /// webui with the LoRA Block Weight extension
    Webui,
    /// SD.Next: blocks that a vector leaves out are 1; `in=`, `mid=`, `out=`
    Sdnext,
    /// ComfyUI's Inspire pack: weights by position among the blocks the LoRA has; `%in1-4=0.5,default=1`
    Inspire,
    /// kohya's svd_merge_lora.py --lbws: blocks that a vector leaves out are 1; `[1,0,…]`
    Kohya,
}

impl From<DialectArg> for Dialect {
    fn from(arg: DialectArg) -> Self {
        match arg {
            DialectArg::Webui => Dialect::Webui,
            DialectArg::Sdnext => Dialect::Sdnext,
            DialectArg::Inspire => Dialect::Inspire,
            DialectArg::Kohya => Dialect::Kohya,
        }
    }
}

/// Where files are found.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Files")]
pub struct FileArgs {
    /// A webui folder: its models, LoRAs, VAEs, embeddings, styles and presets are used
    #[arg(long, env = "LBW_WEBUI_DIR", value_name = "DIR")]
    pub webui_dir: Option<PathBuf>,
    /// Leave webui's config.json in --webui-dir unread
    #[arg(long)]
    pub no_webui_config: bool,
    /// A checkpoint file, or the name of one in the webui folder [default: the embedded model]
    #[arg(long, value_name = "FILE|NAME")]
    pub model: Option<String>,
    /// A VAE file, or the name of one in the webui folder; `none` is the checkpoint's own [default: NAME.vae.safetensors beside
    /// the checkpoint, if there is one]
    #[arg(long, value_name = "FILE|NAME")]
    pub vae: Option<String>,
    /// A folder with LoRA files; may be given several times
    #[arg(long, value_name = "DIR")]
    pub lora_dir: Vec<PathBuf>,
    /// A folder with textual-inversion embeddings (.safetensors for SDXL); may be given several times
    #[arg(long, value_name = "DIR")]
    pub embeddings_dir: Vec<PathBuf>,
    /// A styles file like webui's styles.csv; may be given several times, later ones win
    #[arg(long, value_name = "FILE")]
    pub styles_file: Vec<PathBuf>,
    /// A preset file, YAML or webui's lbwpresets.txt; may be given several times, later ones win
    #[arg(long, value_name = "FILE")]
    pub presets: Vec<PathBuf>,
    /// An element preset file (webui's elempresets.txt); may be given several times
    #[arg(long, value_name = "FILE")]
    pub element_presets: Vec<PathBuf>,
}

/// How plans are executed.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineArgs {
    /// Pictures that img2img plans draw over; set by the commands that take `--init`.
    #[arg(skip)]
    pub init: Vec<PathBuf>,
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

/// Where results go.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// A PNG file, or a folder for numbered files [default: lbw-out/NNNNN-SEED.png]; nothing is overwritten
    #[arg(short, long, value_name = "FILE|DIR")]
    pub output: Option<PathBuf>,
    /// Print one line of JSON per image and no progress
    #[arg(long)]
    pub json: bool,
}
