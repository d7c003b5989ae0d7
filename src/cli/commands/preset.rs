//! `lbw preset`: what presets there are and what they stand for, and the files they come from.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use crate::app::{Caller, Error, Session, read_presets, read_text, refuses};
use crate::block::Layout;
use crate::cli::args::{PlaceArgs, refused};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::{Terminal, escaped};
use crate::diagnostic::{Diagnostic, code};
use crate::image_io::{Existing, write_file};
use crate::plan::check;
use crate::preset::edit::{self, Format, Kind};
use crate::preset::{Origin, Preset, PresetFile, PresetSet, webui, yaml};
use crate::say;

#[derive(Debug, Subcommand)]
pub enum PresetCommand {
    /// List presets with the file each comes from
    List {
        #[command(flatten)]
        places: PlaceArgs,
        #[arg(long)]
        json: bool,
    },
    /// Show one preset, block by block
    Show {
        name: String,
        #[command(flatten)]
        places: PlaceArgs,
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

pub fn run(command: &PresetCommand, terminal: Terminal) -> CommandResult {
    match command {
        PresetCommand::List { places, json } => {
            let presets = load(places, terminal)?;
            all(&presets).try_for_each(|(kind, preset)| print(kind, preset, *json, terminal))
        }
        PresetCommand::Show { name, places, json } => show(name, places, *json, terminal),
        PresetCommand::Convert { file, output, force } => convert(file, output.as_deref(), *force, terminal),
        PresetCommand::Add { file, name, value, elements } => {
            let kind = if *elements { Kind::Elements } else { Kind::Weights };
            add(file, name, value, kind, terminal)
        }
    }
}

fn show(name: &str, places: &PlaceArgs, json: bool, terminal: Terminal) -> CommandResult {
    let presets = load(places, terminal)?;
    let found: Vec<_> = all(&presets).filter(|(_, p)| p.name == *name).collect();
    if found.is_empty() {
        let error =
            Error::words(code::UNKNOWN_PRESET, say!("there is no preset `{name}`", "プリセット `{name}` はありません"));
        let near = presets.weights.nearest(name).or(presets.elements.nearest(name));
        return Err(match near {
            Some(near) => error.help(say!("did you mean `{near}`?", "`{near}` のことですか?")).into(),
            None => error.into(),
        });
    }
    for (kind, preset) in found {
        print(kind, preset, json, terminal)?;
        if !json && kind == "weights" {
            blocks(preset, terminal)?;
        }
    }
    Ok(())
}

fn format_of(path: &Path) -> Format {
    Format::of_name(&path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default())
}

fn convert(input: &Path, output: Option<&Path>, force: bool, terminal: Terminal) -> CommandResult {
    let (file, found) = read_presets(input, format_of(input) == Format::Elements, PresetSet::builtin())?;
    if refuses(&found, false) {
        return Err(refused(found));
    }
    terminal.say_all(&found);
    let format = match (output, format_of(input)) {
        (Some(path), _) => format_of(path),
        (None, Format::Yaml) if file.weights.is_empty() => Format::Elements,
        (None, Format::Yaml) => Format::Weights,
        (None, _) => Format::Yaml,
    };
    let text = write(&file, format, terminal)?;
    match output {
        None => terminal.print(&text),
        Some(path) => save(path, &text, if force { Existing::Replace } else { Existing::Keep }),
    }
}

/// The text of `file` in a format. What the format has no place for is told.
fn write(file: &PresetFile, format: Format, terminal: Terminal) -> Result<String, Error> {
    let left_out = |count: usize, place: &str| {
        if count > 0 {
            let message = say!(
                "{count} presets are left out: they need a file called {place} (-o)",
                "{count} 個のプリセットは入りません。{place} という名前のファイルが要ります (-o)"
            );
            terminal.say(&Diagnostic::new(code::LEFT_OUT, message));
        }
    };
    match format {
        Format::Yaml => {}
        Format::Weights => left_out(file.elements.len(), "elempresets.txt"),
        Format::Elements => left_out(file.weights.len(), "lbwpresets.txt"),
    }
    if let (Format::Elements, comments @ 1..) = (format, file.comments.len()) {
        let message = say!(
            "{comments} comments are left out: an elempresets.txt has none",
            "コメント {comments} 個は入りません。elempresets.txt にはコメントがありません"
        );
        terminal.say(&Diagnostic::new(code::LEFT_OUT, message));
    }
    let written = match format {
        Format::Yaml => Ok(yaml::write(file)),
        Format::Weights => webui::write_weights(file),
        Format::Elements => webui::write_elements(file),
    };
    written.map_err(|names| {
        let names = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let message = say!("this format cannot hold {names}", "この書式には {names} を入れられません");
        Error::words(code::USAGE, message)
            .help(say!("rename them, or write YAML", "名前を変えるか、YAML で書いてください"))
    })
}

fn add(path: &Path, name: &str, value: &str, kind: Kind, terminal: Terminal) -> CommandResult {
    let found = findings(name, value, kind);
    if refuses(&found, false) {
        return Err(refused(found));
    }
    terminal.say_all(&found);
    let text = if path.exists() { read_text(path)? } else { String::new() };
    let added = edit::add(format_of(path), &text, kind, (name, value), PresetSet::builtin()).map_err(|error| {
        let path = path.display();
        Error::words(code::BAD_PRESET, say!("{path}: {error}", "{path}: {error}"))
    })?;
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

fn save(path: &Path, text: &str, existing: Existing) -> CommandResult {
    Ok(write_file(path, text.as_bytes(), existing).map_err(Error::from)?)
}

fn load(places: &PlaceArgs, terminal: Terminal) -> Result<PresetSet, Error> {
    let session = Session::open(&places.places(), Caller::default())?;
    terminal.say_all(&session.found);
    Ok(session.presets)
}

fn all(presets: &PresetSet) -> impl Iterator<Item = (&'static str, &Preset)> {
    let weights = presets.weights.iter().map(|p| ("weights", p));
    weights.chain(presets.elements.iter().map(|p| ("elements", p)))
}

fn print(kind: &str, preset: &Preset, json: bool, terminal: Terminal) -> CommandResult {
    let Preset { name, value, origin } = preset;
    match json {
        true => terminal
            .line(json!({ "kind": kind, "name": name, "value": value, "file": &*origin.file, "line": origin.line })),
        false => terminal.line(format!("{:<12} {}  [{origin}]", escaped(name), escaped(value).replace('\n', " / "))),
    }
}

fn blocks(preset: &Preset, terminal: Terminal) -> CommandResult {
    let entries: Vec<&str> = preset.value.split(',').map(str::trim).collect();
    let Some(layout) = Layout::from_len(entries.len()) else { return Ok(()) };
    terminal.line(format!("  layout {}", layout.name()))?;
    for (at, entry) in entries.iter().enumerate() {
        let Some(block) = layout.block(at) else { continue };
        terminal.line(format!("  {:<6} {}", block.name(), escaped(entry)))?;
    }
    Ok(())
}
