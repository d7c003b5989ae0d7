//! `lbw preset`: what presets there are and what they stand for, and the files they come from.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::args::FileArgs;
use super::exit::{CommandResult, Exit, Failure};
use super::files::Files;
use super::report;
use super::request::{load_presets, read_presets, read_text};
use crate::block::Layout;
use crate::diagnostic::Diagnostic;
use crate::image_io::{Existing, write_file};
use crate::plan::check;
use crate::preset::edit::{self, Format, Kind};
use crate::preset::{Origin, Preset, PresetFile, PresetSet, webui, yaml};

#[derive(Debug, Subcommand)]
pub enum PresetCommand {
    /// List presets with the file each comes from
    List {
        #[command(flatten)]
        files: FileArgs,
        #[arg(long)]
        json: bool,
    },
    /// Show one preset, block by block
    Show {
        name: String,
        #[command(flatten)]
        files: FileArgs,
        #[arg(long)]
        json: bool,
    },
    /// Convert a preset file between YAML and webui's lbwpresets.txt and elempresets.txt
    ///
    /// Comments are kept where the format has them; maps of blocks and `of:` are written out as vectors.
    Convert {
        /// A YAML file, or one of webui's
        file: PathBuf,
        /// Where to write; the name says the format (.yaml, elempresets.txt, or lbwpresets.txt for any other)
        /// [default: standard output, in the other format]
        #[arg(short, long)]
        output: Option<PathBuf>,
        /// Replace the output file if it is there
        #[arg(long)]
        force: bool,
    },
    /// Add a preset to a file, which is made if it is not there
    Add {
        /// A .yaml, an elempresets.txt, or any other name for a lbwpresets.txt
        file: PathBuf,
        name: String,
        /// A weight vector such as 1,0,0,0,0,1,0,0,0,0,0,0, or with --elements rules such as IN04-OUT05:attn:0.5
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// The preset is a list of element rules
        #[arg(long)]
        elements: bool,
    },
}

pub fn run(command: &PresetCommand) -> CommandResult {
    match command {
        PresetCommand::List { files, json } => {
            let presets = load(files)?;
            for (kind, preset) in all(&presets) {
                print(kind, preset, *json);
            }
        }
        PresetCommand::Show { name, files, json } => show(name, files, *json)?,
        PresetCommand::Convert { file, output, force } => convert(file, output.as_deref(), *force)?,
        PresetCommand::Add { file, name, value, elements } => {
            add(file, name, value, if *elements { Kind::Elements } else { Kind::Weights })?;
        }
    }
    Ok(Exit::Done)
}

fn show(name: &str, files: &FileArgs, json: bool) -> Result<(), Failure> {
    let presets = load(files)?;
    let found: Vec<_> = all(&presets).filter(|(_, p)| p.name == *name).collect();
    if found.is_empty() {
        let near = presets.weights.nearest(name).or(presets.elements.nearest(name));
        let hint = near.map_or(String::new(), |n| format!("; did you mean `{n}`?"));
        return Err(Failure::text(format!("there is no preset `{name}`{hint}")));
    }
    for (kind, preset) in found {
        print(kind, preset, json);
        if !json && kind == "weights" {
            blocks(preset);
        }
    }
    Ok(())
}

fn format_of(path: &Path) -> Format {
    Format::of_name(&path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default())
}

fn convert(input: &Path, output: Option<&Path>, force: bool) -> Result<(), Failure> {
    let (file, found) = read_presets(input, format_of(input) == Format::Elements, PresetSet::builtin())?;
    report::diagnostics(&found);
    if report::refuses(&found, false) {
        return Err(Failure { exit: Exit::Text, message: String::new() });
    }
    let format = match (output, format_of(input)) {
        (Some(path), _) => format_of(path),
        (None, Format::Yaml) if file.weights.is_empty() => Format::Elements,
        (None, Format::Yaml) => Format::Weights,
        (None, _) => Format::Yaml,
    };
    let text = write(&file, format)?;
    match output {
        None => print!("{text}"),
        Some(path) => save(path, &text, if force { Existing::Replace } else { Existing::Keep })?,
    }
    Ok(())
}

/// The text of `file` in a format. What the format has no place for is told.
fn write(file: &PresetFile, format: Format) -> Result<String, Failure> {
    let (left_out, place) = match format {
        Format::Yaml => (0, ""),
        Format::Weights => (file.elements.len(), "element presets need an elempresets.txt"),
        Format::Elements => (file.weights.len(), "weight presets need a lbwpresets.txt"),
    };
    if left_out > 0 {
        report::warning(&format!("{left_out} presets are left out: {place} (-o)"));
    }
    let comments = file.comments.len();
    if format == Format::Elements && comments > 0 {
        report::warning(&format!("{comments} comments are left out: an elempresets.txt has none"));
    }
    let written = match format {
        Format::Yaml => Ok(yaml::write(file)),
        Format::Weights => webui::write_weights(file),
        Format::Elements => webui::write_elements(file),
    };
    written.map_err(|names| {
        let names = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        Failure::text(format!("this format cannot hold {names}: rename them, or write YAML"))
    })
}

fn add(path: &Path, name: &str, value: &str, kind: Kind) -> Result<(), Failure> {
    let found = findings(name, value, kind);
    report::diagnostics(&found);
    if report::refuses(&found, false) {
        return Err(Failure { exit: Exit::Text, message: String::new() });
    }
    let text = if path.exists() { read_text(path)? } else { String::new() };
    let added = edit::add(format_of(path), &text, kind, (name, value), PresetSet::builtin())
        .map_err(|error| Failure::text(format!("{}: {error}", path.display())))?;
    save(path, &added, Existing::Replace)
}

/// What is wrong with a value.
fn findings(name: &str, value: &str, kind: Kind) -> Vec<Diagnostic> {
    if kind == Kind::Weights {
        // As one preset of a YAML file, whose reader looks at every entry.
        return yaml::parse("value", &format!("presets:\n{}", yaml::entry(name, value)), &PresetSet::default()).1;
    }
    let mut file = PresetFile::default();
    let origin = Origin { file: "value".into(), line: 1 };
    file.elements.insert(Preset { name: name.to_owned(), value: value.to_owned(), origin });
    check::preset_file(&file)
}

fn save(path: &Path, text: &str, existing: Existing) -> Result<(), Failure> {
    write_file(path, text.as_bytes(), existing).map_err(|e| Failure::file(e.to_string()))
}

fn load(files: &FileArgs) -> Result<PresetSet, Failure> {
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
