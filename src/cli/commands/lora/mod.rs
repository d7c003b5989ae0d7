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
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum LoraCommand {
    #[command(
        about = tell(
            "Kind, rank, hashes, metadata; per block the norm, effective rank and share of the deltas",
            "種類・ランク・ハッシュ・メタデータと、ブロックごとの差分のノルム・実効ランク・割合"
        ),
    )]
    Inspect(inspect::InspectArgs),
    #[command(
        about = tell(
            "Write a new LoRA that has, without block weights, the effect that a tag gives to the old one",
            "タグで指定した効果を階層別の重みなしで持つ新しい LoRA を書きます"
        ),
    )]
    Bake(bake::BakeArgs),
    #[command(about = tell("Write what a tag says in another program's form", "タグの内容をほかのプログラムの形で出力します"))]
    Export(export::ExportArgs),
    #[command(
        about = tell(
            "A file for each block, which makes strengths block weights in any program; the tags for a vector; and back",
            "ブロックごとのファイルに分けます (どのプログラムでも強度が階層別の重みになります)。ベクトルをタグにする、元に戻す"
        ),
    )]
    Split(split::SplitArgs),
    #[command(
        about = tell(
            "Several LoRAs with their strengths and block weights into one file",
            "複数の LoRA を強度と階層別の重みごと一つのファイルにまとめます"
        ),
    )]
    Merge(merge::MergeArgs),
    #[command(about = tell("A LoRA at a lower rank, with the measured error", "LoRA のランクを下げ、誤差の実測値を示します"))]
    Resize(resize::ResizeArgs),
    #[command(about = tell("What differs between two LoRAs, block by block", "二つの LoRA の違いをブロックごとに示します"))]
    Diff(diff::DiffArgs),
    #[command(about = tell("The difference of two checkpoints as a LoRA", "二つのチェックポイントの差を LoRA にします"))]
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
