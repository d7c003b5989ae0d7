//! `lbw lora split`: a file for each block, and the tags that make of their strengths a weight vector; and back.

use std::path::PathBuf;

use clap::Args;

use crate::app::lora::{self, SplitWish};
use crate::app::{Caller, Error, Session};
use crate::cli::args::PlaceArgs;
use crate::cli::exit::CommandResult;
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;
use crate::diagnostic::code;
use crate::say;

#[derive(Debug, Args)]
pub struct SplitArgs {
    #[arg(
        value_name = "FILE|NAME", required_unless_present = "join", conflicts_with = "join",
        help = tell("A LoRA file, or a name from the LoRA folders", "LoRA のファイル、または LoRA フォルダーにある名前"),
    )]
    lora: Option<String>,
    #[arg(
        short, long, value_name = "DIR|FILE", required_unless_present_any = ["tag", "join"],
        help = tell("The folder for the new files; with --join the new file", "新しいファイルのフォルダー。--join では新しいファイル"),
    )]
    output: Option<PathBuf>,
    #[arg(
        long, default_value = "block", value_name = "WHAT",
        help = tell(
            "`block`, `element`, or groups of blocks: \"base,in,mid,out\", \"IN04-IN08,M00+OUT00\"",
            "`block`、`element`、またはブロックの組: \"base,in,mid,out\"、\"IN04-IN08,M00+OUT00\" など"
        ),
    )]
    by: String,
    #[arg(
        long, value_name = "VECTOR", conflicts_with_all = ["output", "join"],
        help = tell(
            "Print the tags of the files instead, with the strengths that are this weight vector, preset or tag",
            "ファイルを作らず、この重みベクトル・プリセット・タグになる強度のタグを出力します"
        ),
    )]
    tag: Option<String>,
    #[arg(
        long, value_name = "DIR|FILE|TAGS", num_args = 1..,
        help = tell(
            "Put files made by split together again: a folder, or the files. Of tags, print the one tag of the whole file with its vector",
            "分けたファイルを元に戻します (フォルダーまたはファイル)。タグを渡すと、元のファイルのタグ一つとベクトルを出力します"
        ),
    )]
    join: Vec<String>,
    #[arg(long, help = tell("Replace files that are there", "ファイルがあれば置き換えます"))]
    overwrite: bool,
    #[arg(long, help = tell("Treat warnings as errors", "警告をエラーとして扱います"))]
    strict: bool,
    #[arg(long, help = tell("Print the result as JSON", "結果を JSON で出力します"))]
    json: bool,
    #[command(flatten)]
    places: PlaceArgs,
}

pub fn run(args: &SplitArgs, terminal: Terminal) -> CommandResult {
    let output = args.output.as_deref();
    let answer = if args.join.iter().any(|text| text.trim_start().starts_with('<')) {
        lora::vector(&args.join.join(" "))?
    } else if !args.join.is_empty() {
        let Some(file) = output else { return Err(no_output().into()) };
        let parts: Vec<PathBuf> = args.join.iter().map(PathBuf::from).collect();
        lora::join(&parts, file, args.overwrite)?
    } else {
        let session = Session::open(&args.places.places(), Caller { strict: args.strict, ..Caller::default() })?;
        let lora = args.lora.clone().unwrap_or_default();
        let wish = SplitWish { lora, by: args.by.clone(), overwrite: args.overwrite };
        match (&args.tag, output) {
            (Some(vector), _) => lora::tags(&session, &wish, vector)?,
            (None, Some(folder)) => lora::split(&session, &wish, folder)?,
            (None, None) => return Err(no_output().into()),
        }
    };
    terminal.answer(&answer, args.json)
}

fn no_output() -> Error {
    let message = say!(
        "-o names where it goes: a folder, or with --join the new file",
        "-o で出力先を指定してください。フォルダー、--join なら新しいファイルです"
    );
    Error::words(code::USAGE, message)
}
