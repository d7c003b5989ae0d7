//! Presets that there are, and the files they come from.

use std::path::Path;

use serde_json::json;

use super::answer::Answer;
use super::error::{Error, Result, refuses};
use super::files::{read_presets, read_text};
use crate::block::Layout;
use crate::diagnostic::{Diagnostic, Text, code};
use crate::image_io::{Existing, write_file};
use crate::plan::check;
use crate::preset::edit::{self, Format, Kind};
use crate::preset::{Origin, Preset, PresetFile, PresetSet, webui, yaml};
use crate::say;

/// The presets of this name, block by block.
pub fn show(presets: &PresetSet, name: &str) -> Result<Vec<Answer>> {
    let found: Vec<Answer> = all(presets)
        .filter(|(_, preset)| preset.name == *name)
        .map(|(kind, preset)| {
            let Answer { json, text, found } = line(kind, preset);
            let text = if kind == "weights" { text.then(&blocks(preset)) } else { text };
            Answer { json, text, found }
        })
        .collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let error =
        Error::words(code::UNKNOWN_PRESET, say!("there is no preset `{name}`", "プリセット `{name}` はありません"));
    Err(match presets.weights.nearest(name).or(presets.elements.nearest(name)) {
        Some(near) => error.help(say!("did you mean `{near}`?", "`{near}` のことですか?")),
        None => error,
    })
}

/// A preset file in the format that the name of `output` says, or without one in the other format; its text stays with the answer
/// where there is no file for it.
pub fn convert(input: &Path, output: Option<&Path>, replace: bool) -> Result<Answer> {
    let (file, mut found) = read_presets(input, format_of(input) == Format::Elements, PresetSet::builtin())?;
    if refuses(&found, false) {
        return Err(Error::refused(found));
    }
    let format = match (output, format_of(input)) {
        (Some(path), _) => format_of(path),
        (None, Format::Yaml) if file.weights.is_empty() => Format::Elements,
        (None, Format::Yaml) => Format::Weights,
        (None, _) => Format::Yaml,
    };
    found.extend(left_out(&file, format));
    let text = write(&file, format)?;
    let shown = match output {
        None => Text::same(text),
        Some(path) => {
            save(path, &text, if replace { Existing::Replace } else { Existing::Keep })?;
            Text::default()
        }
    };
    Ok(Answer::new(json!({ "file": output.map(|path| path.to_string_lossy()) }), shown).with(found))
}

/// Adds a preset to a file, which is made if it is not there; gives what is to be said about it.
pub fn add(path: &Path, name: &str, value: &str, is_elements: bool) -> Result<Vec<Diagnostic>> {
    let kind = if is_elements { Kind::Elements } else { Kind::Weights };
    let (text, found) = with(path, name, value, kind)?;
    save(path, &text, Existing::Replace)?;
    Ok(found)
}

/// The text of a file with one more preset, and what is to be said about it.
pub(super) fn with(path: &Path, name: &str, value: &str, kind: Kind) -> Result<(String, Vec<Diagnostic>)> {
    let found = findings(name, value, kind);
    if refuses(&found, false) {
        return Err(Error::refused(found));
    }
    let text = if path.exists() { read_text(path)? } else { String::new() };
    let added = edit::add(format_of(path), &text, kind, (name, value), PresetSet::builtin()).map_err(|error| {
        let path = path.display();
        Error::words(code::BAD_PRESET, say!("{path}: {error}", "{path}: {error}"))
    })?;
    Ok((added, found))
}

fn format_of(path: &Path) -> Format {
    Format::of_name(&path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default())
}

/// What a format has no place for.
fn left_out(file: &PresetFile, format: Format) -> Vec<Diagnostic> {
    let (count, place) = match format {
        Format::Yaml => (0, ""),
        Format::Weights => (file.elements.len(), "elempresets.txt"),
        Format::Elements => (file.weights.len(), "lbwpresets.txt"),
    };
    let mut said = Vec::new();
    if count > 0 {
        said.push(say!(
            "{count} presets are left out: they need a file called {place} (-o)",
            "{count} 個のプリセットは入りません。{place} という名前のファイルが要ります (-o)"
        ));
    }
    if let (Format::Elements, comments @ 1..) = (format, file.comments.len()) {
        said.push(say!(
            "{comments} comments are left out: an elempresets.txt has none",
            "コメント {comments} 個は入りません。elempresets.txt にはコメントがありません"
        ));
    }
    said.into_iter().map(|message| Diagnostic::new(code::LEFT_OUT, message)).collect()
}

/// The text of `file` in a format.
fn write(file: &PresetFile, format: Format) -> Result<String> {
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

fn save(path: &Path, text: &str, existing: Existing) -> Result<()> {
    Ok(write_file(path, text.as_bytes(), existing)?)
}

fn all(presets: &PresetSet) -> impl Iterator<Item = (&'static str, &Preset)> {
    let weights = presets.weights.iter().map(|p| ("weights", p));
    weights.chain(presets.elements.iter().map(|p| ("elements", p)))
}

fn line(kind: &str, preset: &Preset) -> Answer {
    let Preset { name, value, origin } = preset;
    let json = json!({ "kind": kind, "name": name, "value": value, "file": &*origin.file, "line": origin.line });
    Answer::new(json, Text::same(format!("{name:<12} {}  [{origin}]\n", value.replace('\n', " / "))))
}

fn blocks(preset: &Preset) -> Text {
    let entries: Vec<&str> = preset.value.split(',').map(str::trim).collect();
    let Some(layout) = Layout::from_len(entries.len()) else { return Text::default() };
    let name = layout.name();
    let head = say!("  layout {name}\n", "  配置 {name}\n");
    let entries = entries.iter().enumerate().filter_map(|(at, entry)| Some((layout.block(at)?.name(), entry)));
    let entries = entries.map(|(block, entry)| Text::same(format!("  {block:<6} {entry}\n")));
    Text::join(std::iter::once(head).chain(entries), "")
}
