//! Help: short (`-h`, what fits on a screen) and long (`--help`), in the language of the run, wrapped to the terminal.
//!
//! What there is to tell stands at the arguments; clap's own page has English headings and breaks lines at spaces alone, of which
//! Japanese has none.

use clap::{Arg, ArgAction, Command};
use unicode_width::UnicodeWidthStr;

use super::language::tell;
use super::wrapped::wrapped;

/// Where the words about a flag begin.
const COLUMN: usize = 30;
/// The settings that short help shows of those which many commands share; `lbw txt2img -h` shows the rest.
const SHARED: [&str; 4] = ["steps", "seed", "model", "webui_dir"];

/// Puts the pages in place of clap's, for a command and all in it.
pub fn with_pages(root: Command, long: bool, width: usize) -> Command {
    paged(with_flags(root), long, width)
}

/// A command that is [whole](super::root::whole), with words of ours at the flags for help, also in all commands in it.
pub fn with_flags(mut command: Command) -> Command {
    for (name, words) in [
        (
            "help",
            tell("Print help; --help tells more than -h", "ヘルプを表示します。--help は -h より詳しく表示します"),
        ),
        ("version", tell("Print the version", "バージョンを表示します")),
    ] {
        if command.get_arguments().any(|arg| arg.get_id() == name) {
            command = command.mut_arg(name, |arg| arg.help(words).long_help(None::<&str>));
        }
    }
    command.mut_subcommands(with_flags)
}

fn paged(mut command: Command, long: bool, width: usize) -> Command {
    let text = page(&mut command, long, width);
    command.mut_subcommands(|inner| paged(inner, long, width)).override_help(text)
}

/// The page of one command.
fn page(command: &mut Command, long: bool, width: usize) -> String {
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim().to_owned();
    let page = Page { command, long, width };
    let mut parts = vec![page.about()];
    parts.push(format!("{} {usage}\n", tell("Usage:", "使い方:")));
    parts.extend(page.commands());
    parts.extend(page.arguments());
    parts.extend(page.after());
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

struct Page<'a> {
    command: &'a Command,
    long: bool,
    width: usize,
}

