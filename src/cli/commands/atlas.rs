//! `lbw atlas`: what each block of a LoRA does, alone and in each third of the steps.

use std::path::PathBuf;

use clap::Args;

use crate::app::atlas::{SEEDS, Wish, atlas};
use crate::app::prompts::ask;
use crate::cli::args::{EngineArgs, PlaceArgs, PromptArgs, ViaArgs};
use crate::cli::exit::CommandResult;
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;
use crate::cli::watch::{self, Watch};

#[derive(Debug, Args)]
#[command(after_help = tell(EXAMPLES[0], EXAMPLES[1]))]
pub struct AtlasArgs {
    #[arg(long, value_name = "NAME", help = tell("The LoRA, where none is marked lbw=XYZ; its weights in the prompts are replaced",
        "調べる LoRA。lbw=XYZ の印がないときに使い、プロンプト中の重みは置き換えます"))]
    pub lora: Option<String>,
    #[arg(long, default_value_t = SEEDS, value_name = "N", help = tell("How many seeds, counting up, every prompt is drawn with",
        "プロンプトごとに描くシードの数。1 ずつ増えます"))]
    pub seeds: usize,
    #[arg(long, help = tell("Draw with all steps; otherwise with a quarter of them, at least six", "全ステップで描きます。指定しないと 4 分の 1 (少なくとも 6) です"))]
    pub whole: bool,
    #[arg(short, long, default_value = "lbw-atlas", value_name = "DIR",
        help = tell("The folder of the pictures and the atlas; a run that was stopped goes on in it",
            "画像とアトラスのフォルダー。止めた実行は続きから始まります"))]
    pub output: PathBuf,
    #[arg(long, help = tell("Print the atlas as JSON, and no progress", "アトラスを JSON で出力し、進捗は出しません"))]
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
  lbw atlas \"red circle <lora:overcooked:1>\" \"yellow star, blue background\"
  lbw lora inspect overcooked --atlas lbw-atlas

Each block is drawn alone on the base model, over all steps and in each third of them. The folder then holds atlas.html (open it in a
browser), atlas.json and every picture. `lbw lora inspect NAME --atlas DIR --atlas DIR` compares two atlases.",
    "\
例:
  lbw atlas \"red circle <lora:overcooked:1>\" \"yellow star, blue background\"
  lbw lora inspect overcooked --atlas lbw-atlas

ブロックを一つだけ使い、全ステップと 3 分の 1 ずつで描きます。フォルダーには atlas.html (ブラウザーで開きます)、atlas.json、すべての\
画像ができます。`lbw lora inspect NAME --atlas DIR --atlas DIR` は二つのアトラスを比べます。",
];

pub fn run(args: &AtlasArgs, terminal: Terminal) -> CommandResult {
    let wish = Wish {
        lora: args.lora.clone(),
        seeds: args.seeds,
        whole: args.whole,
        output: args.output.clone(),
        language: terminal.language,
    };
    let (session, drawer) = args.via.open(&args.places, args.prompt.caller()?, &args.engine)?;
    let (asked, found) = ask(&session, &args.prompt.texts()?)?;
    terminal.say_all(&found);
    let mut renderer = drawer.renderer(session.clone())?;
    let mut watch = Watch::new(terminal, args.json, watch::nothing);
    let drawn = atlas(session, asked, &wish, &mut *renderer, &mut watch);
    let drawn = watch.end(drawn)?;
    if args.json {
        return terminal.line(serde_json::to_string(&drawn.atlas).unwrap_or_default());
    }
    let words = |text: &crate::diagnostic::Text| text.in_language(terminal.language).to_owned();
    terminal.line(words(&drawn.atlas.table()))?;
    drawn.atlas.paragraphs().iter().try_for_each(|paragraph| terminal.paragraph(&words(paragraph)))?;
    terminal.line(drawn.page.display())
}
