//! Everything of a request that is not a LoRA: the [table] of settings, values laid over each other ([`Patch`]), and what
//! comes of them ([`Wanted`]).

mod choice;
mod patch;
mod setting;
pub mod table;
mod typed;

pub use choice::{Choice, Emphasis, MaskedContent, Names, NoiseSource, PadConds, RefinerPass, ResizeMode};
pub use patch::{Patch, PatchError, sides, unknown};
pub use setting::{Group, Setting};
pub use table::{
    Counts, FileFields, HiresFields, MAX_IMAGES, MAX_SIDE, MAX_STEPS, PictureFields, Settings, Texts, Wanted,
};
pub use typed::{Expected, Kind, Typed};
