//! The application under every front end: words, files and settings to plans, plans to pictures with their infotext, findings
//! and events to whoever asked. It prints nothing, ends no process and keeps no global state.
//!
//! From a prompt to a PNG with its infotext:
//!
//! ```no_run
//! use std::sync::Arc;
//! use lbw::app::{Caller, EngineSettings, Places, Session, Studio, words};
//! use lbw::image_io::Existing;
//! # fn main() -> lbw::app::Result<()> {
//! let session = Arc::new(Session::open(&Places::default(), Caller::default())?);
//! let mut found = Vec::new();
//! let asked = session.ask(words("red house <lora:house:1:1:lbw=XLOUT>", &mut found)?, &mut found)?;
//! let (plans, findings) = session.plan(&asked);
//! let (mut studio, _) = Studio::open(&asked.model, &session, &EngineSettings::default())?;
//! let picture = studio.draw(&plans[0], &mut |_| std::ops::ControlFlow::Continue(()))?;
//! picture.write("house.png".as_ref(), Existing::Keep)?;
//! # Ok(()) }
//! ```

pub mod analyze;
mod answer;
pub mod api;
pub mod atlas;
pub mod batch;
pub mod bench;
mod catalogue;
mod check;
mod draw;
mod easel;
mod embeddings;
mod error;
mod file_kind;
mod files;
mod fingerprint;
mod folder;
mod info;
pub mod lists;
mod live;
pub mod lora;
pub mod memory;
mod over;
pub mod preset_files;
pub mod prompts;
mod random;
pub mod referee;
mod renderer;
mod saved_preset;
mod scene;
mod session;
mod settings;
pub mod show;
mod source;
mod store;
mod studio;
mod subject;
mod surprising;
pub mod tune;
pub mod upscale;
mod user_config;
#[cfg(feature = "via")]
pub mod via;
mod webui;
pub mod wished;
pub mod worker;
mod written;
pub mod xyz;

pub use crate::engine::InitImage;
pub use crate::image_io::{Existing, write_file};
pub use crate::preset::styles::Style;
pub use answer::Answer;
pub use catalogue::{Catalogue, ModelFiles, Places, Remote};
pub use check::check;
pub use draw::{Event, Flow, Job, Jobs, Kept, Look, Outcome, Sink, Store, draw, some_failed};
pub use error::{Error, ErrorKind, Result, refuses};
pub use file_kind::FileKind;
pub use files::{
    ScratchFolder, read_bytes, read_picture_file, read_presets, read_standard_input, read_text, scratch_folder,
};
pub use fingerprint::fingerprint;
pub use info::{audit, info};
pub use live::{Live, Stop};
pub use memory::Memory;
pub use random::{drawn_seed, new_id};
pub use renderer::{Module, Renderer, Sign, Studios, Watcher};
pub use session::{Asked, Beside, ListedLora, Pictures, Session};
pub use settings::Caller;
pub use source::{Reading, Says, Sources, files as prompt_files, is_image, of_foreign, plans, says, words};
pub use store::{Output, read_cell};
pub use studio::{EngineSettings, Picture, Studio, device, json, open_engine, plan_of_text};
pub use user_config::UserConfig;
pub use written::patch_of_flags;

// What the application takes and gives, and where it comes from does not matter to front ends.
pub use crate::engine::{Event as EngineEvent, ModelType};
pub use crate::lora::KeyTable;
pub use crate::model::{Held, OperatorChoice, Precision};
pub use crate::plan::{Patch, Plan};

/// The table of settings: all there is to set.
pub mod settings_table {
    pub use crate::plan::settings::table::{SIZES, Size, all, find, named};
    pub use crate::plan::settings::{Group, Kind, Setting};
}
