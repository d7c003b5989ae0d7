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
pub mod batch;
mod catalogue;
mod draw;
mod embeddings;
mod error;
mod files;
pub mod lora;
mod renderer;
mod session;
mod settings;
mod source;
mod store;
mod studio;
mod webui;
pub mod xyz;

pub use answer::Answer;
pub use catalogue::{Catalogue, ModelFiles, Places};
pub use draw::{Event, Flow, Job, Kept, Look, Outcome, Sink, Store, draw, some_failed};
pub use error::{Error, ErrorKind, Result, refuses};
pub use files::{read_presets, read_text};
pub use renderer::{Renderer, Studios};
pub use session::{Asked, Caller, Session};
pub use source::{Reading, Sources, files as prompt_files, is_image, plans, words};
pub use store::{Output, read_cell};
pub use studio::{EngineSettings, Picture, Studio, json, open_engine};
