//! The command line: arguments, one file per command, the terminal, exit codes. What a command does is done by
//! [`app`](crate::app).

mod args;
mod commands;
#[cfg(feature = "serve")]
mod desktop;
mod exit;
mod help;
mod language;
mod progress;
mod root;
mod terminal;
mod user;
mod watch;
mod wrapped;
mod wrong;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};

use commands::*;
use exit::{CommandResult, Failure};
use root::{Cli, Command};
use terminal::Terminal;

use crate::app;
use crate::diagnostic::Language;

/// Runs the command named by `args` (the program's own name first) and gives its exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let config = user::read();
    let language = language(&args);
    language::speak(language);
    completions::complete();
    // Also where the words are wrong and nobody knows yet what they ask for.
    let quiet = args.iter().skip(1).any(|word| word == "-q" || word == "--quiet") || user::config().quiet;
    let terminal = Terminal { language, quiet };
    if let Err(error) = config {
        terminal.say_all(&error.findings);
        return exit::code(&Err(error.into()));
    }
    let result = with_default_command(args).map_err(Failure::from).and_then(|args| run_command(args, terminal));
    if let Err(Failure::App(error)) = &result {
        terminal.say_all(&error.findings);
    }
    exit::code(&result)
}

fn run_command(args: Vec<OsString>, terminal: Terminal) -> CommandResult {
    let mut words: Vec<String> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let mut command = Cli::command();
    if let Some(long) = asks_for_help(&words) {
        command = help::with_pages(root::whole(), long, width());
    }
    if let Some(list) = list::asked_by_a_flag(&words, &command) {
        return list::run(&list, terminal);
    }
    let matches = match command.try_get_matches_from_mut(&args) {
        // A number below 0 is the value of the flag before it, which says what it may be.
        Err(error) if wrong::is_negative(&error) => wrong::with_negative(root::whole()).try_get_matches_from(&args),
        matches => matches,
    };
    let matches = match matches {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return terminal.print(&error.render().to_string());
        }
        #[cfg(feature = "serve")]
        Err(_) if after_global_flags(&args) >= args.len() && desktop::is_here() => {
            return run_command([args, vec!["serve".into(), "--open".into()]].concat(), terminal);
        }
        Err(error) if is_without_command(error.kind()) => {
            words.push("-h".to_owned());
            let page = help::with_pages(root::whole(), false, width()).try_get_matches_from(words);
            page.map_or_else(|page| terminal.talk(page.render().to_string().trim_end()), drop);
            return Err(app::Error::refused(Vec::new()).into());
        }
        Err(error) => return Err(wrong::told(&error, &words, &root::whole()).into()),
    };
    if let Some((name, inner)) = matches.subcommand() {
        let prompts = inner.try_get_many::<String>("prompts").ok().flatten();
        // `plan` reads files, too.
        let prompts = prompts.into_iter().flatten().filter(|word| name != "plan" || !Path::new(word).exists());
        wrong::prompts(&prompts.cloned().collect::<Vec<_>>())?;
    }
    wrong::dashes(&matches, &command)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| wrong::told(&error, &words, &root::whole()))?;
    let terminal = Terminal { quiet: cli.quiet || user::config().quiet, ..terminal };
    match cli.command {
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
        Command::Atlas(args) => atlas::run(&args, terminal),
        Command::Tune(args) => tune::run(&args, terminal),
        Command::Upscale(args) => upscale::run(&args, terminal),
        Command::Completions(args) => completions::run(&args, terminal),
        Command::Man(args) => completions::man(&args, terminal),
        Command::List(args) => list::run(&args, terminal),
    }
}

/// Whether a command is missing, whose page is then shown.
fn is_without_command(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand)
}

/// Whether help is asked for, and all of it.
fn asks_for_help(words: &[String]) -> Option<bool> {
    let is = |word: &str| words.iter().skip(1).any(|w| w == word);
    match (is("--help"), is("-h")) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    }
}

/// Columns of the terminal, or so many as are good to read.
fn width() -> usize {
    const NO_MORE_THAN: usize = 120;
    const ELSEWHERE: usize = 100;
    const AT_LEAST: usize = 50;
    let terminal = terminal_size::terminal_size().filter(|_| std::io::stdout().is_terminal());
    terminal.map_or(ELSEWHERE, |(columns, _)| usize::from(columns.0)).clamp(AT_LEAST, NO_MORE_THAN)
}

