//! What clap refuses, said as everything else is.

use std::error::Error as _;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::flag;
use crate::app::Error;
use crate::diagnostic::{Text, code, did_you_mean};
use crate::say;

/// clap's own command, which is none of ours.
const HELP: &str = "help";

/// What is wrong with the command line `args` of `root`, as clap found it.
pub fn told(error: &clap::Error, args: &[String], root: &Command) -> Error {
    let (name, command) = command_of(args, root);
    let commands = || command.get_subcommands().filter(|command| command.get_name() != HELP);
    let context = |kind| error.get(kind).map(|value: &ContextValue| value.to_string()).filter(|text| !text.is_empty());
    let arg = context(ContextKind::InvalidArg).unwrap_or_default();
    let flag = arg.split(' ').next().unwrap_or_default().to_owned();
    let value = context(ContextKind::InvalidValue);
    let mut help = Vec::new();
    let message = match (error.kind(), value) {
        (ErrorKind::UnknownArgument, _) if !flag.starts_with('-') => {
            let most = command.get_positionals().count();
            help.push(match most {
                0 => say!("it takes flags alone", "フラグだけを受け取ります"),
                _ => say!("words that belong together stand in quotes", "一続きの言葉は引用符で囲んでください"),
            });
            say!("`{arg}` is one word too many for `{name}`", "`{name}` に `{arg}` は余分です")
        }
        (ErrorKind::UnknownArgument, _) if flag.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit()) => {
            // clap takes a hyphen for letters that stand for flags, and tells the first.
            let at = args.iter().position(|word| word.starts_with(&arg)).unwrap_or(0);
            let words = args[at.saturating_sub(1)..=at].join(" ");
            say!("`{words}`: it cannot be below 0", "`{words}`: 負の値にはできません")
        }
        (ErrorKind::UnknownArgument, _) => {
            help.extend(flag::advice(&flag, &command, root));
            say!("there is no flag `{arg}` here", "ここにフラグ `{arg}` はありません")
        }
        (ErrorKind::InvalidValue, None) => say!("`{arg}` needs a value", "`{arg}` には値が要ります"),
        (ErrorKind::InvalidValue, Some(value)) => {
            let names = strings(error, ContextKind::ValidValue);
            let listed = names.join(", ");
            let near = did_you_mean(&value, names.iter().map(String::as_str));
            help.extend(near.map(|near| say!("did you mean `{near}`?", "`{near}` のことですか?")));
            help.push(say!("there are: {listed}", "選べるもの: {listed}"));
            say!("`{value}` is no value of `{flag}`", "`{flag}` に `{value}` という値はありません")
        }
        (ErrorKind::ValueValidation, value) => {
            let value = value.unwrap_or_default();
            let why = match error.source().map(why) {
                Some(_) if value.parse::<i64>().is_ok_and(|value| value < 0) => {
                    say!("it cannot be below 0", "負の値にはできません")
                }
                why => why.unwrap_or_default(),
            };
            say!("`{flag} {value}`: {why}", "`{flag} {value}`: {why}", with why)
        }
        (ErrorKind::ArgumentConflict, _) => {
            let other = context(ContextKind::PriorArg).unwrap_or_default();
            match other.is_empty() || other == arg {
                true => say!("`{arg}` can be given once", "`{arg}` は一度しか指定できません"),
                false => say!("`{arg}` and `{other}` exclude each other", "`{arg}` と `{other}` は同時に使えません"),
            }
        }
        (ErrorKind::MissingRequiredArgument, _) => {
            let missing = strings(error, ContextKind::InvalidArg).join(" ");
            say!("missing: {missing}", "足りないもの: {missing}")
        }
        (ErrorKind::InvalidSubcommand, _) => {
            let word = context(ContextKind::InvalidSubcommand).unwrap_or_default();
            let near = did_you_mean(&word, commands().map(Command::get_name));
            help.extend(near.map(|near| say!("did you mean `{near}`?", "`{near}` のことですか?")));
            say!("there is no command `{word}`", "コマンド `{word}` はありません")
        }
        (ErrorKind::NoEquals, _) => {
            say!(
                "the value of `{flag}` stands behind `=`: `{flag}=true`",
                "`{flag}` の値は `=` で続けます: `{flag}=true`"
            )
        }
        (ErrorKind::TooManyValues, value) => {
            let value = value.unwrap_or_default();
            say!("`{value}` is too much for `{flag}`", "`{flag}` に `{value}` は余分です")
        }
        (ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues, _) => {
            say!("`{arg}` needs more values", "`{arg}` の値が足りません")
        }
        (ErrorKind::InvalidUtf8, _) => {
            say!("the command line is not UTF-8 text", "コマンドラインが UTF-8 ではありません")
        }
        (ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand, _) => {
            let names: Vec<&str> = commands().filter(|command| !command.is_hide_set()).map(Command::get_name).collect();
            let names = names.join(", ");
            say!("a command is missing: {names}", "コマンドがありません: {names}")
        }
        _ => Text::same(error.to_string().lines().next().unwrap_or_default()),
    };
    help.push(say!("`{name} --help` tells all flags", "フラグの一覧は `{name} --help` で見られます"));
    help.into_iter().fold(Error::words(code::USAGE, message), Error::help)
}

/// `-3`, where a flag was expected.
pub fn is_negative(error: &clap::Error) -> bool {
    let arg = error.get(ContextKind::InvalidArg).map(|value: &ContextValue| value.to_string()).unwrap_or_default();
    matches!(error.kind(), ErrorKind::UnknownArgument) && arg.parse::<f64>().is_ok_and(|value| value < 0.0)
}

/// The command with flags that may be followed by numbers below 0.
pub fn with_negative(command: Command) -> Command {
    let command = command.mut_args(|arg| match arg.get_long() {
        Some(_) if arg.get_action().takes_values() => arg.allow_negative_numbers(true),
        _ => arg,
    });
    command.mut_subcommands(with_negative)
}

/// Our own parsers speak both languages.
fn why(source: &(dyn std::error::Error + 'static)) -> Text {
    source.downcast_ref::<Text>().cloned().unwrap_or_else(|| match source.to_string() {
        // clap's limits of numbers.
        said if said.contains(" is not in ") => {
            let limits = said.rsplit(" is not in ").next().unwrap_or_default().to_owned();
            say!("it must be in {limits}", "{limits} の範囲にしてください")
        }
        said if said.contains("invalid digit") => say!("not a whole number", "整数ではありません"),
        said if said.contains("invalid float") => say!("not a number", "数値ではありません"),
        said => Text::same(said),
    })
}

fn strings(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::Strings(all)) => all.clone(),
        Some(ContextValue::String(one)) => vec![one.clone()],
        _ => Vec::new(),
    }
}

/// The command that `args` name, as it is called and what it takes.
fn command_of(args: &[String], root: &Command) -> (String, Command) {
    let (mut name, mut command) = ("lbw".to_owned(), root.clone());
    for word in args.iter().skip(1) {
        let inner = command.find_subcommand(word).filter(|inner| inner.get_name() != HELP);
        let Some(inner) = inner.cloned() else { continue };
        name = format!("{name} {}", inner.get_name());
        command = inner;
        if !command.has_subcommands() {
            break;
        }
    }
    (name, command)
}
