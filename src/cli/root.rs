//! The root of the command line: all commands and what they are for.

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use super::commands::*;
use super::language::tell;

#[derive(Debug, Parser)]
#[command(
    name = "lbw", version,
    about = tell(
        "Runs AUTOMATIC1111 webui prompts, LoRA Block Weight included, on its own engine for SDXL and SD1",
        "AUTOMATIC1111 webui のプロンプトを LoRA Block Weight も含めて、自前の SDXL・SD1 エンジンで描きます"
    ),
    after_help = tell(EXAMPLES[0], EXAMPLES[1]),
    after_long_help = format!("{}\n{}", tell(EXAMPLES[0], EXAMPLES[1]), tell(REST[0], REST[1])),
)]
pub struct Cli {
    #[arg(
        long, global = true, hide_short_help = true, value_enum, env = "LBW_LANG", hide_env_values = true,
        help = tell(
            "Language of all that is said [default: the system's, if it is one of them]",
            "表示の言語 [既定: システムの言語、対応していれば]"
        ),
    )]
    pub lang: Option<LangArg>,
    #[arg(
        short, long, global = true, hide_short_help = true,
        help = tell("Neither progress nor notes: results, warnings and errors alone", "進捗と情報を出さず、結果・警告・エラーだけを出します"),
    )]
    pub quiet: bool,
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: [&str; 2] = [
    "\
Examples:
  lbw \"1girl, (red hair:1.2) <lora:all12:1:1:lbw=XLOUT>\"
  lbw \"1girl <lora:mine:1:lbw=XLIN>\" --webui-dir ~/stable-diffusion-webui --model ponyDiffusion
  lbw plan \"<lora:mine:0.8:1:lbw=1,1,1,1,1,1,1,0.8,1,1,1,1>\"
  lbw info 00001-42.png

Lists of what there is to name: lbw loras, models, vaes, embeddings, samplers, schedules, upscalers, styles, presets. And: lbw completions, lbw man",
    "\
例:
  lbw \"1girl, (red hair:1.2) <lora:all12:1:1:lbw=XLOUT>\"
  lbw \"1girl <lora:mine:1:lbw=XLIN>\" --webui-dir ~/stable-diffusion-webui --model ponyDiffusion
  lbw plan \"<lora:mine:0.8:1:lbw=1,1,1,1,1,1,1,0.8,1,1,1,1>\"
  lbw info 00001-42.png

選べるものの一覧: lbw loras、models、vaes、embeddings、samplers、schedules、upscalers、styles、presets。ほかに lbw completions、lbw man",
];

const REST: [&str; 2] = [
    "
`lbw PROMPT` is `lbw txt2img PROMPT`. A pasted infotext (prompt, `Negative prompt:`, `Steps: …`) is understood wherever a prompt is; flags win over its fields.

Exit codes: 0 done; 1 some images failed; 2 the text is wrong (a prompt, flag, preset or name); 3 a file or device is absent, unreadable, damaged or full; 130 interrupted.",
    "
`lbw プロンプト` は `lbw txt2img プロンプト` と同じです。プロンプトを書くところならどこでも、貼り付けた infotext (プロンプト、`Negative prompt:`、`Steps: …`) を読みます。フラグはその項目より優先されます。

終了コード: 0 完了、1 一部の画像が失敗、2 文の誤り (プロンプト・フラグ・プリセット・名前)、3 ファイルや装置がない・読めない・壊れている・空きがない、130 中断。",
];

/// All commands with all their flags.
pub fn whole() -> clap::Command {
    let mut root = Cli::command();
    let written = root.clone();
    root.build();
    with_abouts(root, &written)
}

