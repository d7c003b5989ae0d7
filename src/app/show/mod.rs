//! Plans as people read them.

mod compare;
mod plan;

pub use compare::compare;
pub(super) use compare::{as_json as lora_as_json, one as one_program};
pub use plan::{model, plan};

/// How bars are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bars {
    /// Not at all.
    No,
    /// Of one colour.
    Plain,
    /// Green, or red for negative factors, as terminals show it.
    Coloured,
}