/// The language of this run: `--lang`, `LBW_LANG`, or the system's. Help is asked for in it, so it is known before the rest is
/// read.
fn language(args: &[OsString]) -> Language {
    let flag = args.iter().enumerate().find_map(|(at, arg)| match arg.to_str()? {
        "--lang" => args.get(at + 1)?.to_str().map(str::to_owned),
        word => word.strip_prefix("--lang=").map(str::to_owned),
    });
    let chosen = flag.or_else(|| std::env::var("LBW_LANG").ok().filter(|l| !l.is_empty()));
    match (chosen, user::config().language) {
        (None, Some(language)) => language,
        (chosen, _) => Language::of_locale(&chosen.or_else(sys_locale::get_locale).unwrap_or_default()),
    }
}

/// `lbw PROMPT` is `lbw txt2img PROMPT`: the command is put in where the first word names none. A word that was hardly meant as a
/// prompt is an error.
fn with_default_command(mut args: Vec<OsString>) -> app::Result<Vec<OsString>> {
    let at = after_global_flags(&args);
    let Some(first) = args.get(at) else { return Ok(args) };
    let first = first.to_string_lossy().into_owned();
    let root = Cli::command();
    if first == "version" {
        args[at] = "--version".into();
        return Ok(args);
    }
    // `help tune` is `tune --help`, so that flags of all commands may stand anywhere beside it.
    if let Some(help) = help_of_a_command(&args[at..], &root) {
        args.remove(at + help);
        args.push("--help".into());
        return with_default_command(args);
    }
    let is_command = root.find_subcommand(&first).is_some();
    if !is_command && !["help", "-h", "--help", "-V", "--version"].contains(&first.as_str()) {
        if let Some(slip) = wrong::first_word(&first, &root) {
            return Err(slip);
        }
        args.insert(at, "txt2img".into());
    }
    Ok(args)
}

/// Where `help` stands among words that are a command, one in it, and so on; flags may be among them.
fn help_of_a_command(words: &[OsString], root: &clap::Command) -> Option<usize> {
    let (mut command, mut help) = (root, None);
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += match word.to_str() {
            Some("--lang") => 2,
            // Before it a flag may have `help` as its value.
            Some(flag) if flag.starts_with("--lang=") || flag == "-q" || flag == "--quiet" => 1,
            Some(flag) if flag.starts_with('-') && help.is_some() => 1,
            Some("help") if help.is_none() && command.has_subcommands() => {
                help = Some(at);
                1
            }
            // `help help` is the help of all.
            Some("help") if help.is_some() && at + 1 == words.len() => 1,
            _ => {
                command = command.find_subcommand(word)?;
                1
            }
        };
    }
    help
}

