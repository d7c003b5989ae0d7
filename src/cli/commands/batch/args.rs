//! What `lbw batch` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::app::Reading;
use crate::app::batch::{Form, Pattern, Shard, Wish};
use crate::cli::args::{EngineArgs, PlaceArgs, SettingsArgs, ViaArgs};
use crate::cli::language::tell;
use crate::diagnostic::Text;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BatchArgs {
    #[command(subcommand)]
    pub command: Option<BatchCommand>,
    #[arg(
        value_name = "FILE|FOLDER", required = true,
        help = tell(
            "Prompt files, images whose infotexts are drawn again, or folders of such images",
            "プロンプトのファイル、infotext から描き直す画像、またはその画像のフォルダー"
        ),
    )]
    pub inputs: Vec<PathBuf>,
    #[arg(
        long, value_enum,
        help = tell(
            "How the files are written: webui (a prompt per line, or `--prompt \"…\" --steps 20`), kohya (a prompt per line with --n, --w, --h, --s, --d, --l), inspire (blocks of `positive:` and `negative:`), json (JSON Lines), csv (a table), toml (kohya's, with [[prompt.subset]]), infotexts (pasted ones) [default: told by name and content]",
            "ファイルの書式: webui (1 行に 1 プロンプト、または `--prompt \"…\" --steps 20`)、kohya (行ごとに --n・--w・--h・--s・--d・--l)、inspire (`positive:` と `negative:` の組)、json (JSON Lines)、csv (表)、toml (kohya の TOML、[[prompt.subset]])、infotexts (貼り付けたもの) [既定: 名前と内容から判断]"
        ),
    )]
    pub form: Option<FormArg>,
    #[arg(
        short, long, value_name = "DIR",
        help = tell(
            "The folder of the pictures [default: lbw-out/NAME-OF-FILE]; a second run goes on there",
            "画像のフォルダー。もう一度実行すると続きから始まります [既定: lbw-out/ファイル名]"
        ),
    )]
    pub output: Option<PathBuf>,
    #[arg(
        long, value_name = "PATTERN",
        help = tell(
            "Names of the pictures; webui's [seed], [prompt_words]… are understood too [default: {line:04}-{seed}.png]",
            "画像の名前。webui の [seed] や [prompt_words] なども使えます [既定: {line:04}-{seed}.png]"
        ),
    )]
    pub name: Option<Pattern>,
    #[arg(long, help = tell("Draw the good lines where others are wrong", "誤りのある行を飛ばして、正しい行を描きます"))]
    pub keep_going: bool,
    #[arg(long, help = tell("Treat warnings as errors", "警告をエラーとして扱います"))]
    pub strict: bool,
    #[arg(
        long,
        help = tell(
            "Read lines that are wrong as webui does: silently, as a prompt",
            "誤りのある行を webui と同じように、黙ってプロンプトとして読みます"
        ),
    )]
    pub webui_quirks: bool,
    #[arg(
        long,
        help = tell("Stop before the first picture: check everything, write nothing", "描く前に止めます。すべてを確かめ、何も書きません"),
    )]
    pub dry_run: bool,
    #[arg(
        long, value_name = "I/N", value_parser = shard,
        help = tell(
            "Draw one part of several, as in 1/4; `auto` or `auto/4` asks SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX",
            "1/4 のように、いくつかに分けたうちの一つを描きます。`auto` や `auto/4` は SLURM_ARRAY_TASK_ID か JOB_COMPLETION_INDEX に従います"
        ),
    )]
    pub shard: Option<Shard>,
    #[arg(
        long,
        help = tell(
            "Share the folder with other workers: each picture is drawn by one of them",
            "フォルダーをほかのプロセスと共有します。画像はそれぞれ一つのプロセスが描きます"
        ),
    )]
    pub claim: bool,
    #[arg(long, help = tell("Put all pictures into one, grid.png, at the end", "最後にすべての画像を一枚 (grid.png) にまとめます"))]
    pub grid: bool,
    #[arg(long, help = tell("Print events as lines of JSON and no progress", "出来事を JSON の行で出力し、進捗は出しません"))]
    pub json: bool,
    /// What lines that say nothing else have.
    #[command(flatten)]
    pub defaults: SettingsArgs,
    #[command(flatten)]
    pub places: PlaceArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
    #[command(flatten)]
    pub via: ViaArgs,
}

fn shard(text: &str) -> Result<Shard, Text> {
    Shard::parse(text, |name| std::env::var(name).ok())
}

#[derive(Debug, Subcommand)]
pub enum BatchCommand {
    #[command(about = tell("How far a batch is", "バッチの進み具合"))]
    Status {
        #[arg(value_name = "DIR", help = tell("The folder of the batch", "バッチのフォルダー"))]
        folder: PathBuf,
        #[arg(long, help = tell("Print the result as JSON", "結果を JSON で出力します"))]
        json: bool,
    },
    #[command(about = tell("Whether every picture of a batch is there and undamaged", "バッチの画像がすべて無事にあるかどうか"))]
    Verify {
        #[arg(value_name = "DIR", help = tell("The folder of the batch", "バッチのフォルダー"))]
        folder: PathBuf,
        #[arg(long, help = tell("Print the result as JSON", "結果を JSON で出力します"))]
        json: bool,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum FormArg {
    Webui,
    Kohya,
    Inspire,
    Json,
    Csv,
    Infotexts,
    Toml,
}

impl From<FormArg> for Form {
    fn from(form: FormArg) -> Self {
        match form {
            FormArg::Webui => Form::Webui,
            FormArg::Kohya => Form::Kohya,
            FormArg::Inspire => Form::Inspire,
            FormArg::Json => Form::Json,
            FormArg::Csv => Form::Csv,
            FormArg::Infotexts => Form::Infotexts,
            FormArg::Toml => Form::Toml,
        }
    }
}

impl BatchArgs {
    pub fn wish(&self) -> Wish {
        Wish {
            inputs: self.inputs.clone(),
            reading: Reading { form: self.form.map(Form::from), webui_quirks: self.webui_quirks },
            name: self.name.clone(),
            keep_going: self.keep_going,
            strict: self.strict,
            shard: self.shard,
            claim: self.claim,
            most: None,
        }
    }
}
