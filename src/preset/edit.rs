//! Adding a preset to the text of a preset file, leaving the rest of it as it is.

use super::{PresetFile, PresetSet, webui, yaml};
use crate::diagnostic::{Said, Text};
use crate::say;
use crate::syntax::python;

/// The language of a preset file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// lbw's own, for weights and elements.
    Yaml,
    /// webui's `lbwpresets.txt`.
    Weights,
    /// webui's `elempresets.txt`.
    Elements,
}

impl Format {
    /// The format that a file of this name has.
    pub fn of_name(name: &str) -> Self {
        let name = name.to_lowercase();
        match name {
            _ if name.ends_with(".yaml") || name.ends_with(".yml") => Format::Yaml,
            _ if name.contains("elempresets") => Format::Elements,
            _ => Format::Weights,
        }
    }
}

/// What a preset stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A weight vector.
    Weights,
    /// Element rules.
    Elements,
}

/// Why a preset cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum AddError {
    Exists(String, usize),
    NoElements,
    NoWeights,
    Unfit(String),
    Layout,
}

impl Said for AddError {
    fn said(&self) -> Text {
        match self {
            AddError::Exists(name, line) => {
                say!("`{name}` is there already (line {line})", "`{name}` はすでにあります ({line} 行目)")
            }
            AddError::NoElements => say!(
                "a lbwpresets.txt cannot hold element presets; they go into an elempresets.txt or a YAML file",
                "lbwpresets.txt に要素別のプリセットは書けません。elempresets.txt か YAML のファイルに書いてください"
            ),
            AddError::NoWeights => say!(
                "an elempresets.txt cannot hold weight vectors; they go into a lbwpresets.txt or a YAML file",
                "elempresets.txt に重みベクトルは書けません。lbwpresets.txt か YAML のファイルに書いてください"
            ),
            AddError::Unfit(name) => {
                say!("this file cannot hold `{name}` with this value", "この値の `{name}` はこのファイルには書けません")
            }
            AddError::Layout => say!(
                "the file is laid out in a way that cannot be added to; write the preset into it by hand",
                "このファイルの書き方には追加できません。プリセットを手で書き込んでください"
            ),
        }
    }
}

/// `text` with one more preset, at the end of its kind. `known` are presets of other files, which `of:` may name.
pub fn add(
    format: Format,
    text: &str,
    kind: Kind,
    (name, value): (&str, &str),
    known: &PresetSet,
) -> Result<String, AddError> {
    let before = read(format, text, known);
    let presets = if kind == Kind::Weights { &before.weights } else { &before.elements };
    if let Some(old) = presets.get(name) {
        return Err(AddError::Exists(name.to_owned(), old.origin.line));
    }
    let added = match (format, kind) {
        (Format::Yaml, _) => into_yaml(text, kind, &yaml::entry(name, value))?,
        (Format::Weights, Kind::Weights) => format!("{}{name}:{value}\n", with_line_end(text)),
        (Format::Elements, Kind::Elements) if python::strip(text).is_empty() => format!("{name}:{value}\n"),
        (Format::Elements, Kind::Elements) => format!("{}\n\n{name}:{value}\n", text.trim_end()),
        (Format::Weights, Kind::Elements) => return Err(AddError::NoElements),
        (Format::Elements, Kind::Weights) => return Err(AddError::NoWeights),
    };
    // Whatever was written, it must read back as what was there and the new one.
    let after = read(format, &added, known);
    let values = |file: &PresetFile| -> Vec<(Kind, String, String)> {
        let of = |kind, presets: &super::Presets| -> Vec<_> {
            presets.iter().map(|p| (kind, p.name.clone(), python::strip(&p.value).to_owned())).collect()
        };
        [of(Kind::Weights, &file.weights), of(Kind::Elements, &file.elements)].concat()
    };
    let new = (kind, name.to_owned(), python::strip(value).to_owned());
    let (mut wanted, found) = (values(&before), values(&after));
    let at = found.iter().position(|preset| *preset == new).ok_or_else(|| AddError::Unfit(name.to_owned()))?;
    wanted.insert(at.min(wanted.len()), new);
    if wanted == found { Ok(added) } else { Err(AddError::Layout) }
}

fn read(format: Format, text: &str, known: &PresetSet) -> PresetFile {
    match format {
        Format::Yaml => yaml::parse("", text, known).0,
        Format::Weights => webui::weights("", text).0,
        Format::Elements => webui::elements("", text).0,
    }
}

