//! What a written value has to be.

use super::{Said, Text};
use crate::say;

/// What a written value has to be, behind "is not".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// A finite number.
    Number,
    /// A whole number, also a negative one.
    Whole,
    /// A whole number of at least 0.
    Count,
    /// A whole number of at least 0.
    Seed,
    /// A name of a sampler.
    Sampler,
    /// A name of a schedule.
    ScheduleType,
    /// A name of a dialect of block weights.
    Dialect,
    /// A name of a checkpoint that is there.
    Checkpoint,
    /// One of these names.
    OneOf(&'static [&'static str]),
}

impl Said for Expected {
    fn said(&self) -> Text {
        match self {
            Expected::Number => say!("a number", "数値"),
            Expected::Whole => say!("a whole number", "整数"),
            Expected::Count => say!("a whole number of at least 0", "0 以上の整数"),
            Expected::Seed => say!("a seed", "シード"),
            Expected::Sampler => say!("a sampler", "サンプラー"),
            Expected::ScheduleType => say!("a schedule type", "スケジュールタイプ"),
            Expected::Dialect => say!("a dialect", "方言"),
            Expected::Checkpoint => say!("a known checkpoint", "ここにあるチェックポイント"),
            Expected::OneOf(names) => {
                let names = Text::alternatives(names);
                say!("{names}", "{names} のどれか", with names)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Language;
    use super::*;

    #[test]
    fn names_are_alternatives() {
        let said = Expected::OneOf(&["GPU", "CPU", "NV"]).said();
        assert_eq!(said, "GPU, CPU or NV");
        assert_eq!(said.in_language(Language::Ja), "GPU、CPU、NV のどれか");
        assert_eq!(Expected::OneOf(&["True", "False"]).said(), "True or False");
    }
}
