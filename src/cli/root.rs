//! The root of the command line: all commands and what they are for.

use clap::{Parser, Subcommand, ValueEnum};

use super::commands::*;

/// Runs AUTOMATIC1111 webui prompts, LoRA Block Weight included, on its own engine for SDXL and SD1.
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
    Txt2img(txt2img::Txt2imgArgs),
    /// Draw a prompt over a picture
    Img2img(img2img::Img2imgArgs),
    /// Execute a saved plan, or the one inside a PNG
    Run(run::RunArgs),
    /// Show what would run, block by block, without running it
    Plan(plan::PlanArgs),
    /// Check prompt and preset files, or prompts, and report everything that is wrong or surprising
    Check(check::CheckArgs),
    /// Draw an XYZ plot: a grid of pictures over blocks, weights, presets, seeds and settings
    Xyz(Box<xyz::XyzArgs>),
    /// List, show, convert and add presets
    #[command(subcommand)]
    Preset(preset::PresetCommand),
    /// Look into LoRA files, bake block weights into them, write them for other programs
    #[command(subcommand)]
    Lora(lora::LoraCommand),
    /// Show the infotext and the plan of an image
    Info(info::InfoArgs),
    /// Explain a diagnostic code
    Explain(explain::ExplainArgs),
    /// Prompt files to PNGs, checked first and resumable
    Batch(batch::BatchArgs),
    /// Measure how long the parts of an image take on this machine
    Bench(bench::BenchArgs),
    /// Draw plans that another program sends, with the model staying loaded
    Worker(worker::WorkerArgs),
    /// Serve clients of webui's API, and a page
    #[cfg(feature = "serve")]
    Serve(Box<serve::ServeArgs>),
    /// Effective Block Analyzer: which block of a LoRA does what
    Analyze(analyze::AnalyzeArgs),
}
