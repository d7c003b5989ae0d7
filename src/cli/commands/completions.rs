//! `lbw completions` and `lbw man`: what shells and readers of manuals need.

use std::path::PathBuf;

use clap::{Arg, Args, Command, CommandFactory, FromArgMatches};
use clap_complete::CompletionCandidate;
use clap_complete::engine::ArgValueCompleter;
use clap_complete::env::{CompleteEnv, Shells};

use super::txt2img::Txt2imgArgs;
use crate::app::lists::{Things, list};
use crate::app::{Caller, Error, Session};
use crate::cli::args::PlaceArgs;
use crate::cli::exit::CommandResult;
use crate::cli::help;
use crate::cli::language::tell;
use crate::cli::root::{Cli, whole};
use crate::cli::terminal::Terminal;

use crate::diagnostic::{Text, code};
use crate::say;

#[derive(Debug, Args)]
#[command(after_help = tell(INSTALL[0], INSTALL[1]))]
pub struct CompletionsArgs {
    #[arg(value_name = "SHELL", help = tell("bash, zsh, fish, elvish or powershell", "bash、zsh、fish、elvish、powershell のどれか"))]
    pub shell: String,
}

const INSTALL: [&str; 2] = [
    "\
Examples:
  lbw completions bash >> ~/.bashrc
  lbw completions zsh >> ~/.zshrc
  lbw completions fish > ~/.config/fish/completions/lbw.fish

Names of models, LoRAs, samplers and presets are asked of lbw each time, so that they are those that there are.",
    "\
例:
  lbw completions bash >> ~/.bashrc
  lbw completions zsh >> ~/.zshrc
  lbw completions fish > ~/.config/fish/completions/lbw.fish

モデル・LoRA・サンプラー・プリセットの名前は、そのつど lbw に尋ねるので、いまあるものが候補になります。",
];

/// The variable that a shell asks with.
const VARIABLE: &str = "LBW_COMPLETE";

/// Answers a shell that asks what a word may become, and ends there; goes on where none does.
pub fn complete() {
    CompleteEnv::with_factory(|| with_names(grammar())).var(VARIABLE).complete();
}

/// What may be written: a command, or what `txt2img` takes.
fn grammar() -> Command {
    let mut root = Txt2imgArgs::augment_args(Cli::command()).subcommand_required(false).arg_required_else_help(false);
    root.build();
    root
}

/// A command whose flags and arguments know the names there are.
fn with_names(command: Command) -> Command {
    let name = command.get_name().to_owned();
    let command = command.mut_args(|arg| match things(&name, &arg) {
        Some(things) => arg.add(ArgValueCompleter::new(move |begun: &std::ffi::OsStr| names(things, begun))),
        None => arg,
    });
    command.mut_subcommands(with_names)
}

/// What an argument of a command names.
fn things(command: &str, arg: &Arg) -> Option<Things> {
    match (command, arg.get_id().as_str()) {
        ("show", "name") => Some(Things::Presets),
        (_, "lora" | "loras") => Some(Things::Loras),
        (_, setting) => Things::of_setting(setting),
    }
}

/// Names that go on as `begun`, whatever their case: those of the webui folder and the user's configuration.
fn names(things: Things, begun: &std::ffi::OsStr) -> Vec<CompletionCandidate> {
    let begun = begun.to_string_lossy().to_lowercase();
    let places = PlaceArgs::augment_args(Command::new("lbw")).try_get_matches_from(["lbw"]);
    let places = places.and_then(|matches| PlaceArgs::from_arg_matches(&matches));
    let found = places.ok().and_then(|places| {
        let session = Session::open(&places.places(), Caller::default()).ok()?;
        list(&session, things).ok()
    });
    let found = found.unwrap_or_default();
    found.names().filter(|name| name.to_lowercase().starts_with(&begun)).map(CompletionCandidate::new).collect()
}

pub fn run(args: &CompletionsArgs, terminal: Terminal) -> CommandResult {
    let shells = Shells::builtins();
    let Some(shell) = shells.completer(&args.shell) else {
        let (name, all) = (&args.shell, shells.names().collect::<Vec<_>>().join(", "));
        let message = say!("there is no completion for `{name}`", "`{name}` の補完はありません");
        return Err(Error::words(code::USAGE, message).help(say!("there are: {all}", "あるもの: {all}")).into());
    };
    let mut script = Vec::new();
    let written = shell.write_registration(VARIABLE, "lbw", "lbw", "lbw", &mut script);
    written.map_err(|error| Error::file(code::NOT_WRITTEN, Text::same(error)))?;
    terminal.print(&String::from_utf8_lossy(&script))
}

#[derive(Debug, Args)]
pub struct ManArgs {
    #[arg(
        short, long, value_name = "DIR",
        help = tell("Write a page for each command into this folder", "コマンドごとのページをこのフォルダーに書きます"),
    )]
    pub output: Option<PathBuf>,
}

pub fn man(args: &ManArgs, terminal: Terminal) -> CommandResult {
    let mut pages = Vec::new();
    pages_of(&help::with_flags(whole()), &mut pages)?;
    match &args.output {
        None => terminal.print(&pages.swap_remove(0).1),
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(|error| Error::writing(folder, &error))?;
            for (name, text) in &pages {
                let path = folder.join(format!("{name}.1"));
                std::fs::write(&path, text).map_err(|error| Error::writing(&path, &error))?;
                terminal.line(path.display())?;
            }
            Ok(())
        }
    }
}

/// A page for a command and all in it, the command's own first.
fn pages_of(command: &Command, pages: &mut Vec<(String, String)>) -> Result<(), Error> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut page = Vec::new();
    let made = clap_mangen::Man::new(command.clone()).render(&mut page);
    made.map_err(|error| Error::file(code::NOT_WRITTEN, Text::same(error)))?;
    pages.push((name, String::from_utf8_lossy(&page).into_owned()));
    // clap's own `help` says nothing that the pages do not.
    let listed = |inner: &&Command| !inner.is_hide_set() && inner.get_name() != "help";
    command.get_subcommands().filter(listed).try_for_each(|inner| pages_of(inner, pages))
}
