//! What `lbw analyze` takes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::app::analyze::{Goal, Wish};
use crate::cli::args::{EngineArgs, PlaceArgs, PromptArgs, ViaArgs};
use crate::cli::language::tell;
use crate::diagnostic::Language;

#[derive(Debug, Args)]
#[command(after_help = tell(EXAMPLES[0], EXAMPLES[1]))]
pub struct AnalyzeArgs {
    #[arg(
        long, value_name = "NAME",
        help = tell(
            "The LoRA under test, where none is marked lbw=XYZ; its weights in the prompt are replaced",
            "調べる LoRA。lbw=XYZ の印がないときに使い、プロンプト中の重みは置き換えます"
        ),
    )]
    pub lora: Option<String>,
    #[arg(
        long, default_value = "0,1", value_name = "A,B", allow_hyphen_values = true,
        help = tell("Weight of the changed block, and of all others", "変えるブロックの重みと、ほかのブロックの重み"),
    )]
    pub range: String,
    #[arg(
        long,
        help = tell(
            "12ALL, 17ALL, 20ALL, 26ALL, or block lists separated by commas: IN04,IN05-IN07,NOT M00 [default: 12ALL for SDXL, 17ALL for \
             SD1, and other blocks in which the LoRA has weights]",
            "12ALL・17ALL・20ALL・26ALL、またはコンマで区切ったブロックの並び: IN04,IN05-IN07,NOT M00 [既定: SDXL は 12ALL、SD1 は 17ALL と、LoRA に重みのあるほかのブロック]"
        ),
    )]
    pub blocks: Option<String>,
    #[arg(
        long, default_value = "20", allow_hyphen_values = true,
        help = tell(
            "A channel sample counts as changed when it differs by more than this (0 to 255)",
            "チャンネルの値がこれより大きく違うと「変わった」と数えます (0〜255)"
        ),
    )]
    pub threshold: String,
    #[arg(
        long, value_enum, default_value_t = DiffColor::Black,
        help = tell("What stands for no difference in the difference pictures", "差分画像で「差がない」を表す色"),
    )]
    pub diff_color: DiffColor,
    #[arg(long, help = tell("Blocks along the columns of the grid", "グリッドの列にブロックを並べます"))]
    pub swap_axes: bool,
    #[arg(
        long, default_value_t = 1, value_name = "N",
        help = tell("How many seeds, counting up, to repeat the analysis with", "分析を繰り返すシードの数。1 ずつ増えます"),
    )]
    pub seeds: usize,
    #[arg(
        long,
        help = tell(
            "A quarter of the steps: nearly the same ranking from a quarter of the work (a suggestion is verified with all of them)",
            "ステップ数を 4 分の 1 にします。4 分の 1 の手間でほぼ同じ順位になります (提案は全ステップで確かめます)"
        ),
    )]
    pub quick: bool,
    #[arg(
        long, value_name = "GOAL",
        help = tell(
            "Suggest a vector that brings these back and keeps the rest: base-colors, base-lines, or both with a comma",
            "これらを元に戻し、ほかは保つベクトルを提案します: base-colors、base-lines、またはコンマで両方"
        ),
    )]
    pub toward: Option<Goal>,
    #[arg(
        long, value_name = "PROMPT",
        help = tell(
            "A prompt to verify the suggestion on; without a LoRA it gets the tag of the first one; may be given several times [default: three common ones]",
            "提案を確かめるプロンプト。LoRA のないものには最初のプロンプトのタグが付きます。複数指定できます [既定: よくある三つ]"
        ),
    )]
    pub verify_prompt: Vec<String>,
    #[arg(
        long, value_name = "NAME", requires = "toward",
        help = tell(
            "Save the suggested vector as a preset of this name: in the last preset file that is read, or else in presets.yaml in DIR",
            "提案したベクトルをこの名前のプリセットとして保存します。読み込むプリセットファイルのうち最後のもの、なければ DIR の presets.yaml に書きます"
        ),
    )]
    pub save_preset: Option<String>,
    #[arg(
        long,
        help = tell(
            "Take a range of three weights or more as the extension does, whose grid then shows wrong pictures",
            "三つ以上の重みの範囲を拡張機能と同じように受け取ります (グリッドの画像が誤ったものになります)"
        ),
    )]
    pub webui_quirks: bool,
    #[arg(
        short, long, default_value = "lbw-analysis", value_name = "DIR",
        help = tell(
            "The folder of the pictures and the report; a run that was stopped goes on in it",
            "画像とレポートのフォルダー。止めた分析は続きから始まります"
        ),
    )]
    pub output: PathBuf,
    #[arg(long, help = tell("Print the report as JSON, and no progress", "レポートを JSON で出力し、進捗は出しません"))]
    pub json: bool,
    #[command(flatten)]
    pub prompt: PromptArgs,
    #[command(flatten)]
    pub places: PlaceArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
    #[command(flatten)]
    pub via: ViaArgs,
}

const EXAMPLES: [&str; 2] = [
    "\
Examples:
  lbw analyze \"red circle, blue background <lora:overcooked:1:lbw=XYZ>\" --seed 1
  lbw analyze \"red circle <lora:overcooked:1>\" --blocks 20ALL --seeds 3 -o study
  lbw analyze \"red circle <lora:overcooked:1>\" --quick --toward base-colors,base-lines

The folder then holds analysis.html (open it in a browser), analysis.json, analysis.csv, a grid for each seed and every picture.",
    "\
例:
  lbw analyze \"red circle, blue background <lora:overcooked:1:lbw=XYZ>\" --seed 1
  lbw analyze \"red circle <lora:overcooked:1>\" --blocks 20ALL --seeds 3 -o study
  lbw analyze \"red circle <lora:overcooked:1>\" --quick --toward base-colors,base-lines

フォルダーには analysis.html (ブラウザーで開きます)、analysis.json、analysis.csv、シードごとのグリッド、すべての画像ができます。",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DiffColor {
    Black,
    White,
}

impl AnalyzeArgs {
    pub fn wish(&self, language: Language) -> Wish {
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
            save_preset: self.save_preset.clone(),
            webui_quirks: self.webui_quirks,
            output: self.output.clone(),
            language,
        }
    }
}
