//! `lbw lora`: looks into LoRA files and makes new ones of them.

mod bake;
mod chart;
mod diff;
mod export;
mod extract;
mod inspect;
mod join;
mod merge;
mod model;
mod resize;
mod split;
mod talk;

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
    /// A file for each block, which makes strengths block weights in any program; the tags for a vector; and back
    Split(split::SplitArgs),
    /// Several LoRAs with their strengths and block weights into one file
    Merge(merge::MergeArgs),
    /// A LoRA at a lower rank, with the measured error
    Resize(resize::ResizeArgs),
    /// What differs between two LoRAs, block by block
    Diff(diff::DiffArgs),
    /// The difference of two checkpoints as a LoRA
    Extract(extract::ExtractArgs),
}

pub fn run(command: &LoraCommand, terminal: Terminal) -> CommandResult {
    match command {
        LoraCommand::Inspect(args) => inspect::run(args, terminal),
        LoraCommand::Bake(args) => bake::run(args, terminal),
        LoraCommand::Export(args) => export::run(args, terminal),
        LoraCommand::Split(args) => split::run(args, terminal),
        LoraCommand::Merge(args) => merge::run(args, terminal),
        LoraCommand::Resize(args) => resize::run(args, terminal),
        LoraCommand::Diff(args) => diff::run(args, terminal),
        LoraCommand::Extract(args) => extract::run(args, terminal),
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

/// A file, or a name from the LoRA folders of `session`.
fn find_in(name: &str, session: &Session) -> app::Result<PathBuf> {
    let path = Path::new(name);
    if path.is_file() { Ok(path.to_owned()) } else { Ok(session.loras.resolve(name)?.to_owned()) }
}

/// The LoRA that a tag says, with its file and the session it was read in.
fn of_tag(
    tag: &str,
    places: &PlaceArgs,
    patch: Patch,
    strict: bool,
    terminal: Terminal,
) -> app::Result<(LoraPlan, PathBuf, Session)> {
    let (mut loras, session) = of_tags(tag, places, patch, strict, terminal)?;
    match (loras.pop(), loras.is_empty()) {
        (Some((lora, path)), true) => Ok((lora, path, session)),
        _ => Err(not_one_tag(tag)),
    }
}

fn not_one_tag(tag: &str) -> Error {
    let message = say!(
        "`{tag}` should be one tag, as in \"<lora:NAME:1:lbw=XLOUT>\"",
        "`{tag}` は \"<lora:名前:1:lbw=XLOUT>\" のようなタグ一つにしてください"
    );
    Error::words(code::USAGE, message)
}

/// The LoRAs that tags say, with their files, and the session they were read in.
fn of_tags(
    tags: &str,
    places: &PlaceArgs,
    patch: Patch,
    strict: bool,
    terminal: Terminal,
) -> app::Result<(Vec<(LoraPlan, PathBuf)>, Session)> {
    let session = Session::open(&places.places(), Caller { patch, strict, ..Caller::default() })?;
    let (plan, said) = session.lower(&Request::new(tags, ""), &session.presets);
    let found = [session.found.clone(), said].concat();
    let plan = plan.filter(|_| !session.refuses(&found));
    let Some(plan) = plan else { return Err(Error::refused(found)) };
    terminal.say_all(&found);
    let with_file = |lora: LoraPlan| Ok((session.loras.resolve(&lora.name)?.to_owned(), lora));
    let loras = plan.first.loras.into_iter().map(with_file).collect::<app::Result<Vec<_>>>()?;
    Ok((loras.into_iter().map(|(path, lora)| (lora, path)).collect(), session))
}
