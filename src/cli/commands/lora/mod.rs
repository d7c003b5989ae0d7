//! `lbw lora`: looks into LoRA files and makes new ones of them.

mod bake;
mod diff;
mod export;
mod extract;
mod inspect;
mod merge;
mod resize;
mod split;

use clap::{Subcommand, ValueEnum};

use crate::app::lora::Precision;
use crate::app::{self, Caller, Session};
use crate::cli::args::{ModelArgs, PlaceArgs};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;

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

/// A session with the model that is named.
fn session(places: &PlaceArgs, model: &ModelArgs, strict: bool) -> app::Result<Session> {
    Session::open(&places.places(), Caller { patch: model.patch()?, strict, ..Caller::default() })
}

/// How new factors are stored.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum PrecisionArg {
    F32,
    F16,
    Bf16,
}

impl From<PrecisionArg> for Precision {
    fn from(precision: PrecisionArg) -> Self {
        match precision {
            PrecisionArg::F32 => Self::F32,
            PrecisionArg::F16 => Self::F16,
            PrecisionArg::Bf16 => Self::Bf16,
        }
    }
}
