//! One row of the table of settings.

use serde_json::Value;

use super::table::{Settings, Wanted};
use super::typed::Kind;
use crate::diagnostic::Text;

/// Where a setting stands among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Prompts and what everybody sets.
    Main,
    /// The second pass.
    Hires,
    /// Drawing over a picture.
    Picture,
    /// What webui keeps in its settings.
    Rare,
    /// Which files are used.
    Files,
}

/// A setting: its names everywhere, its type and limits, and how it is read and written.
#[derive(Clone, Copy)]
pub struct Setting {
    /// The name in plans, in JSON and in CSV.
    pub name: &'static str,
    /// What values it has.
    pub kind: Kind,
    /// The names in infotext; the first is written.
    pub infotext: &'static [&'static str],
    /// The option of webui's `config.json`.
    pub option: Option<&'static str>,
    /// Names in webui's prompt files and in its API.
    pub api: &'static [&'static str],
    /// The flag, without hyphens; empty where the name is the flag.
    pub flag: &'static str,
    /// Other flags.
    pub aliases: &'static [&'static str],
    /// A flag of one letter.
    pub short: Option<char>,
    /// What stands for its value in help.
    pub value: &'static str,
    pub group: Group,
    /// Whether many people need it often: short help has no room for the others.
    pub often: bool,
    /// Smallest and largest value that can be drawn.
    pub limits: Option<(f64, f64)>,
    /// What a size is a multiple of.
    pub multiple: u32,
    /// Words for off and on, where infotext and webui do not write False and True.
    pub words: Option<[&'static str; 2]>,
    /// The word for “none of its own”, such as `Use same sampler`.
    pub none: Option<&'static str>,
    /// Whether naming it asks for a second pass.
    pub asks_hires: bool,
    /// Whether infotext has it, beyond that its value is not the default, with these settings and prompts.
    pub written: fn(&Settings, [&str; 2]) -> bool,
    pub(super) help: (&'static str, &'static str),
    /// The plain value.
    pub get: fn(&Wanted) -> Value,
    /// Takes a plain value; false where it has the wrong type.
    pub set: fn(&mut Wanted, &Value) -> bool,
}

impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Setting({})", self.name)
    }
}

impl PartialEq for Setting {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// A setting with this help; what is not said is nothing.
pub(super) const fn setting(en: &'static str, ja: &'static str) -> Setting {
    Setting {
        name: "",
        kind: Kind::Text,
        infotext: &[],
        option: None,
        api: &[],
        flag: "",
        aliases: &[],
        short: None,
        value: "",
        group: Group::Main,
        often: false,
        limits: None,
        multiple: 1,
        words: None,
        none: None,
        asks_hires: false,
        written: |_, _| true,
        help: (en, ja),
        get: |_| Value::Null,
        set: |_, _| false,
    }
}

impl Setting {
    pub(super) const fn infotext(self, infotext: &'static [&'static str]) -> Self {
        Setting { infotext, ..self }
    }

    pub(super) const fn option(self, option: &'static str) -> Self {
        Setting { option: Some(option), ..self }
    }

    pub(super) const fn api(self, api: &'static [&'static str]) -> Self {
        Setting { api, ..self }
    }

    pub(super) const fn flag(self, flag: &'static str, aliases: &'static [&'static str]) -> Self {
        Setting { flag, aliases, ..self }
    }

    pub(super) const fn short(self, short: char) -> Self {
        Setting { short: Some(short), ..self }
    }

    pub(super) const fn value(self, value: &'static str) -> Self {
        Setting { value, ..self }
    }

    pub(super) const fn group(self, group: Group) -> Self {
        Setting { group, ..self }
    }

    pub(super) const fn often(self) -> Self {
        Setting { often: true, ..self }
    }

    pub(super) const fn limits(self, min: f64, max: f64) -> Self {
        Setting { limits: Some((min, max)), ..self }
    }

    pub(super) const fn multiple_of(self, multiple: u32) -> Self {
        Setting { multiple, ..self }
    }

    pub(super) const fn words(self, off: &'static str, on: &'static str) -> Self {
        Setting { words: Some([off, on]), ..self }
    }

    pub(super) const fn none(self, none: &'static str) -> Self {
        Setting { none: Some(none), ..self }
    }

    pub(super) const fn asks_hires(self) -> Self {
        Setting { asks_hires: true, group: Group::Hires, ..self }
    }

    pub(super) const fn written(self, written: fn(&Settings, [&str; 2]) -> bool) -> Self {
        Setting { written, ..self }
    }

    /// One line of help.
    pub fn help(&self) -> Text {
        Text::new(self.help.0.to_owned(), self.help.1.to_owned())
    }

    /// The flag without its hyphens, as in `cfg-scale`.
    pub fn flag_name(&self) -> String {
        if self.flag.is_empty() { self.name.replace('_', "-") } else { self.flag.to_owned() }
    }

    /// Every name under which people and programs know the setting.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let flag = Some(self.flag).filter(|flag| !flag.is_empty());
        let lists = self.infotext.iter().chain(self.api).chain(self.aliases).copied();
        std::iter::once(self.name).chain(flag).chain(self.option).chain(lists)
    }

    /// The plain value that `text` writes.
    pub fn read(&self, text: &str) -> Result<Value, Text> {
        if self.none.is_some_and(|none| none.eq_ignore_ascii_case(text.trim())) {
            return Ok(Value::Null);
        }
        match self.words.and_then(|words| words.iter().position(|word| word.eq_ignore_ascii_case(text.trim()))) {
            Some(which) => Ok((which == 1).into()),
            None => self.kind.read(text).map_err(|expected| self.or_words(expected)),
        }
    }

    /// `value` in its plain form, where it has the setting's type.
    pub fn accept(&self, value: &Value) -> Result<Value, Text> {
        match (self.words.is_some() || self.none.is_some(), value.as_str()) {
            (true, Some(text)) => self.read(text),
            _ => self.kind.accept(value).map_err(|expected| self.or_words(expected)),
        }
    }

    fn or_words(&self, expected: Text) -> Text {
        match self.words {
            Some([off, on]) => Text::new(format!("{off} or {on}"), format!("{off} または {on}")),
            None => expected,
        }
    }

    /// How infotext writes a plain value.
    pub fn written_value(&self, value: Value) -> Value {
        match (self.words, value.as_bool()) {
            (Some(words), Some(on)) => words[usize::from(on)].into(),
            _ => value,
        }
    }
}

/// Makes a part of what is wanted — a struct, its defaults and the rows of its fields — from one list.
macro_rules! settings {
    ($(#[$doc:meta])* $vis:vis struct $name:ident in $part:ident, rows $rows:ident {
        $($(#[$meta:meta])* $field:ident: $type:ty = $default:expr, $setting:expr;)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        $vis struct $name { $($(#[$meta])* pub $field: $type,)* }

        impl Default for $name {
            fn default() -> Self {
                $name { $($field: $default),* }
            }
        }

        /// The rows of the fields, in their order.
        pub(super) const $rows: &[$crate::plan::settings::Setting] = &[$($crate::plan::settings::Setting {
            name: stringify!($field),
            kind: <$type as $crate::plan::settings::typed::Typed>::KIND,
            get: |wanted| $crate::plan::settings::typed::Typed::plain(&wanted.$part.$field),
            set: |wanted, value| {
                let read = $crate::plan::settings::typed::Typed::from_plain(value);
                read.map(|value| wanted.$part.$field = value).is_some()
            },
            ..$setting
        }),*];
    };
}
pub(super) use settings;
