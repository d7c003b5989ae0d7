//! The suggested vector as a preset.

use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::preset_files;
use super::subject::Subject;
use crate::diagnostic::{Diagnostic, code};
use crate::preset::edit::Kind;
use crate::say;

/// A preset that is to be.
pub struct SavedPreset {
    name: String,
    file: PathBuf,
    /// Whether the file is read without being named.
    is_known: bool,
}

impl SavedPreset {
    /// The preset `name` in the last file that presets are read from, or in the folder `output` of the report. That it can be written is
    /// seen before anything is drawn.
    pub fn new(name: &str, subject: &Subject, output: &Path) -> Result<Self> {
        let ends = |c: char| c.is_control() || ":<>,=@".contains(c);
        if name.trim() != name || name.is_empty() || ["XYZ", "ZYX"].contains(&name) || name.contains(ends) {
            let message = say!(
                "--save-preset `{name}`: `lbw=` cannot name such a preset",
                "--save-preset `{name}`: その名前は `lbw=` に書けません"
            );
            return Err(Error::words(code::BAD_PRESET, message).help(say!(
                "take a name without spaces around it and without `:<>,=@`; XYZ and ZYX mark what is studied",
                "前後の空白と `:<>,=@` のない名前にしてください。XYZ と ZYX は調べる LoRA の印です"
            )));
        }
        if let Some(there) = subject.session.presets.weights.iter().find(|preset| preset.name == name) {
            let origin = &there.origin;
            let message = say!(
                "--save-preset {name}: there is a preset of this name already ({origin})",
                "--save-preset {name}: この名前のプリセットはすでにあります ({origin})"
            );
            return Err(Error::words(code::PRESET_EXISTS, message));
        }
        let own = output.join("presets.yaml");
        let file = subject.session.catalogue.presets.last().unwrap_or(&own).clone();
        preset_files::with(&file, name, &vec!["1"; subject.blocks().len()].join(","), Kind::Weights)?;
        Ok(SavedPreset { name: name.to_owned(), is_known: file != own, file })
    }

    /// What a preset cannot hold: the suggestion changes over the steps, and the best vector that does not, if any, is saved instead.
    pub fn save_level(&self, vector: Option<&str>) -> Result<Diagnostic> {
        let saved = self.save(vector)?;
        Ok(saved.note(say!(
            "a preset is one vector for all steps, and the suggestion changes over them: its tag is in the report",
            "プリセットは全ステップで同じベクトルですが、提案はステップの途中で変わります。そのタグはレポートにあります"
        )))
    }

    /// Writes the preset where there is a vector, and says so.
    pub fn save(&self, vector: Option<&str>) -> Result<Diagnostic> {
        let (name, file) = (&self.name, self.file.display());
        let Some(vector) = vector else {
            let message = say!(
                "--save-preset {name}: nothing is saved, because nothing was found that holds on other prompts and seeds",
                "--save-preset {name}: ほかのプロンプトとシードでも成り立つものがないので、何も保存しません"
            );
            return Ok(Diagnostic::new(code::NOT_SAVED, message));
        };
        preset_files::add(&self.file, name, vector, false)?;
        let saved = say!("the preset `{name}` is in {file} now", "プリセット `{name}` を {file} に保存しました");
        let saved = Diagnostic::new(code::PRESET_SAVED, saved);
        Ok(match self.is_known {
            true => saved,
            false => saved.help(say!(
                "use it with `--presets {file}` and lbw={name}",
                "`--presets {file}` を付け、lbw={name} と書いて使います"
            )),
        })
    }
}