/// What groups of flags say of themselves is not what a command is for: that was written before its flags were made.
fn with_abouts(built: clap::Command, written: &clap::Command) -> clap::Command {
    written.get_subcommands().fold(built, |built, written| {
        built.mut_subcommand(written.get_name(), |command| match written.get_about() {
            Some(about) => with_abouts(command.about(about.clone()), written),
            None => with_abouts(command, written),
        })
    })
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LangArg {
    En,
    Ja,
}

/// The flags of a command are made when it is the one that runs: all of them take longer than `lbw info`.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Command {
    #[command(about = tell("Prompt to PNG", "プロンプトから PNG を描きます"))]
    Txt2img(txt2img::Txt2imgArgs),
    #[command(about = tell("Draw a prompt over a picture", "画像の上にプロンプトを描きます"))]
    Img2img(img2img::Img2imgArgs),
    #[command(about = tell("Execute a saved plan, or the one inside a PNG", "保存した計画、または PNG の中の計画を実行します"))]
    Run(run::RunArgs),
    #[command(about = tell("Show what would run, block by block, without running it", "何が実行されるかを、実行せずにブロックごとに示します"))]
    Plan(plan::PlanArgs),
    #[command(
        about = tell(
            "Report what is wrong or surprising in prompts and preset files",
            "プロンプトやファイル、プリセットの誤りや意外な点をすべて報告します"
        ),
    )]
    Check(check::CheckArgs),
    #[command(
        about = tell(
            "Draw an XYZ plot: a grid of pictures over blocks, weights, presets, seeds and settings",
            "XYZ プロット: ブロック・重み・プリセット・シード・設定を変えた画像の格子"
        ),
    )]
    Xyz(Box<xyz::XyzArgs>),
    #[command(subcommand, about = tell("List, show, convert and add presets", "プリセットの一覧・表示・変換・追加"))]
    Preset(preset::PresetCommand),
    #[command(
        subcommand,
        about = tell(
            "Look into LoRA files, bake block weights into them, write them for other programs",
            "LoRA ファイルを調べる、階層別の重みを焼き込む、分ける、まとめる、ほかのプログラム用に書く"
        ),
    )]
    Lora(lora::LoraCommand),
    #[command(about = tell("Show the infotext and the plan of an image", "画像の infotext と計画を示します"))]
    Info(info::InfoArgs),
    #[command(about = tell("Explain a diagnostic code", "診断のコードを説明します"))]
    Explain(explain::ExplainArgs),
    #[command(
        about = tell("Prompt files to PNGs, checked first and resumable", "プロンプトのファイルから PNG へ。先に確かめ、途中から再開できます"),
    )]
    Batch(batch::BatchArgs),
    #[command(about = tell("Measure how long the parts of an image take on this machine", "画像の各部分にこのマシンでかかる時間を測ります"))]
    Bench(bench::BenchArgs),
    #[command(
        about = tell(
            "Draw plans that another program sends, with the model staying loaded",
            "モデルを読み込んだまま、ほかのプログラムから届く計画を描きます"
        ),
    )]
    Worker(worker::WorkerArgs),
    #[cfg(feature = "serve")]
    #[command(about = tell("Serve clients of webui's API, and a page", "webui の API のクライアントとページに応えるサーバー"))]
    Serve(Box<serve::ServeArgs>),
    #[command(
        about = tell(
            "Effective Block Analyzer: which block of a LoRA does what",
            "Effective Block Analyzer: LoRA のどのブロックが何をするか"
        ),
    )]
    Analyze(analyze::AnalyzeArgs),
    #[command(
        about = tell(
            "Block weights for what should change, verified on other pictures",
            "変えたいことから階層別の重みを探し、ほかの画像で確かめます"
        ),
    )]
    Tune(Box<tune::TuneArgs>),
    #[command(
        about = tell(
            "Map what each block of a LoRA does, alone and by thirds of the steps",
            "LoRA の各ブロックが単独で、3 分の 1 ごとに何をするかの地図"
        ),
    )]
    Atlas(Box<atlas::AtlasArgs>),
    #[command(about = tell("Make finished pictures larger (webui's Extras)", "できあがった画像を大きくします (webui の Extras)"))]
    Upscale(upscale::UpscaleArgs),
    #[command(hide = true, about = tell("Print what a shell needs to complete commands, flags and names", "コマンド・フラグ・名前をシェルで補完するためのスクリプトを出力します"))]
    Completions(completions::CompletionsArgs),
    #[command(hide = true, about = tell("Print the manual page, or write those of all commands", "man ページを出力します。全コマンドの分を書き出すこともできます"))]
    Man(completions::ManArgs),
    #[command(flatten)]
    List(list::ListCommand),
}
