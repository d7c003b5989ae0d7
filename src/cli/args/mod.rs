//! The command line's grammar. Flags are named after webui's fields.

mod engine;
mod output;
mod places;
mod table;

use std::io::Read;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use engine::EngineArgs;
pub use output::OutputArgs;
pub use places::PlaceArgs;
pub use table::{ModelArgs, PictureArgs, SettingsArgs, speak};

use super::commands::*;
use crate::app::{self, Caller};
use crate::diagnostic::{Diagnostic, code};
use crate::say;

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
    /// Effective Block Analyzer: which block of a LoRA does what
    Analyze(analyze::AnalyzeArgs),
}

/// Prompts, their settings, and how strict lbw is about them.
#[derive(Debug, Clone, Args)]
pub struct PromptArgs {
    /// Prompts or pasted infotexts; several are several images; `-` reads one from standard input
    #[arg(required = true, value_name = "PROMPT", allow_hyphen_values = false)]
    pub prompts: Vec<String>,
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Treat warnings as errors
    #[arg(long)]
    pub strict: bool,
}

/// The largest prompt read from standard input.
const STDIN_LIMIT: u64 = 8 << 20;

impl PromptArgs {
    /// The words themselves.
    pub fn texts(&self) -> app::Result<Vec<String>> {
        self.prompts.iter().map(|p| if p == "-" { from_stdin() } else { Ok(p.clone()) }).collect()
    }

    /// What the flags say.
    pub fn caller(&self) -> app::Result<Caller> {
        Ok(Caller { patch: self.settings.patch()?, is_default: false, strict: self.strict })
    }
}

fn from_stdin() -> app::Result<String> {
    let mut text = String::new();
    let read = std::io::stdin().take(STDIN_LIMIT).read_to_string(&mut text);
    read.map_err(|e| app::Error::file(code::NO_FILE, say!("standard input: {e}", "標準入力: {e}")))?;
    // The final line end is the shell's, not the prompt's.
    Ok(text.strip_suffix('\n').map_or(text.clone(), |t| t.strip_suffix('\r').unwrap_or(t).to_owned()))
}

/// A request that the words refuse.
pub fn refused(found: Vec<Diagnostic>) -> super::exit::Failure {
    app::Error::refused(found).into()
}
