//! Flags of settings, made from the table of settings: one flag per row, under all its names.

use std::collections::HashSet;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::app::settings_table::{self as table, Group, Kind, Setting};
use crate::app::{self, Patch};
use crate::cli::language::{spoken, tell};

fn words(setting: &Setting) -> String {
    setting.help().in_language(spoken()).to_owned()
}

/// What was written behind the flags of some groups of settings, as it was written.
#[derive(Debug, Clone, Default)]
struct Written(Vec<(String, String)>);

macro_rules! groups {
    ($($(#[$doc:meta])* $name:ident: $groups:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Default)]
        pub struct $name(Written);

        impl $name {
            /// What the flags say; everything wrong with them at once.
            pub fn patch(&self) -> app::Result<Patch> {
                app::patch_of_flags(&self.0.0)
            }
        }

        impl Args for $name {
            fn augment_args(command: Command) -> Command {
                augment(command, $groups)
            }

            fn augment_args_for_update(command: Command) -> Command {
                augment(command, $groups)
            }
        }

        impl FromArgMatches for $name {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                Ok($name(Written::of(matches, $groups)))
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                *self = Self::from_arg_matches(matches)?;
                Ok(())
            }
        }
    )*};
}

groups! {
    /// Everything that a picture from noise has.
    SettingsArgs: &[Group::Main, Group::Hires, Group::Rare, Group::Files];
    /// The picture that is drawn over.
    PictureArgs: &[Group::Picture];
    /// Checkpoint and VAE alone.
    ModelArgs: &[Group::Files];
}

fn heading(group: Group) -> &'static str {
    match group {
        Group::Main => tell("Settings", "設定"),
        Group::Hires => tell("Hires. fix", "第 2 パス (Hires. fix)"),
        Group::Picture => tell("Picture", "下敷きの画像"),
        Group::Rare => tell("Rarely needed settings", "めったに使わない設定"),
        Group::Files => tell("Files", "ファイル"),
    }
}

/// The settings of these groups that have a flag: the prompt is no flag, and sizes of two parts have one together.
fn rows(groups: &'static [Group]) -> impl Iterator<Item = &'static Setting> {
    let is_shown = |setting: &&Setting| setting.name != "prompt" && !is_half(setting);
    table::all().filter(move |setting| groups.contains(&setting.group)).filter(is_shown)
}

/// Whether a setting is half of a size that people write as one. Width and height have flags of their own, too.
fn is_half(setting: &Setting) -> bool {
    table::SIZES.iter().any(|size| size.name != "Size" && size.parts.contains(&setting.name))
}

fn sizes(groups: &'static [Group]) -> impl Iterator<Item = table::Size> {
    table::SIZES
        .into_iter()
        .filter(move |size| table::named(size.parts[0]).is_some_and(|setting| groups.contains(&setting.group)))
}

fn augment(command: Command, groups: &'static [Group]) -> Command {
    let mut taken: HashSet<String> = HashSet::new();
    let mut command = rows(groups).fold(command, |command, setting| command.arg(flag(setting, &mut taken)));
    for size in sizes(groups) {
        let half = table::named(size.parts[0]);
        let help = half.map(words).unwrap_or_default();
        let group = half.map_or(Group::Main, |half| half.group);
        let arg = Arg::new(size.flag).long(size.flag).alias(size.flag.replace('-', "_")).value_name("WxH").help(help);
        // `--size` says the same as width and height.
        let arg = arg.help_heading(heading(group)).hide(size.flag == "size").hide_short_help(true);
        command = command.arg(arg);
    }
    if groups.contains(&Group::Hires) {
        command = command
            .arg(Arg::new("no-hires").long("no-hires").action(ArgAction::SetTrue).hide(true).conflicts_with("hires"));
    }
    command
}

fn flag(setting: &'static Setting, taken: &mut HashSet<String>) -> Arg {
    let long = setting.flag_name();
    taken.insert(long.clone());
    let others = setting.names().flat_map(|name| {
        let kebab = name.to_lowercase().replace([' ', '_'], "-");
        [kebab.replace('-', "_"), kebab]
    });
    let is_flag = |name: &String| name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    let hidden: Vec<String> = others.filter(is_flag).filter(|name| taken.insert(name.clone())).collect();
    let mut arg = Arg::new(setting.name)
        .long(long)
        .aliases(hidden)
        .help(words(setting))
        .help_heading(heading(setting.group))
        .hide_short_help(!setting.often);
    if let Some(short) = setting.short {
        arg = arg.short(short);
    }
    match setting.kind {
        Kind::Switch => arg.value_name("BOOL").num_args(0..=1).require_equals(true).default_missing_value("true"),
        Kind::Texts => arg.value_name(setting.value).action(ArgAction::Append),
        _ => arg.value_name(if setting.value.is_empty() { "VALUE" } else { setting.value }).allow_hyphen_values(true),
    }
}

impl Written {
    fn of(matches: &ArgMatches, groups: &'static [Group]) -> Self {
        let mut written = Vec::new();
        for setting in rows(groups) {
            let values = matches.get_many::<String>(setting.name).into_iter().flatten();
            written.extend(values.map(|value| (setting.name.to_owned(), value.clone())));
        }
        for size in sizes(groups) {
            written.extend(matches.get_one::<String>(size.flag).map(|value| (size.flag.to_owned(), value.clone())));
        }
        if groups.contains(&Group::Hires) && matches.get_flag("no-hires") {
            written.push(("hires".to_owned(), "false".to_owned()));
        }
        Written(written)
    }
}