/// Where the words begin that may be a command: flags of all commands may stand before it.
fn after_global_flags(args: &[OsString]) -> usize {
    let mut at = 1;
    while let Some(word) = args.get(at).and_then(|word| word.to_str()) {
        at += match word {
            "--lang" => 2,
            "-q" | "--quiet" => 1,
            word if word.starts_with("--lang=") => 1,
            _ => break,
        };
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command with its pages, as it is called.
    fn pages(command: &clap::Command, long: bool, width: usize) -> Vec<(String, String)> {
        let command = help::with_pages(command.clone(), long, width);
        fn all(command: &clap::Command, into: &mut Vec<(String, String)>) {
            let page = command.clone().render_help().to_string();
            into.push((command.get_bin_name().unwrap_or("lbw").to_owned(), page));
            command.get_subcommands().filter(|c| c.get_name() != "help").for_each(|inner| all(inner, into));
        }
        let mut found = Vec::new();
        all(&command, &mut found);
        found
    }

    #[test]
    fn short_help_fits_on_a_screen() {
        const LINES: usize = 40;
        for language in Language::ALL {
            language::speak(language);
            for (name, page) in pages(&root::whole(), false, 100) {
                assert!(page.lines().count() <= LINES, "{name}: {} lines\n{page}", page.lines().count());
                let wide = page.lines().find(|line| unicode_width::UnicodeWidthStr::width(*line) > 100);
                assert_eq!(wide, None, "{name}");
            }
        }
    }

    #[test]
    fn no_line_of_japanese_help_is_english() {
        let is_japanese = |c: char| matches!(c, '\u{3040}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}');
        language::speak(Language::Ja);
        for long in [false, true] {
            // Wide enough for no line to be broken.
            for (name, page) in pages(&root::whole(), long, 10_000) {
                assert!(page.lines().count() > 5, "{name}");
                let lines: Vec<&str> = page.lines().filter(|line| !line.trim().is_empty()).collect();
                for (at, line) in lines.iter().enumerate() {
                    // What is typed is the same in every language, and so are events.
                    let is_typed = line.trim_start().starts_with("lbw ") || line.starts_with("  {");
                    let next = lines.get(at + 1).copied().unwrap_or_default();
                    let has_words_below = line.trim_start().starts_with('-') && next.starts_with(&" ".repeat(20));
                    assert!(is_typed || has_words_below || line.chars().any(is_japanese), "{name}: {line}");
                }
            }
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        language::speak(Language::En);
        Cli::command().debug_assert();
    }

    #[test]
    fn a_prompt_alone_is_drawn() {
        let words = |text: &[&str]| text.iter().map(OsString::from).collect::<Vec<_>>();
        let with = |args| with_default_command(args).unwrap();
        assert_eq!(with(words(&["lbw", "1girl"])), words(&["lbw", "txt2img", "1girl"]));
        assert_eq!(with(words(&["lbw", "--steps", "3", "x"])), words(&["lbw", "txt2img", "--steps", "3", "x"]));
        assert_eq!(with(words(&["lbw", "plan", "x"])), words(&["lbw", "plan", "x"]));
        assert!(with_default_command(words(&["lbw", "pln"])).is_err());
        assert_eq!(with(words(&["lbw"])), words(&["lbw"]));
        assert_eq!(with(words(&["lbw", "--lang", "ja", "plan", "x"])), words(&["lbw", "--lang", "ja", "plan", "x"]));
        assert_eq!(with(words(&["lbw", "--lang=ja", "1girl"])), words(&["lbw", "--lang=ja", "txt2img", "1girl"]));
        assert_eq!(with(words(&["lbw", "-q", "plan", "x"])), words(&["lbw", "-q", "plan", "x"]));
        assert_eq!(with(words(&["lbw", "help"])), words(&["lbw", "--help"]));
        let tune = words(&["lbw", "--lang", "ja", "tune", "--help"]);
        assert_eq!(with(words(&["lbw", "--lang", "ja", "help", "tune"])), tune);
        assert_eq!(
            with(words(&["lbw", "help", "--lang", "ja", "tune"])),
            words(&["lbw", "--lang", "ja", "tune", "--help"])
        );
        let inspect = words(&["lbw", "lora", "inspect", "-q", "--help"]);
        assert_eq!(with(words(&["lbw", "help", "lora", "inspect", "-q"])), inspect);
        assert_eq!(with(words(&["lbw", "help", "tune", "--lang"])), words(&["lbw", "tune", "--lang", "--help"]));
        let shown = words(&["lbw", "lora", "show", "--help"]);
        assert_eq!(with(words(&["lbw", "lora", "help", "nonsense"])), words(&["lbw", "lora", "help", "nonsense"]));
        assert_ne!(with(words(&["lbw", "lora", "help", "show"])), shown, "there is no such command");
        assert_eq!(with(words(&["lbw", "preset", "help", "show"])), words(&["lbw", "preset", "show", "--help"]));
        assert_eq!(with(words(&["lbw", "plan", "help"])), words(&["lbw", "plan", "help"]), "a prompt");
        let sampler = with(words(&["lbw", "--sampler", "help"]));
        assert_eq!(sampler, words(&["lbw", "txt2img", "--sampler", "help"]));
        assert_eq!(with(words(&["lbw", "help", "help"])), words(&["lbw", "--help", "--help"]));
        assert_eq!(with(words(&["lbw", "help", "-h"])), words(&["lbw", "-h", "--help"]));
        assert_eq!(with(words(&["lbw", "help", "nonsense"])), words(&["lbw", "help", "nonsense"]));
    }
}
