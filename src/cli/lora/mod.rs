//! `lbw lora`: looks into LoRA files and makes new ones of them.

mod bake;
mod chart;
mod export;
mod inspect;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::args::FileArgs;
use super::exit::{CommandResult, Failure};
use super::files::Files;
use super::modules::LoraModules;
use super::{report, request};
use crate::lora::LoraIndex;
use crate::plan::{LoraPlan, Request, lower_with_files};

#[derive(Debug, Subcommand)]
pub enum LoraCommand {
    /// Kind, rank, hashes, metadata; per block the norm, effective rank and share of the deltas
    Inspect(inspect::InspectArgs),
    /// Write a new LoRA that has, without block weights, the effect that a tag gives to the old one
    Bake(bake::BakeArgs),
    /// Write what a tag says in another program's form
    Export(export::ExportArgs),
}

pub fn run(command: &LoraCommand) -> CommandResult {
    match command {
        LoraCommand::Inspect(args) => inspect::run(args),
        LoraCommand::Bake(args) => bake::run(args),
        LoraCommand::Export(args) => export::run(args),
    }
}

/// A file, or a name from the LoRA folders.
fn find(name: &str, files: &FileArgs, index: &mut Option<LoraIndex>) -> Result<PathBuf, Failure> {
    let path = Path::new(name);
    if path.is_file() {
        return Ok(path.to_owned());
    }
    if index.is_none() {
        let folders = Files::resolve(files, None)?.lora_dirs()?;
        *index = Some(LoraIndex::scan(&folders).map_err(|e| Failure::file(e.to_string()))?);
    }
    let index = index.get_or_insert_default();
    Ok(index.resolve(name).map_err(|e| Failure::text(e.to_string()))?.to_owned())
}

/// The LoRA that the tag says, with its file.
fn of_tag(tag: &str, args: &FileArgs, strict: bool) -> Result<(LoraPlan, PathBuf), Failure> {
    let files = Files::resolve(args, None)?;
    let (presets, mut found) = request::load_presets(&files)?;
    let loras = LoraIndex::scan(&files.lora_dirs()?).map_err(|e| Failure::file(e.to_string()))?;
    let modules = LoraModules::new(&loras);
    let lowering = lower_with_files(&Request::new(tag, ""), &presets, &|name| modules.of(name));
    found.extend(lowering.diagnostics);
    report::diagnostics(&found);
    let plan = lowering.plan.filter(|_| !report::refuses(&found, strict));
    let Some(plan) = plan else { return Err(Failure::text("")) };
    let [lora] = plan.loras.as_slice() else {
        let message = format!("`{tag}` should be one tag, as in \"<lora:NAME:1:lbw=XLOUT>\"");
        return Err(Failure::text(message));
    };
    let path = loras.resolve(&lora.name).map_err(|e| Failure::text(e.to_string()))?.to_owned();
    Ok((lora.clone(), path))
}
