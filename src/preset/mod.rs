//! Presets: names for weight vectors and for lists of element rules.
//!
//! They come from webui's `lbwpresets.txt` and `elempresets.txt` or from YAML files; later files win. A preset's value is
//! always kept as text, exactly as webui would look it up, and knows the file and line it stands in.
//!
//! ```
//! use lbw::preset::{PresetSet, webui};
//! let mut presets = PresetSet::builtin().clone();
//! let (file, found) = webui::weights("mine.txt", "MINE:1,0,0,0,0,0,1,1,1,0,0,0");
//! assert!(found.is_empty());
//! presets.add(file);
//! assert_eq!(presets.weights.get("MINE").unwrap().origin.to_string(), "mine.txt:1");
//! assert_eq!(presets.weights.get("XLMID").unwrap().value, "1,0,0,0,0,1,0,0,0,0,0,0");
//! ```

pub mod edit;
pub mod styles;
pub mod webui;
pub mod yaml;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use crate::diagnostic::{Source, did_you_mean};

/// Where a preset is defined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// From 1.
    pub line: usize,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A name and what it stands for: a vector text, or the text of element rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preset {
    /// As tags write it.
    pub name: String,
    /// As the file writes it, spaces included.
    pub value: String,
    /// Where it is defined.
    pub origin: Origin,
}

impl Preset {
    /// The value as a text that diagnostics can point into.
    pub fn source(&self) -> Source {
        Source { first_line: self.origin.line, ..Source::new(self.origin.file.clone(), self.value.as_str()) }
    }
}

/// Presets of one kind in the order of their first definition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Presets {
    list: Vec<Preset>,
    index: HashMap<String, usize>,
}

impl Presets {
    /// The preset called `name`, exactly: case and spaces count.
    pub fn get(&self, name: &str) -> Option<&Preset> {
        self.index.get(name).map(|at| &self.list[*at])
    }

    /// In the order of their first definition.
    pub fn iter(&self) -> impl Iterator<Item = &Preset> {
        self.list.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds a preset, in the place of one of the same name if there is one, which is returned.
    pub fn insert(&mut self, preset: Preset) -> Option<Preset> {
        match self.index.get(&preset.name) {
            Some(at) => Some(std::mem::replace(&mut self.list[*at], preset)),
            None => {
                self.index.insert(preset.name.clone(), self.list.len());
                self.list.push(preset);
                None
            }
        }
    }

    /// The name nearest to `name`, if one is near.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        did_you_mean(name, self.list.iter().map(|p| p.name.as_str()))
    }
}

/// What one preset file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PresetFile {
    /// Weight vectors.
    pub weights: Presets,
    /// Element rules.
    pub elements: Presets,
    /// Comments in their order.
    pub comments: Vec<Comment>,
}

/// A comment line, without its `#`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Without the `#`.
    pub text: String,
    /// How many presets, of either kind, stand before it.
    pub before: usize,
}

/// All presets known, later files over earlier ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PresetSet {
    /// Weight vectors, for `lbw=`.
    pub weights: Presets,
    /// Element rules, for `lbwe=`.
    pub elements: Presets,
}

impl PresetSet {
    /// The presets that come with lbw: the extension's own and those for SDXL.
    pub fn builtin() -> &'static PresetSet {
        static BUILTIN: LazyLock<PresetSet> = LazyLock::new(|| {
            let mut set = PresetSet::default();
            for (name, text) in BUILTIN_FILES {
                let (file, _) = yaml::parse(name, text, &set);
                set.add(file);
            }
            set
        });
        &BUILTIN
    }

    /// The same, and what the marks of studies stand for.
    #[must_use]
    pub fn with_marks(&self, vector: &str) -> PresetSet {
        let mut presets = self.clone();
        for name in ["XYZ", "ZYX"] {
            let origin = Origin { file: "the study".into(), line: 1 };
            presets.weights.insert(Preset { name: name.to_owned(), value: vector.to_owned(), origin });
        }
        presets
    }

    /// Adds the presets of a later file, which replace those of the same name.
    pub fn add(&mut self, file: PresetFile) {
        for preset in file.weights.list {
            self.weights.insert(preset);
        }
        for preset in file.elements.list {
            self.elements.insert(preset);
        }
    }
}

/// Name and text of the built-in files.
pub const BUILTIN_FILES: [(&str, &str); 3] = [
    ("webui.yaml", include_str!("../../presets/webui.yaml")),
    ("sdxl.yaml", include_str!("../../presets/sdxl.yaml")),
    ("elements.yaml", include_str!("../../presets/elements.yaml")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_builtin_files_are_sound() {
        let mut set = PresetSet::default();
        for (name, text) in BUILTIN_FILES {
            let (file, found) = yaml::parse(name, text, &set);
            assert_eq!(found, [], "{name}");
            set.add(file);
        }
        for name in ["XLNONE", "XLALL", "XLBASE", "XLIN", "XLIN1", "XLIN2", "XLMID", "XLOUT", "XLOUT1", "XLOUT2"] {
            let value = &set.weights.get(name).unwrap().value;
            assert_eq!(value.split(',').count(), 12, "{name}");
            assert!(value.starts_with(if name == "XLNONE" { "0" } else { "1" }), "{name}");
        }
        assert_eq!(set.weights.get("XLOUT1").unwrap().value, "1,0,0,0,0,0,1,1,1,0,0,0");
        assert_eq!(set.weights.get("MIDD").unwrap().value, "1,0,0,0,1,1,1,1,1,1,1,1,0,0,0,0,0");
        assert_eq!(set.elements.get("ATTNDEEPON").unwrap().value, "IN05-OUT05:attn:1");
    }
}
