//! The command line's grammar. Flags are named after webui's fields.

mod engine;
mod output;
mod places;
mod table;
mod via;

use clap::Args;

pub use engine::EngineArgs;
pub use output::OutputArgs;
pub use places::PlaceArgs;
pub use table::{ModelArgs, PictureArgs, SettingsArgs};
pub use via::{Drawer, ViaArgs};

use crate::app::{self, Caller};
use crate::cli::language::tell;

/// Prompts, their settings, and how strict lbw is about them.
#[derive(Debug, Clone, Args)]
pub struct PromptArgs {
    #[arg(required_unless_present = "prompt", value_name = "PROMPT",
        help = tell("Prompts or pasted infotexts; several are several images; `-` reads one from standard input",
            "プロンプト、または貼り付けた infotext。複数書くと複数の画像になります。`-` は標準入力から読みます"))]
    pub prompts: Vec<String>,
    #[arg(long = "prompt", value_name = "PROMPT", hide_short_help = true,
        help = tell("A prompt, as an option; may be given several times", "プロンプトをオプションとして書きます。複数指定できます"))]
    pub prompt: Vec<String>,
    #[command(flatten)]
    pub settings: SettingsArgs,
    #[arg(long, help = tell("Treat warnings as errors", "警告をエラーとして扱います"))]
    pub strict: bool,
}

impl PromptArgs {
    /// The words themselves.
    pub fn texts(&self) -> app::Result<Vec<String>> {
        self.prompts.iter().chain(&self.prompt).map(|p| if p == "-" { from_stdin() } else { Ok(p.clone()) }).collect()
    }

    /// What the flags say.
    pub fn caller(&self) -> app::Result<Caller> {
        Ok(Caller { patch: self.settings.patch()?, is_default: false, strict: self.strict })
    }
}

fn from_stdin() -> app::Result<String> {
    let text = app::read_standard_input()?;
    // The final line end is the shell's, not the prompt's.
    Ok(text.strip_suffix('\n').map_or(text.clone(), |t| t.strip_suffix('\r').unwrap_or(t).to_owned()))
}
