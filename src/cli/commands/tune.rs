//! `lbw tune`: what should change, and the weights for it.

use std::path::PathBuf;

use clap::Args;

use crate::app::Error;
use crate::app::prompts::ask;
use crate::app::tune::{Fields, Wish, tune};
use crate::cli::args::{EngineArgs, PlaceArgs, PromptArgs, ViaArgs};
use crate::cli::exit::CommandResult;
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;
use crate::cli::watch::{self, Watch};
use crate::diagnostic::Language;

#[derive(Debug, Args)]
#[command(after_help = tell(EXAMPLES[0], EXAMPLES[1]))]
pub struct TuneArgs {
    #[arg(long, value_name = "NAME", help = tell("The LoRA under test, where none is marked lbw=XYZ; its weights in the prompts are replaced",
        "調べる LoRA。lbw=XYZ の印がないときに使い、プロンプト中の重みは置き換えます"))]
    pub lora: Option<String>,
    #[arg(long, value_name = "GOALS", visible_alias = "goal", help = tell("What should come nearer: base-colors, base-lines, base-style, base-composition, or a picture in its style",
        "近づけたいもの: base-colors、base-lines、base-style、base-composition、または画像 (その画風)"))]
    pub toward: Vec<String>,
    #[arg(long, value_name = "PICTURES", help = tell("Pictures to get away from in their style", "遠ざけたい画風の画像"))]
    pub away: Vec<String>,
    #[arg(long, value_name = "GOALS", help = tell("What should stay: motif, character, composition, style, colors, lines [default: motif]",
        "残したいもの: motif、character、composition、style、colors、lines [既定: motif]"))]
    pub keep: Vec<String>,
    #[arg(long, value_name = "BLOCK=WEIGHT", help = tell("Hold the weight of a block, M00=1, or say what it may be, OUT05=-0.5..1.2 [default: from 0 to 1]",
        "ブロックの重みを M00=1 のように固定するか、OUT05=-0.5..1.2 のように範囲を決めます [既定: 0 から 1]"))]
    pub fix: Vec<String>,
    #[arg(long, default_value_t = 2, value_name = "N", help = tell("How many seeds, counting up, the prompts are searched with in turn; 3 at most",
        "探索でプロンプトと順に組み合わせるシードの数。1 ずつ増えます。3 まで"))]
    pub seeds: usize,
    #[arg(long, value_name = "PROMPT", help = tell("A prompt to verify the result on; without a LoRA it gets the tag of the first one; may be given several times [default: three common ones]",
        "結果を確かめるプロンプト。LoRA のないものには最初のプロンプトのタグが付きます。複数指定できます [既定: よくある三つ]"))]
    pub verify_prompt: Vec<String>,
    #[arg(long, default_value_t = 40, value_name = "PICTURES", help = tell("How many whole pictures the work may be worth",
        "全体で何枚分の描画をしてよいか"))]
    pub budget: u32,
    #[arg(long, value_name = "NAME",
        help = tell("Save the found vector as a preset of this name: in the last preset file that is read, or else in presets.yaml in DIR",
            "見つけたベクトルをこの名前のプリセットとして保存します。読み込むプリセットファイルのうち最後のもの、なければ DIR の presets.yaml に書きます"))]
    pub save_preset: Option<String>,
    #[arg(short, long, default_value = "lbw-tune", value_name = "DIR",
        help = tell("The folder of the pictures and the report; a run that was stopped goes on in it",
            "画像とレポートのフォルダー。止めた探索は続きから始まります"))]
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
  lbw tune \"yellow star, blue background <lora:overcooked:1>\" \"red circle, gradient\" --toward base-colors,base-lines
  lbw tune \"red circle <lora:overcooked:1>\" --keep motif,composition=2 --toward base-style --fix BASE=1 --fix OUT05=0.5..1.2
  lbw tune \"a cat <lora:mine:0.8>\" --toward wanted.png --away ugly.png --save-preset MINE

Goals are separated by commas; `=` gives one its weight. A prompt without a LoRA gets the tag of the first one. The folder then holds
tune.html (open it in a browser), tune.json and every picture.",
    "\
例:
  lbw tune \"yellow star, blue background <lora:overcooked:1>\" \"red circle, gradient\" --toward base-colors,base-lines
  lbw tune \"red circle <lora:overcooked:1>\" --keep motif,composition=2 --toward base-style --fix BASE=1 --fix OUT05=0.5..1.2
  lbw tune \"a cat <lora:mine:0.8>\" --toward wanted.png --away ugly.png --save-preset MINE

目標はコンマで並べ、`=` で重みを付けます。LoRA のないプロンプトには最初のプロンプトのタグが付きます。フォルダーには tune.html \
(ブラウザーで開きます)、tune.json、すべての画像ができます。",
];

impl TuneArgs {
    fn wish(&self, language: Language) -> Result<Wish, Error> {
        let fields = Fields {
            lora: self.lora.clone(),
            keep: self.keep.clone(),
            toward: self.toward.clone(),
            away: self.away.clone(),
            fix: self.fix.clone(),
            seeds: Some(self.seeds),
            verify_prompts: self.verify_prompt.clone(),
            budget: Some(self.budget),
            ..Fields::default()
        };
        let wish = fields.wish(self.output.clone(), language)?;
        Ok(Wish { save_preset: self.save_preset.clone(), ..wish })
    }
}

pub fn run(args: &TuneArgs, terminal: Terminal) -> CommandResult {
    let wish = args.wish(terminal.language)?;
    let (session, drawer) = args.via.open(&args.places, args.prompt.caller()?, &args.engine)?;
    let (asked, found) = ask(&session, &args.prompt.texts()?)?;
    terminal.say_all(&found);
    let mut renderer = drawer.renderer(session.clone())?;
    let mut watch = Watch::new(terminal, args.json, watch::nothing);
    let tuned = tune(session, asked, &wish, &mut *renderer, &mut watch);
    let tuned = watch.end(tuned)?;
    if args.json {
        return terminal.line(serde_json::to_string(&tuned.report).unwrap_or_default());
    }
    tuned.report.paragraphs().iter().try_for_each(|paragraph| terminal.paragraph(paragraph))?;
    terminal.line(tuned.page.display())
}
