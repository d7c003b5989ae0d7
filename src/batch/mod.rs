//! Many images from one text: prompt files, their jobs, and what is known of jobs that are done.

mod claim;
mod entry;
mod form;
mod job;
mod location;
mod manifest;
mod name;
mod prompt_file;
mod prompt_line;
mod shard;

pub use entry::{Entry, Finding, Place, wrong_option};
pub use form::{Form, Options, Read};
pub use job::{Job, State};
pub use location::{Held, Location, location};
pub use manifest::{Manifest, ManifestError, is_inside};
pub use name::{NameError, NameParts, Pattern};
pub use prompt_file::{Position, PromptFile, Seeds};
pub use prompt_line::{LineError, parse_line};
pub use shard::Shard;
