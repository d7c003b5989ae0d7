//! `lbw lora`: looks into LoRA files.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::LoraCommand;
use super::exit::{CommandResult, Exit, Failure};
use super::files::Files;
use super::report;
use crate::lora::{Inspection, LoraIndex};

pub fn run(command: &LoraCommand) -> CommandResult {
    let LoraCommand::Inspect { loras, files, json } = command;
    let mut index = None;
    let mut failed = None;
    for name in loras {
        let inspected = find(name, files, &mut index).and_then(|path| {
            let inspection = Inspection::of_file(&path, None).map_err(|e| Failure::file(e.to_string()))?;
            Ok((path, inspection))
        });
        match inspected {
            Ok((path, inspection)) if *json => println!("{}", json!({ "file": path, "inspection": inspection })),
            Ok((path, inspection)) => print(&path, &inspection),
            Err(failure) => {
                report::error(&failure.message);
                failed = failed.max(Some(failure.exit as u8));
            }
        }
    }
    match failed {
        None => Ok(Exit::Done),
        Some(code) if code == Exit::File as u8 => Err(Failure { exit: Exit::File, message: String::new() }),
        Some(_) => Err(Failure { exit: Exit::Text, message: String::new() }),
    }
}

/// A file, or a name from the LoRA folders.
fn find(name: &str, files: &super::args::FileArgs, index: &mut Option<LoraIndex>) -> Result<PathBuf, Failure> {
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

fn print(path: &Path, inspection: &Inspection) {
    let Inspection { kinds, ranks, alphas, dtypes, blocks, .. } = inspection;
    let counts = |pairs: Vec<(String, usize)>| {
        pairs.into_iter().map(|(what, n)| format!("{what} ×{n}")).collect::<Vec<_>>().join(", ")
    };
    println!("{}", path.display());
    println!("  made for   {}", inspection.made_for.unwrap_or("unknown"));
    println!("  kind       {}", counts(kinds.iter().map(|(k, n)| (k.to_string(), *n)).collect()));
    if inspection.dora_modules > 0 {
        println!("  DoRA       {} modules", inspection.dora_modules);
    }
    println!("  rank       {}", counts(ranks.iter().map(|(r, n)| (r.to_string(), *n)).collect()));
    println!("  alpha      {}", counts(alphas.iter().map(|(a, n)| (a.to_string(), *n)).collect()));
    println!("  dtype      {}", counts(dtypes.iter().map(|(d, n)| (d.clone(), *n)).collect()));
    println!("  sha256     {}", inspection.hashes.sha256);
    println!("  lora hash  {}", inspection.hashes.webui);
    println!("  modules    {}", blocks.iter().map(|(_, n)| n).sum::<usize>() + inspection.outside_blocks.len());
    for (block, modules) in blocks {
        println!("    {block:<6} {modules}");
    }
    list("outside the blocks (always ratio 1)", &inspection.outside_blocks);
    list("of unknown kind", &inspection.unknown_kind);
    list("not matched", &inspection.unmatched);
    if inspection.leniently_matched > 0 {
        println!("  {} tensors have names that webui does not know", inspection.leniently_matched);
    }
    if !inspection.metadata.is_empty() {
        println!("  metadata");
    }
    for (key, value) in &inspection.metadata {
        const SHOWN: usize = 120;
        let short: String = value.chars().take(SHOWN).collect();
        let more = if short.len() < value.len() { "…" } else { "" };
        println!("    {}: {}{more}", report::escaped(key), report::escaped(&short).replace('\n', " "));
    }
}

fn list(title: &str, names: &[String]) {
    if let Some(first) = names.first() {
        println!("  {title}: {}, for example {}", names.len(), report::escaped(first));
    }
}
