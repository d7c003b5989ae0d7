//! `lbw lora`: looks into LoRA files and makes new ones of them.

mod bake;
mod chart;
mod export;
mod inspect;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::app::{self, Caller, Error, Session};
use crate::cli::args::PlaceArgs;
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;
use crate::diagnostic::code;
use crate::plan::{LoraPlan, Patch, Request};
use crate::say;

#[derive(Debug, Subcommand)]
pub enum LoraCommand {
    /// Kind, rank, hashes, metadata; per block the norm, effective rank and share of the deltas
    Inspect(inspect::InspectArgs),
    /// Write a new LoRA that has, without block weights, the effect that a tag gives to the old one
    Bake(bake::BakeArgs),
    /// Write what a tag says in another program's form
    Export(export::ExportArgs),
}

pub fn run(command: &LoraCommand, terminal: Terminal) -> CommandResult {
    match command {
        LoraCommand::Inspect(args) => inspect::run(args, terminal),
        LoraCommand::Bake(args) => bake::run(args, terminal),
        LoraCommand::Export(args) => export::run(args, terminal),
    }
}

/// A file, or a name from the LoRA folders.
fn find(name: &str, places: &PlaceArgs, session: &mut Option<Session>) -> app::Result<PathBuf> {
    let path = Path::new(name);
    if path.is_file() {
        return Ok(path.to_owned());
    }
    if session.is_none() {
        *session = Some(Session::open(&places.places(), Caller::default())?);
    }
    match session {
        Some(session) => Ok(session.loras.resolve(name)?.to_owned()),
        None => Ok(path.to_owned()),
    }
}

/// The LoRA that a tag says, with its file and the session it was read in.
fn of_tag(
    tag: &str,
    places: &PlaceArgs,
    patch: Patch,
    strict: bool,
    terminal: Terminal,
) -> app::Result<(LoraPlan, PathBuf, Session)> {
    let session = Session::open(&places.places(), Caller { patch, strict, ..Caller::default() })?;
    let (plan, said) = session.lower(&Request::new(tag, ""), &session.presets);
    let found = [session.found.clone(), said].concat();
    let plan = plan.filter(|_| !session.refuses(&found));
    let Some(plan) = plan else { return Err(Error::refused(found)) };
    terminal.say_all(&found);
    let [lora] = plan.first.loras.as_slice() else {
        let message = say!(
            "`{tag}` should be one tag, as in \"<lora:NAME:1:lbw=XLOUT>\"",
            "`{tag}` は \"<lora:名前:1:lbw=XLOUT>\" のようなタグ一つにしてください"
        );
        return Err(Error::words(code::USAGE, message));
    };
    let path = session.loras.resolve(&lora.name)?.to_owned();
    Ok((lora.clone(), path, session))
}