impl Page<'_> {
    fn about(&self) -> String {
        let about = self.command.get_about().map(ToString::to_string).unwrap_or_default();
        format!("{}\n", self.filled(&about, "", ""))
    }

    fn filled(&self, text: &str, first: &str, others: &str) -> String {
        wrapped(text, self.width, first, others)
    }

    /// A row: what is written, and in a column beside it or under it what it is. Short help has one line for it where it can.
    fn row(&self, written: &str, about: &str) -> String {
        let others = " ".repeat(COLUMN);
        let first = format!("  {written}");
        let gap = COLUMN.saturating_sub(first.width());
        let beside = format!("{first}  {about}");
        match (about.is_empty(), gap) {
            (true, _) => format!("{first}\n"),
            (false, 0 | 1) if !self.long && beside.width() <= self.width => format!("{beside}\n"),
            (false, 0 | 1) => format!("{first}\n{}\n", self.filled(about, &others, &others)),
            (false, gap) => format!("{}\n", self.filled(about, &format!("{first}{}", " ".repeat(gap)), &others)),
        }
    }

    fn commands(&self) -> Option<String> {
        let shown = self.command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help");
        let rows = shown
            .map(|inner| self.row(inner.get_name(), &inner.get_about().map(ToString::to_string).unwrap_or_default()));
        let rows: String = rows.collect();
        (!rows.is_empty()).then(|| format!("{}\n{rows}", tell("Commands:", "コマンド:")))
    }

    /// Arguments and options under their headings; those of the command itself first, and those of all commands last.
    fn arguments(&self) -> Vec<String> {
        let mut shown: Vec<&Arg> = self.command.get_arguments().filter(|arg| self.is_shown(arg)).collect();
        shown.sort_by_key(|arg| (arg.is_global_set(), ["help", "version"].contains(&arg.get_id().as_str())));
        let own = |positional: bool| {
            let own =
                shown.iter().filter(move |arg| arg.is_positional() == positional && arg.get_help_heading().is_none());
            own.copied().collect::<Vec<_>>()
        };
        let mut parts = vec![
            (tell("Arguments", "引数").to_owned(), own(true)),
            (tell("Options", "オプション").to_owned(), own(false)),
        ];
        for arg in &shown {
            let Some(heading) = arg.get_help_heading() else { continue };
            match parts.iter_mut().find(|(known, _)| known == heading) {
                Some((_, args)) => args.push(*arg),
                None => parts.push((heading.to_owned(), vec![*arg])),
            }
        }
        parts.retain(|(_, args)| !args.is_empty());
        let part = |(heading, args): (String, Vec<&Arg>)| {
            let rows: String = args.into_iter().map(|arg| self.row(&written(arg), &self.about_arg(arg))).collect();
            format!("{heading}:\n{rows}")
        };
        parts.into_iter().map(part).collect()
    }

    fn is_shown(&self, arg: &Arg) -> bool {
        let draws = ["txt2img", "img2img"].contains(&self.command.get_name());
        let is_elsewhere = arg.get_help_heading().is_some() && !draws && !SHARED.contains(&arg.get_id().as_str());
        // img2img has one pass.
        let is_second_pass = self.command.get_name() == "img2img" && arg.get_id().as_str().starts_with("hires");
        !arg.is_hide_set() && (self.long || !arg.is_hide_short_help_set() && !is_elsewhere && !is_second_pass)
    }

    /// What an argument is; in short help as far as one line goes.
    fn about_arg(&self, arg: &Arg) -> String {
        let (text, more) = about(arg);
        let whole = format!("{text}{more}").trim_start().to_owned();
        let room = self.width.saturating_sub(COLUMN.max(written(arg).width() + 4));
        if self.long || whole.width() <= room {
            return whole;
        }
        let ends = ["; ", ": ", "。", " ["].into_iter().filter_map(|end| text.find(end));
        let first = text[..ends.min().unwrap_or(text.len())].to_owned();
        let with_more = format!("{first}{more}");
        if with_more.width() <= room { with_more } else { first }
    }

    /// Examples, or that there is more to tell.
    fn after(&self) -> Option<String> {
        let hidden = self.command.get_arguments().filter(|arg| !arg.is_hide_set() && !self.is_shown(arg)).count();
        let more = self.command.get_after_long_help().is_some();
        if !self.long && (hidden > 0 || more) {
            let name = self.command.get_bin_name().unwrap_or("lbw");
            let said = match (tell("en", "ja"), more) {
                ("ja", false) => format!("ほかに {hidden} 個のオプションがあります: `{name} --help`"),
                ("ja", true) => format!("ほかに {hidden} 個のオプションと説明があります: `{name} --help`"),
                (_, false) => format!("`{name} --help` tells about {hidden} more options"),
                (_, true) => format!("`{name} --help` tells about {hidden} more options, and more about these"),
            };
            let said = format!("{}\n", self.filled(&said, "", ""));
            // Commands without commands in them have their examples in long help.
            let examples = self.command.get_after_help().filter(|_| self.command.has_subcommands());
            return Some(examples.map_or(said.clone(), |text| format!("{}\n{said}", self.lines(&text.to_string()))));
        }
        let text = match self.long {
            true => self.command.get_after_long_help().or_else(|| self.command.get_after_help())?,
            false => self.command.get_after_help()?,
        };
        Some(self.lines(&text.to_string()))
    }

    fn lines(&self, text: &str) -> String {
        text.lines().map(|line| format!("{}\n", self.line(line))).collect()
    }

    /// A line of examples and tables stays as it is where it has room, and goes on further in where it has not.
    fn line(&self, line: &str) -> String {
        let text = line.trim_start();
        let indent = " ".repeat(line.len() - text.len());
        match indent.is_empty() {
            true => self.filled(text, "", ""),
            false if line.width() <= self.width => line.to_owned(),
            false if text.starts_with("lbw ") => self.command_line(text, &indent),
            false => self.filled(text, &indent, &format!("{indent}    ")),
        }
    }

    /// A command goes on behind a backslash, so that it can still be copied; never inside quotes, where that would be a space.
    fn command_line(&self, text: &str, indent: &str) -> String {
        let mut is_quoted = false;
        let words = text.split(|c: char| {
            is_quoted ^= c == '"';
            c == ' ' && !is_quoted
        });
        let mut lines = vec![indent.to_owned()];
        for word in words {
            let line = lines.last().map_or(0, |line| line.width());
            match lines.last_mut() {
                Some(last) if last.trim().is_empty() => last.push_str(word),
                Some(last) if line + 1 + word.width() + 2 <= self.width => *last += &format!(" {word}"),
                _ => lines.push(format!("{indent}    {word}")),
            }
        }
        lines.join(" \\\n")
    }
}

/// `-s, --steps <N>`
fn written(arg: &Arg) -> String {
    if arg.is_positional() {
        return arg.to_string();
    }
    let long = arg.to_string();
    match arg.get_short() {
        Some(short) => format!("-{short}, {long}"),
        None => format!("    {long}"),
    }
}

/// What an argument is; and its default and what there is to choose from.
fn about(arg: &Arg) -> (String, String) {
    let text = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let mut more = String::new();
    let mut add = |en: &'static str, ja: &'static str, what: String| {
        if !what.is_empty() {
            more += &format!(" [{}: {what}]", tell(en, ja));
        }
    };
    if matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) {
        let names = arg.get_possible_values().into_iter().filter(|value| !value.is_hide_set());
        let names: Vec<String> = names.map(|value| value.get_name().to_owned()).collect();
        add("values", "選択肢", names.join(tell(", ", "、")));
        let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        add("default", "既定", defaults.join(" "));
    }
    add("env", "環境変数", arg.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default());
    (text, more)
}
