//! Batches: prompt files to pictures, everything checked before the first one, resumable at any moment.

mod folder;
mod grid;
mod prepare;
mod run;
mod state;

pub use grid::draw_grid;
pub use prepare::{Batch, Line, Wish};
pub use run::{Running, could_be, run};
pub use state::{Bad, State, Verified, state, verify};

pub use crate::batch::{Form, Pattern, Shard};
