//! `lbw loras`, `lbw models`, `lbw samplers`, …: what there is to name.

use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};

use crate::app::lists::{Things, list};
use crate::app::{Caller, Session, settings_table};
use crate::cli::args::PlaceArgs;
use crate::cli::exit::{CommandResult, after_saying};
use crate::cli::language::{spoken, tell};
use crate::cli::terminal::Terminal;
use crate::diagnostic::escaped;

#[derive(Debug, Args)]
pub struct ListArgs {
    #[arg(long, help = tell("Print each as a line of JSON", "それぞれを JSON の 1 行で出力します"))]
    pub json: bool,
    #[command(flatten)]
    pub places: PlaceArgs,
}

/// The commands of all lists; the root's help has one line for them together.
#[derive(Debug)]
pub struct ListCommand {
    things: Things,
    args: ListArgs,
}

impl Subcommand for ListCommand {
    fn augment_subcommands(root: Command) -> Command {
        Things::ALL.into_iter().fold(root, |root, (name, things)| {
            let about = things.about().in_language(spoken()).to_owned();
            root.subcommand(Command::new(name).about(about).hide(true).defer(ListArgs::augment_args))
        })
    }

    fn augment_subcommands_for_update(root: Command) -> Command {
        Self::augment_subcommands(root)
    }

    fn has_subcommand(name: &str) -> bool {
        Things::ALL.iter().any(|(known, _)| *known == name)
    }
}

impl FromArgMatches for ListCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let named = matches.subcommand().and_then(|(name, inner)| {
            let (_, things) = Things::ALL.into_iter().find(|(known, _)| *known == name)?;
            Some((things, inner))
        });
        let (things, inner) = named.ok_or_else(|| clap::Error::new(clap::error::ErrorKind::MissingSubcommand))?;
        Ok(ListCommand { things, args: ListArgs::from_arg_matches(inner)? })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// `--sampler help` asks for the list of what the flag takes, whatever else stands there.
pub fn asked_by_a_flag(words: &[String], root: &Command) -> Option<ListCommand> {
    const ASKING: [&str; 3] = ["help", "list", "?"];
    let behind = words.iter().zip(words.iter().skip(1)).map(|(flag, value)| (flag.as_str(), value.as_str()));
    let joined = words.iter().filter_map(|word| word.split_once('='));
    let asks = |(flag, value): (&str, &str)| {
        let name = flag.strip_prefix("--").or_else(|| flag.strip_prefix('-'))?;
        Things::of_setting(settings_table::find(name)?.name).filter(|_| ASKING.contains(&value))
    };
    let things = behind.chain(joined).find_map(asks)?;
    // What is missing beside it is not asked for.
    let matches = root.clone().ignore_errors(true).try_get_matches_from(words).ok()?;
    let (_, inner) = matches.subcommand()?;
    let places = PlaceArgs::from_arg_matches(inner).ok()?;
    Some(ListCommand { things, args: ListArgs { json: false, places } })
}

pub fn run(command: &ListCommand, terminal: Terminal) -> CommandResult {
    let session = Session::open(&command.args.places.places(), Caller::default())?;
    print(&session, command.things, command.args.json, terminal)
}

/// Prints a list of what `session` finds.
pub fn print(session: &Session, things: Things, json: bool, terminal: Terminal) -> CommandResult {
    terminal.say_all(&session.found);
    let list = list(session, things)?;
    match json {
        true => list.values().try_for_each(|value| terminal.line(value))?,
        false => terminal.print(&escaped(terminal.words(&list.table())))?,
    }
    after_saying(&session.found)
}
