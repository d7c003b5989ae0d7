//! The command line: one file per command. Results go to standard output, talk to standard error.

mod analyze;
mod args;
mod batch;
mod bench;
mod cells;
mod check;
mod embeddings;
mod exit;
mod explain;
mod files;
mod img2img;
mod info;
mod lora;
mod modules;
mod output;
mod painter;
mod plan;
mod preset;
mod progress;
mod render;
mod report;
mod request;
mod run;
mod settings;
mod settings_args;
mod styles;
mod txt2img;
mod webui_config;
mod worker;
mod xyz;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Cli, Command, LangArg};
use exit::Failure;

use crate::diagnostic::Language;

/// Runs the command named by `args` (the program's own name first) and gives its exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    // clap exits with 2 for a wrong command line and 0 for `--help`, which are our codes too.
    let cli = match Cli::try_parse_from(with_default_command(args.into_iter().collect())) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    report::speak(cli.lang.map(|lang| match lang {
        LangArg::En => Language::En,
        LangArg::Ja => Language::Ja,
    }));
    let result = match cli.command {
        Command::Txt2img(args) => txt2img::run(&args),
        Command::Img2img(args) => img2img::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Preset(command) => preset::run(&command),
        Command::Xyz(args) => xyz::run(&args),
        Command::Lora(command) => lora::run(&command),
        Command::Info(args) => info::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Worker(args) => worker::run(&args),
        Command::Batch(args) => batch::run(&args),
        Command::Analyze(args) => analyze::run(&args),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(Failure { exit, message }) => {
            if !message.is_empty() {
                report::error(&message);
            }
            exit.into()
        }
    }
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
