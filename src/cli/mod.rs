//! The command line: arguments, one file per command, the terminal, exit codes. What a command does is done by
//! [`app`](crate::app).

mod args;
mod commands;
mod exit;
mod progress;
mod root;
mod terminal;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use commands::*;
use exit::Failure;
use root::{Cli, Command};
use terminal::Terminal;

use crate::diagnostic::Language;

/// Runs the command named by `args` (the program's own name first) and gives its exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = with_default_command(args.into_iter().collect());
    let language = language(&args);
    args::speak(language);
    // clap exits with 2 for a wrong command line and 0 for `--help`, which are our codes too.
    let matches = match Cli::command().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => error.exit(),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let terminal = Terminal { language };
    let result = match cli.command {
        Command::Txt2img(args) => txt2img::run(&args, terminal),
        Command::Img2img(args) => img2img::run(&args, terminal),
        Command::Run(args) => run::run(&args, terminal),
        Command::Plan(args) => plan::run(&args, terminal),
        Command::Check(args) => check::run(&args, terminal),
        Command::Preset(command) => preset::run(&command, terminal),
        Command::Xyz(args) => xyz::run(&args, terminal),
        Command::Lora(command) => lora::run(&command, terminal),
        Command::Info(args) => info::run(&args, terminal),
        Command::Explain(args) => explain::run(&args, terminal),
        Command::Bench(args) => bench::run(&args, terminal),
        Command::Worker(args) => worker::run(&args, terminal),
        Command::Batch(args) => batch::run(&args, terminal),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(&args, terminal),
        Command::Analyze(args) => analyze::run(&args, terminal),
    };
    if let Err(Failure::App(error)) = &result {
        terminal.say_all(&error.findings);
    }
    exit::code(&result)
}

/// The language of this run: `--lang`, `LBW_LANG`, or the system's. Help is asked for in it, so it is known before the rest is
/// read.
fn language(args: &[OsString]) -> Language {
    let flag = args.iter().enumerate().find_map(|(at, arg)| match arg.to_str()? {
        "--lang" => args.get(at + 1)?.to_str().map(str::to_owned),
        word => word.strip_prefix("--lang=").map(str::to_owned),
    });
    let chosen = flag.or_else(|| std::env::var("LBW_LANG").ok().filter(|l| !l.is_empty()));
    Language::of_locale(&chosen.or_else(sys_locale::get_locale).unwrap_or_default())
}

/// `lbw PROMPT` is `lbw txt2img PROMPT`: the command is put in where the first word names none.
fn with_default_command(mut args: Vec<OsString>) -> Vec<OsString> {
    let names: Vec<String> = Cli::command().get_subcommands().map(|c| c.get_name().to_owned()).collect();
    let known =
        |word: &str| names.iter().any(|n| n == word) || ["help", "-h", "--help", "-V", "--version"].contains(&word);
    let at = after_language(&args);
    if let Some(first) = args.get(at).filter(|a| !a.to_str().is_some_and(known)) {
        // A single word that is nearly a command is a slip, not a prompt; clap says which command is meant.
        let is_slip = args.len() == at + 1
            && first.to_str().is_some_and(|w| names.iter().any(|n| w != n && strsim::damerau_levenshtein(w, n) <= 1));
        if !is_slip {
            args.insert(at, "txt2img".into());
        }
    }
    args
}

/// Where the words begin that may be a command: `--lang` may stand before it.
fn after_language(args: &[OsString]) -> usize {
    match args.get(1).and_then(|a| a.to_str()) {
        Some("--lang") => 3,
        Some(word) if word.starts_with("--lang=") => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_prompt_alone_is_drawn() {
        let words = |text: &[&str]| text.iter().map(OsString::from).collect::<Vec<_>>();
        assert_eq!(with_default_command(words(&["lbw", "1girl"])), words(&["lbw", "txt2img", "1girl"]));
        assert_eq!(
            with_default_command(words(&["lbw", "--steps", "3", "x"])),
            words(&["lbw", "txt2img", "--steps", "3", "x"])
        );
        assert_eq!(with_default_command(words(&["lbw", "plan", "x"])), words(&["lbw", "plan", "x"]));
        assert_eq!(with_default_command(words(&["lbw", "pln"])), words(&["lbw", "pln"]));
        assert_eq!(with_default_command(words(&["lbw"])), words(&["lbw"]));
        assert_eq!(
            with_default_command(words(&["lbw", "--lang", "ja", "plan", "x"])),
            words(&["lbw", "--lang", "ja", "plan", "x"])
        );
        assert_eq!(
            with_default_command(words(&["lbw", "--lang=ja", "1girl"])),
            words(&["lbw", "--lang=ja", "txt2img", "1girl"])
        );
    }
}
