//! `lbw preset`: what presets there are and what they stand for, and the files they come from.

use std::path::PathBuf;

use clap::Subcommand;

use crate::app::preset_files::{add, convert, list, show};
use crate::app::{self, Answer, Caller, Session};
use crate::cli::args::PlaceArgs;
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;

#[derive(Debug, Subcommand)]
pub enum PresetCommand {
    /// List presets with the file each comes from
    List {
        #[command(flatten)]
        places: PlaceArgs,
        #[arg(long)]
        json: bool,
    },
    /// Show one preset, block by block
    Show {
        name: String,
        #[command(flatten)]
        places: PlaceArgs,
        #[arg(long)]
        json: bool,
    },
    /// Convert a preset file between YAML and webui's lbwpresets.txt and elempresets.txt
    ///
    /// Comments are kept where the format has them; maps of blocks and `of:` are written out as vectors.
    Convert {
        /// A YAML file, or one of webui's
        file: PathBuf,
        /// Where to write; the name says the format (.yaml, elempresets.txt, or lbwpresets.txt for any other)
        /// [default: standard output, in the other format]
        #[arg(short, long)]
        output: Option<PathBuf>,
        /// Replace the output file if it is there
        #[arg(long)]
        force: bool,
    },
    /// Add a preset to a file, which is made if it is not there
    Add {
        /// A .yaml, an elempresets.txt, or any other name for a lbwpresets.txt
        file: PathBuf,
        name: String,
        /// A weight vector such as 1,0,0,0,0,1,0,0,0,0,0,0, or with --elements rules such as IN04-OUT05:attn:0.5
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// The preset is a list of element rules
        #[arg(long)]
        elements: bool,
    },
}

pub fn run(command: &PresetCommand, terminal: Terminal) -> CommandResult {
    match command {
        PresetCommand::List { places, json } => print(&list(&load(places, terminal)?.presets), *json, terminal),
        PresetCommand::Show { name, places, json } => {
            print(&show(&load(places, terminal)?.presets, name)?, *json, terminal)
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

fn load(places: &PlaceArgs, terminal: Terminal) -> app::Result<Session> {
    let session = Session::open(&places.places(), Caller::default())?;
    terminal.say_all(&session.found);
    Ok(session)
}

fn print(presets: &[Answer], json: bool, terminal: Terminal) -> CommandResult {
    presets.iter().try_for_each(|preset| terminal.answer(preset, json))
}
