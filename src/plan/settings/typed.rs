//! The types that settings have: how a value is read from text and from JSON, and written.
//!
//! In between a value is JSON in its plain form: a number, `true`, or the name webui shows.

use serde_json::Value;

use super::choice::{Choice, Names};
use crate::diagnostic::Text;
use crate::plan::{Sampler, ScheduleType};
use crate::say;
use crate::syntax::python;

/// What values a setting can have.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A whole number of at least 0, in 32 bits.
    Whole,
    /// A whole number, also below 0.
    Signed,
    /// 0 to 2⁶⁴ − 1; −1 asks for one to be drawn.
    Seed,
    /// A finite number.
    Number,
    /// On or off.
    Switch,
    /// One of these names.
    Choice(Names),
    /// A sampler, under whatever name a program gives it.
    Sampler,
    /// A schedule type, likewise.
    ScheduleType,
    /// Any text.
    Text,
    /// Several texts.
    Texts,
}

/// What a value should have been, as the end of “`x` is not …”.
pub type Expected = Text;

impl Kind {
    /// The plain value that `text` writes, or what it should have been.
    pub fn read(self, text: &str) -> Result<Value, Expected> {
        let plain = text.trim();
        let value = match self {
            Kind::Whole => python::int(plain).or_else(|| whole_float(plain)).and_then(whole),
            Kind::Signed => int(plain).or_else(|| whole_float(plain)).map(Value::from),
            Kind::Seed => seed(plain),
            Kind::Number => python::float(plain).and_then(number),
            Kind::Switch => switch(plain).map(Value::from),
            Kind::Choice(names) => (names.find)(plain).map(Value::from),
            Kind::Sampler => Sampler::from_any_name(plain).map(|(sampler, _)| sampler.label().into()),
            Kind::ScheduleType => ScheduleType::from_any_name(plain).map(|schedule| schedule.label().into()),
            Kind::Text => Some(text.into()),
            Kind::Texts => Some(Value::Array(vec![text.into()])),
        };
        value.ok_or_else(|| self.expected())
    }

    /// `value` in its plain form. Text counts only where text is meant: whoever reads untyped cells calls [`Kind::read`].
    pub fn accept(self, value: &Value) -> Result<Value, Expected> {
        let from_float = || value.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15).map(|n| n as i64);
        let integer = || value.as_i64().or_else(from_float);
        let plain = match self {
            Kind::Whole => integer().and_then(whole),
            Kind::Signed => integer().map(Value::from),
            Kind::Seed => value.as_u64().map(Value::from).or_else(|| integer().and_then(seed_of)),
            Kind::Number => value.as_f64().and_then(number),
            // webui's API has 0 and 1 for some switches, and numbers for some choices.
            Kind::Switch => value.as_bool().or_else(|| integer().and_then(|n| switch(&n.to_string()))).map(Value::from),
            Kind::Choice(_) if value.is_number() => return self.read(&value.to_string()),
            Kind::Choice(_) | Kind::Sampler | Kind::ScheduleType | Kind::Text => {
                return value.as_str().ok_or_else(|| self.expected()).and_then(|text| self.read(text));
            }
            Kind::Texts => match value {
                Value::String(text) => Some(Value::Array(vec![text.as_str().into()])),
                Value::Array(items) if items.iter().all(Value::is_string) => Some(value.clone()),
                _ => None,
            },
        };
        plain.ok_or_else(|| self.expected())
    }

    /// What values there are.
    pub fn expected(self) -> Expected {
        match self {
            Kind::Whole => say!("a whole number of at least 0", "0 以上の整数"),
            Kind::Signed => say!("a whole number", "整数"),
            Kind::Seed => say!(
                "a seed (a whole number from 0 to 18446744073709551615, or -1 to draw one)",
                "シード (0 から 18446744073709551615 までの整数、または乱数にする -1) "
            ),
            Kind::Number => say!("a number such as 4.5", "4.5 のような数値"),
            Kind::Switch => say!("True or False", "True または False"),
            Kind::Choice(names) => one_of(&(names.shown)()),
            Kind::Sampler => say!("a sampler", "サンプラー"),
            Kind::ScheduleType => say!("a schedule type", "スケジュールタイプ"),
            Kind::Text | Kind::Texts => say!("text", "文字列"),
        }
    }

    /// The names to choose from, where there are names.
    pub fn names(self) -> Vec<&'static str> {
        match self {
            Kind::Choice(names) => (names.shown)(),
            Kind::Sampler => Sampler::ALL.iter().map(|s| s.label()).collect(),
            Kind::ScheduleType => ScheduleType::ALL.iter().map(|s| s.label()).collect(),
            _ => Vec::new(),
        }
    }
}