fn with_line_end(text: &str) -> String {
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{end}")
}

/// Puts an entry (an indented line) behind the last line of its section, or a new section at the end.
fn into_yaml(text: &str, kind: Kind, entry: &str) -> Result<String, AddError> {
    let key = if kind == Kind::Weights { "presets:" } else { "elements:" };
    let mut lines: Vec<String> = with_line_end(text).lines().map(str::to_owned).collect();
    let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let Some(header) = lines.iter().position(|line| line.starts_with(key)) else {
        lines.extend([key.to_owned(), entry.trim_end().to_owned()]);
        return Ok(lines.join("\n") + "\n");
    };
    let rest = lines[header][key.len()..].trim();
    if !rest.is_empty() && !rest.starts_with('#') {
        // `presets: {A: …}` on one line.
        return Err(AddError::Layout);
    }
    let inside = |line: &&String| line.starts_with(' ') || is_blank(line);
    let section = lines[header + 1..].iter().take_while(inside);
    let last = section.enumerate().filter(|(_, line)| !is_blank(line)).map(|(at, _)| at).last();
    let first = lines[header + 1..].iter().find(|line| !is_blank(line)).filter(|line| line.starts_with(' '));
    let indent = first.map_or(2, |line| line.len() - line.trim_start().len());
    let at = header + 1 + last.map_or(0, |last| last + 1);
    lines.insert(at, format!("{}{}", " ".repeat(indent), entry.trim()));
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTOR: &str = "1,0,0,0,0,1,0,0,0,0,0,0.5";

    fn added(format: Format, text: &str, kind: Kind, value: &str) -> Result<String, AddError> {
        add(format, text, kind, ("NEW", value), PresetSet::builtin())
    }

    #[test]
    fn the_rest_of_the_file_stays() {
        let yaml = "# mine\nlayout: sdxl-12\npresets:\n    A: {BASE: 1} # warm\n\n    B: {of: XLALL, OUT01: 0.8}\n# rules\nelements:\n  E: IN04:attn:0.5\n";
        assert_eq!(
            added(Format::Yaml, yaml, Kind::Weights, VECTOR).unwrap(),
            yaml.replace("0.8}\n", &format!("0.8}}\n    NEW: {VECTOR}\n"))
        );
        assert_eq!(
            added(Format::Yaml, yaml, Kind::Elements, "M00:ff:1").unwrap(),
            format!("{yaml}  NEW: \"M00:ff:1\"\n")
        );
        assert_eq!(added(Format::Yaml, "", Kind::Weights, VECTOR).unwrap(), format!("presets:\n  NEW: {VECTOR}\n"));
        let lines = format!("# mine\nA:{VECTOR}\nnot a preset");
        assert_eq!(added(Format::Weights, &lines, Kind::Weights, VECTOR).unwrap(), format!("{lines}\nNEW:{VECTOR}\n"));
        let chunks = "A:IN04:attn:1\nM00:ff:0\n";
        assert_eq!(
            added(Format::Elements, chunks, Kind::Elements, "OUT00::0").unwrap(),
            format!("{chunks}\nNEW:OUT00::0\n")
        );
        assert_eq!(added(Format::Elements, "", Kind::Elements, "OUT00::0").unwrap(), "NEW:OUT00::0\n");
    }

    #[test]
    fn what_would_not_read_back_is_refused() {
        let there = format!("A:{VECTOR}\nNEW:{VECTOR}\n");
        assert_eq!(added(Format::Weights, &there, Kind::Weights, VECTOR), Err(AddError::Exists("NEW".into(), 2)));
        assert_eq!(added(Format::Weights, "", Kind::Weights, "1,1,1"), Err(AddError::Unfit("NEW".into())));
        assert_eq!(added(Format::Yaml, "", Kind::Weights, "1,1,1"), Err(AddError::Unfit("NEW".into())));
        assert_eq!(added(Format::Weights, "", Kind::Elements, "M00::1"), Err(AddError::NoElements));
        assert_eq!(added(Format::Elements, "", Kind::Weights, VECTOR), Err(AddError::NoWeights));
        assert_eq!(added(Format::Yaml, "presets: {}\n", Kind::Weights, VECTOR), Err(AddError::Layout));
        assert_eq!(
            added(Format::Elements, "", Kind::Elements, "M00::1\n\nX:M00::1"),
            Err(AddError::Unfit("NEW".into()))
        );
    }
}
