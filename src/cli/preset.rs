//! `lbw preset`: what presets there are and what they stand for.

use serde_json::json;

use super::args::PresetCommand;
use super::exit::{CommandResult, Exit, Failure};
use super::files::Files;
use super::report;
use super::request::load_presets;
use crate::block::Layout;
use crate::preset::{Preset, PresetSet};

pub fn run(command: &PresetCommand) -> CommandResult {
    match command {
        PresetCommand::List { files, json } => {
            let presets = load(files)?;
            for (kind, preset) in all(&presets) {
                print(kind, preset, *json);
            }
        }
        PresetCommand::Show { name, files, json } => {
            let presets = load(files)?;
            let found: Vec<_> = all(&presets).filter(|(_, p)| p.name == *name).collect();
            if found.is_empty() {
                let near = presets.weights.nearest(name).or(presets.elements.nearest(name));
                let hint = near.map_or(String::new(), |n| format!("; did you mean `{n}`?"));
                return Err(Failure::text(format!("there is no preset `{name}`{hint}")));
            }
            for (kind, preset) in found {
                print(kind, preset, *json);
                if !*json && kind == "weights" {
                    blocks(preset);
                }
            }
        }
    }
    Ok(Exit::Done)
}

fn load(files: &super::args::FileArgs) -> Result<PresetSet, Failure> {
    let (presets, found) = load_presets(&Files::resolve(files, None)?)?;
    report::diagnostics(&found);
    Ok(presets)
}

fn all(presets: &PresetSet) -> impl Iterator<Item = (&'static str, &Preset)> {
    let weights = presets.weights.iter().map(|p| ("weights", p));
    weights.chain(presets.elements.iter().map(|p| ("elements", p)))
}

fn print(kind: &str, preset: &Preset, json: bool) {
    let Preset { name, value, origin } = preset;
    match json {
        true => println!(
            "{}",
            json!({ "kind": kind, "name": name, "value": value, "file": &*origin.file, "line": origin.line })
        ),
        false => println!("{:<12} {}  [{origin}]", report::escaped(name), report::escaped(value).replace('\n', " / ")),
    }
}

fn blocks(preset: &Preset) {
    let entries: Vec<&str> = preset.value.split(',').map(str::trim).collect();
    let Some(layout) = Layout::from_len(entries.len()) else { return };
    println!("  layout {}", layout.name());
    for (at, entry) in entries.iter().enumerate() {
        let Some(block) = layout.block(at) else { continue };
        println!("  {:<6} {}", block.name(), report::escaped(entry));
    }
}