/// `GPU or CPU`
fn one_of(names: &[&str]) -> Text {
    let (en, ja) = match names {
        [rest @ .., last] if !rest.is_empty() => {
            (format!("{} or {last}", rest.join(", ")), format!("{} または {last}", rest.join("、")))
        }
        _ => (names.join(", "), names.join("、")),
    };
    Text::new(en, ja)
}

/// A whole number that 64 bits can hold: Python's have no limit, and the nearest that fits would be another.
fn int(text: &str) -> Option<i64> {
    python::int(text).filter(|n| !matches!(*n, i64::MIN | i64::MAX))
}

/// Sliders and other programs write whole numbers also as `20.0`.
fn whole_float(text: &str) -> Option<i64> {
    python::float(text).filter(|n| n.fract() == 0.0 && n.abs() < 9e15).map(|n| n as i64)
}

fn whole(n: i64) -> Option<Value> {
    u32::try_from(n).ok().map(Value::from)
}

fn number(n: f64) -> Option<Value> {
    n.is_finite().then(|| n.into())
}

fn seed(text: &str) -> Option<Value> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    digits.parse::<u64>().ok().map(Value::from).or_else(|| int(text).or_else(|| whole_float(text)).and_then(seed_of))
}

fn seed_of(n: i64) -> Option<Value> {
    match u64::try_from(n) {
        Ok(n) => Some(n.into()),
        Err(_) => (n == -1).then(|| n.into()),
    }
}

fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Some(true),
        "false" | "0" | "off" | "no" => Some(false),
        _ => None,
    }
}

/// A type of settings.
pub trait Typed: Sized {
    /// How its values are written.
    const KIND: Kind;
    /// The value of a plain form that [`Kind`] has checked. `None` leaves the setting as it is.
    fn from_plain(value: &Value) -> Option<Self>;
    /// The plain form.
    fn plain(&self) -> Value;
}

macro_rules! typed {
    ($($type:ty, $kind:ident, $read:expr;)*) => {$(
        impl Typed for $type {
            const KIND: Kind = Kind::$kind;
            fn from_plain(value: &Value) -> Option<Self> {
                let read: fn(&Value) -> Option<Self> = $read;
                read(value)
            }
            fn plain(&self) -> Value {
                self.clone().into()
            }
        }
    )*};
}

typed! {
    u32, Whole, |v| v.as_u64().and_then(|n| u32::try_from(n).ok());
    i64, Signed, |v| v.as_i64();
    f64, Number, |v| v.as_f64();
    bool, Switch, |v| v.as_bool();
    // A seed of −1 is drawn by whoever asks.
    u64, Seed, |v| v.as_u64();
    String, Text, |v| v.as_str().map(str::to_owned);
    Vec<String>, Texts, |v| Some(v.as_array()?.iter().filter_map(|t| t.as_str().map(str::to_owned)).collect());
}

/// Nothing stands for “not given”, and is null.
impl<T: Typed> Typed for Option<T> {
    const KIND: Kind = T::KIND;
    fn from_plain(value: &Value) -> Option<Self> {
        if value.is_null() { Some(None) } else { T::from_plain(value).map(Some) }
    }
    fn plain(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::plain)
    }
}

impl Typed for Sampler {
    const KIND: Kind = Kind::Sampler;
    fn from_plain(value: &Value) -> Option<Self> {
        Sampler::from_name(value.as_str()?)
    }
    fn plain(&self) -> Value {
        self.label().into()
    }
}

impl Typed for ScheduleType {
    const KIND: Kind = Kind::ScheduleType;
    fn from_plain(value: &Value) -> Option<Self> {
        ScheduleType::from_name(value.as_str()?)
    }
    fn plain(&self) -> Value {
        self.label().into()
    }
}

impl<T: Choice> Typed for T {
    const KIND: Kind = Kind::Choice(Names { find: T::find, shown: T::shown });
    fn from_plain(value: &Value) -> Option<Self> {
        T::from_name(value.as_str()?)
    }
    fn plain(&self) -> Value {
        self.name().into()
    }
}
