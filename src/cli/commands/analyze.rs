//! `lbw analyze`: the Effective Block Analyzer.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use crate::app::analyze::{Goal, Wish, analyze};
use crate::app::prompts::ask;
use crate::app::{Error, Session, Studios};
use crate::cli::args::{EngineArgs, PlaceArgs, PromptArgs};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;
use crate::cli::watch::{self, Watch};
use crate::diagnostic::{Language, code, escaped};
use crate::say;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct AnalyzeArgs {
    /// The LoRA under test, where none is marked lbw=XYZ; its weights in the prompt are replaced
    #[arg(long, value_name = "NAME")]
    pub lora: Option<String>,
    /// Weight of the changed block, and of all others
    #[arg(long, default_value = "0,1", value_name = "A,B", allow_hyphen_values = true)]
    pub range: String,
    /// 12ALL, 17ALL, 20ALL, 26ALL, or block lists separated by commas: IN04,IN05-IN07,NOT M00 [default: 12ALL for SDXL,
    /// 17ALL for SD1]
    #[arg(long)]
    pub blocks: Option<String>,
    /// A channel sample counts as changed when it differs by more than this (0 to 255)
    #[arg(long, default_value = "20", allow_hyphen_values = true)]
    pub threshold: String,
    /// What stands for no difference in the difference pictures
    #[arg(long, value_enum, default_value_t = DiffColor::Black)]
    pub diff_color: DiffColor,
    /// Blocks along the columns of the grid
    #[arg(long)]
    pub swap_axes: bool,
    /// How many seeds, counting up, to repeat the analysis with
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seeds: usize,
    /// A quarter of the steps: nearly the same ranking from a quarter of the work
    #[arg(long)]
    pub quick: bool,
    /// Suggest a vector that brings these back and keeps the rest: base-colors, base-lines, or both with a comma
    #[arg(long, value_name = "GOAL")]
    pub toward: Option<Goal>,
    /// A prompt to verify the suggestion on, without LoRA tags; may be given several times [default: three common ones]
    #[arg(long, value_name = "PROMPT")]
    pub verify_prompt: Vec<String>,
    /// Take a range of three weights or more as the extension does, whose grid then shows wrong pictures
    #[arg(long)]
    pub webui_quirks: bool,
    /// The folder of the pictures and the report; a run that was stopped goes on in it
    #[arg(short, long, default_value = "lbw-analysis", value_name = "DIR")]
    pub output: PathBuf,
    /// Print the report as JSON, and no progress
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub prompt: PromptArgs,
    #[command(flatten)]
    pub places: PlaceArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
}

const EXAMPLES: &str = "\
Examples:
  lbw analyze \"red circle, blue background <lora:overcooked:1:lbw=XYZ>\" --seed 1
  lbw analyze \"red circle <lora:overcooked:1>\" --blocks 20ALL --seeds 3 -o study
  lbw analyze \"red circle <lora:overcooked:1>\" --quick --toward base-colors,base-lines

The folder then holds analysis.html (open it in a browser), analysis.json, analysis.csv, a grid for each seed and every picture.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DiffColor {
    Black,
    White,
}

impl AnalyzeArgs {
    fn wish(&self, language: Language) -> Wish {
        Wish {
            lora: self.lora.clone(),
            range: self.range.clone(),
            blocks: self.blocks.clone(),
            threshold: self.threshold.clone(),
            white: self.diff_color == DiffColor::White,
            swap_axes: self.swap_axes,
            seeds: self.seeds,
            quick: self.quick,
            toward: self.toward,
            verify_prompts: self.verify_prompt.clone(),
            webui_quirks: self.webui_quirks,
            output: self.output.clone(),
            language,
        }
    }
}

pub fn run(args: &AnalyzeArgs, terminal: Terminal) -> CommandResult {
    let session = Arc::new(Session::open(&args.places.places(), args.prompt.caller()?)?);
    let (mut asked, found) = ask(&session, &args.prompt.texts()?)?;
    let one = asked.pop().filter(|_| asked.is_empty());
    let Some(asked) = one else {
        let message = say!(
            "several prompts: an analysis has one prompt; use --seeds for more pictures",
            "プロンプトが複数あります。分析のプロンプトは一つです。枚数を増やすには --seeds を使います"
        );
        return Err(Error::words(code::STUDY, message).into());
    };
    terminal.say_all(&found);
    let mut studios = Studios::new(session.clone(), args.engine.settings()?);
    let mut watch = Watch::new(terminal, args.json, watch::nothing);
    let analyzed = analyze(session, asked, &args.wish(terminal.language), &mut studios, &mut watch);
    let analyzed = watch.end(analyzed)?;
    if args.json {
        return terminal.line(serde_json::to_string(&analyzed.report).unwrap_or_default());
    }
    terminal.print(&escaped(&analyzed.report.table()))?;
    terminal.line(analyzed.page.display())
}
