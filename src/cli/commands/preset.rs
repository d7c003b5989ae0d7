//! `lbw preset`: what presets there are and what they stand for, and the files they come from.

use std::path::PathBuf;

use clap::Subcommand;

use super::list;
use crate::app::lists::Things;
use crate::app::preset_files::{add, convert, show};
use crate::app::{Caller, Session};
use crate::cli::args::PlaceArgs;
use crate::cli::exit::{CommandResult, after_saying};
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum PresetCommand {
    #[command(about = tell("List presets with the file each comes from", "プリセットと、それぞれの元のファイルを一覧します"))]
    List {
        #[command(flatten)]
        places: PlaceArgs,
        #[arg(long, help = tell("Print the result as JSON", "結果を JSON で出力します"))]
        json: bool,
    },
    #[command(about = tell("Show one preset, block by block", "プリセットをブロックごとに示します"))]
    Show {
        #[arg(value_name = "NAME", help = tell("The name of the preset", "プリセットの名前"))]
        name: String,
        #[command(flatten)]
        places: PlaceArgs,
        #[arg(long, help = tell("Print the result as JSON", "結果を JSON で出力します"))]
        json: bool,
    },
    #[command(
        about = tell(
            "Convert a preset file between YAML and webui's lbwpresets.txt and elempresets.txt. Comments are kept where the format has them; maps of blocks and `of:` are written out as vectors.",
            "プリセットのファイルを YAML と webui の lbwpresets.txt・elempresets.txt の間で変換します。コメントは書式が許せば残り、ブロックの対応表と `of:` はベクトルとして書き出します"
        ),
    )]
    Convert {
        #[arg(value_name = "FILE", help = tell("A YAML file, or one of webui's", "YAML のファイル、または webui のもの"))]
        file: PathBuf,
        #[arg(
            short, long,
            help = tell(
                "Where to write; the name says the format (.yaml, elempresets.txt, or lbwpresets.txt for any other) [default: standard output, in the other format]",
                "出力先。名前で書式が決まります (.yaml、elempresets.txt、ほかは lbwpresets.txt) [既定: もう一方の書式で標準出力]"
            ),
        )]
        output: Option<PathBuf>,
        #[arg(long, help = tell("Replace the output file if it is there", "出力先のファイルがあれば置き換えます"))]
        force: bool,
    },
    #[command(
        about = tell("Add a preset to a file, which is made if it is not there", "ファイルにプリセットを加えます。ファイルがなければ作ります"),
    )]
    Add {
        #[arg(
            help = tell(
                "A .yaml, an elempresets.txt, or any other name for a lbwpresets.txt",
                ".yaml、elempresets.txt、ほかの名前は lbwpresets.txt として扱います"
            ),
        )]
        file: PathBuf,
        #[arg(help = tell("The name of the new preset", "新しいプリセットの名前"))]
        name: String,
        #[arg(
            allow_hyphen_values = true,
            help = tell(
                "A weight vector such as 1,0,0,0,0,1,0,0,0,0,0,0, or with --elements rules such as IN04-OUT05:attn:0.5",
                "1,0,0,0,0,1,0,0,0,0,0,0 のような重みベクトル。--elements では IN04-OUT05:attn:0.5 のようなルール"
            ),
        )]
        value: String,
        #[arg(long, help = tell("The preset is a list of element rules", "要素のルールのプリセットです"))]
        elements: bool,
    },
}

pub fn run(command: &PresetCommand, terminal: Terminal) -> CommandResult {
    match command {
        PresetCommand::List { places, json } => {
            let session = Session::open(&places.places(), Caller::default())?;
            list::print(&session, Things::Presets, *json, terminal)?;
            after_saying(&session.found)
        }
        PresetCommand::Show { name, places, json } => {
            let session = Session::open(&places.places(), Caller::default())?;
            terminal.say_all(&session.found);
            show(&session.presets, name)?.iter().try_for_each(|preset| terminal.answer(preset, *json))?;
            after_saying(&session.found)
        }
        PresetCommand::Convert { file, output, force } => {
            terminal.answer(&convert(file, output.as_deref(), *force)?, false)
        }
        PresetCommand::Add { file, name, value, elements } => {
            terminal.say_all(&add(file, name, value, *elements)?);
            Ok(())
        }
    }
}
