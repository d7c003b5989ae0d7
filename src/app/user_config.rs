//! The user's own configuration: folders and presets that are always looked at, and settings that hold where nothing else is
//! said.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::catalogue::Places;
use super::error::{Error, Result};
use super::files::read_text;
use crate::batch::wrong_option;
use crate::diagnostic::{Diagnostic, FINDINGS_LIMIT, Language, Source, Text, code, did_you_mean, more_findings};
use crate::files;
use crate::files::limits::VALUES;
use crate::files::values::is_crowded_toml;
use crate::model::ops::Precision;
use crate::say;

/// What a configuration says.
#[derive(Debug, Clone, Default)]
pub struct UserConfig {
    /// The language of all that is said.
    pub language: Option<Language>,
    /// Neither progress nor notes.
    pub quiet: bool,
    /// Folders and files that are always looked at, and the settings that hold where nothing else is said.
    pub places: Places,
    /// Where plans are executed.
    pub device: Option<String>,
    /// How much memory may be taken.
    pub memory: Option<String>,
    /// The type of number that networks compute in.
    pub precision: Option<Precision>,
}

/// The keys, which are called as flags are.
const KEYS: [&str; 13] = [
    "lang",
    "quiet",
    "webui-dir",
    "lora-dir",
    "embeddings-dir",
    "upscaler-dir",
    "styles-file",
    "presets",
    "element-presets",
    "device",
    "memory",
    "precision",
    "settings",
];

impl UserConfig {
    /// Where it is by the platform's convention: `~/.config/lbw/config.toml` on Linux.
    pub fn default_path() -> Option<PathBuf> {
        Some(dirs::config_dir()?.join("lbw").join("config.toml"))
    }

    /// Reads the file at `path`; everything wrong with it is said at once.
    pub fn read(path: &Path) -> Result<Self> {
        // Every command reads it: what waits for somebody, or has no end, is not read.
        drop(files::open(path).map_err(|error| Error::reading(path, &error))?);
        let text = read_text(path)?;
        let source = Source::new(path.display().to_string(), text.as_str());
        if is_crowded_toml(&text) {
            let name = path.display();
            let message = say!("{name}: more than {VALUES} values", "{name}: {VALUES} 個を超える値があります");
            return Err(Error::refused(vec![Diagnostic::new(code::BAD_CONFIG, message).within(&source)]));
        }
        let table: Map<String, Value> = match toml::from_str(&text) {
            Ok(table) => table,
            Err(error) => {
                let why = error.message();
                let message = say!("not TOML: {why}", "TOML として読めません: {why}");
                let found = Diagnostic::new(code::BAD_CONFIG, message).within(&source);
                let place = error.span().filter(|span| text.get(span.clone()).is_some());
                return Err(Error::refused(vec![match place {
                    Some(span) => found.at(span),
                    None => found.at(0..0),
                }]));
            }
        };
        let mut config = UserConfig::default();
        let (mut found, mut more) = (Vec::new(), 0);
        let home = path.parent().unwrap_or(Path::new(""));
        for (key, value) in &table {
            match (key.as_str(), config.take(key, value, home)) {
                ("settings", _) => config.take_settings(value, &source, &mut found, &mut more),
                (_, Ok(())) => {}
                // Each is looked for in the file.
                (_, Err(wrong)) if found.len() < FINDINGS_LIMIT => found.push(wrong.said_at(key, &source)),
                (_, Err(_)) => more += 1,
            }
        }
        if more > 0 {
            found.push(more_findings(more, Some(source)));
        }
        if !found.is_empty() {
            return Err(Error::refused(found));
        }
        config.places.found.extend(config.brings(path));
        Ok(config)
    }

    /// What is to be said about the settings that the file at `path` brings.
    fn brings(&self, path: &Path) -> Option<Diagnostic> {
        let settings = &self.places.settings;
        if settings.is_empty() {
            return None;
        }
        let path = path.display();
        let settings: Vec<String> = settings.iter().map(|(row, value)| format!("{} = {value}", row.name)).collect();
        let settings = settings.join(", ");
        let message = say!("from {path}: {settings}", "{path} の設定: {settings}");
        Some(Diagnostic::new(code::FROM_CONFIG, message))
    }

    fn take(&mut self, key: &str, value: &Value, home: &Path) -> std::result::Result<(), Wrong> {
        let text = || value.as_str().ok_or_else(|| Wrong::Value(say!("text", "文字列")));
        let paths = || -> Option<Vec<PathBuf>> {
            let paths = match value {
                Value::Array(all) => all.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?,
                one => vec![one.as_str()?],
            };
            Some(paths.into_iter().map(|path| expanded(path, home)).collect())
        };
        let name = key.replace('_', "-");
        let list = match name.as_str() {
            "lang" => {
                self.language = Some(match value.as_str() {
                    Some("en") => Language::En,
                    Some("ja") => Language::Ja,
                    _ => return Err(Wrong::Value(say!("\"en\" or \"ja\"", "\"en\" か \"ja\""))),
                });
                return Ok(());
            }
            "quiet" => {
                self.quiet = value.as_bool().ok_or_else(|| Wrong::Value(say!("true or false", "true か false")))?;
                return Ok(());
            }
            "webui-dir" => {
                self.places.webui = Some(expanded(text()?, home));
                return Ok(());
            }
            "device" => {
                self.device = Some(text()?.to_owned());
                return Ok(());
            }
            "memory" => {
                self.memory = Some(text()?.to_owned());
                return Ok(());
            }
            "precision" => {
                let named = [Precision::F32, Precision::F16, Precision::Bf16];
                let named = named.into_iter().find(|precision| Some(precision.name()) == value.as_str());
                let wrong =
                    || Wrong::Value(say!("\"f32\", \"f16\" or \"bf16\"", "\"f32\"、\"f16\"、\"bf16\" のどれか"));
                self.precision = Some(named.ok_or_else(wrong)?);
                return Ok(());
            }
            "lora-dir" => &mut self.places.loras,
            "embeddings-dir" => &mut self.places.embeddings,
            "upscaler-dir" => &mut self.places.upscalers,
            "styles-file" => &mut self.places.styles,
            "presets" => &mut self.places.presets,
            "element-presets" => &mut self.places.element_presets,
            _ => return Err(Wrong::Key(name)),
        };
        let paths = paths().ok_or_else(|| Wrong::Value(say!("a path or a list of paths", "パスかパスの並び")))?;
        let is_endless = |path: &PathBuf| path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir());
        if paths.iter().any(is_endless) {
            return Err(Wrong::Value(say!("files or folders, and no pipes", "ファイルかフォルダー (パイプは不可)")));
        }
        *list = paths;
        Ok(())
    }

    fn take_settings(&mut self, value: &Value, source: &Source, found: &mut Vec<Diagnostic>, more: &mut usize) {
        let Some(fields) = value.as_object() else {
            return found.push(Wrong::Value(say!("a table", "テーブル")).said_at("settings", source));
        };
        for (name, value) in fields {
            match self.places.settings.take(name, value) {
                Ok(_) => {}
                Err(error) if found.len() < FINDINGS_LIMIT => found.push(wrong_option(&error, name, source)),
                Err(_) => *more += 1,
            }
        }
    }
}

/// Why a key is not taken.
enum Wrong {
    /// There is none of this name.
    Key(String),
    /// It takes something else.
    Value(Text),
}

impl Wrong {
    fn said_at(self, key: &str, source: &Source) -> Diagnostic {
        let at = source.text.find(key).map_or(0..0, |at| at..at + key.len());
        let found = |message| Diagnostic::new(code::BAD_CONFIG, message).within(source).at(at);
        match self {
            Wrong::Value(what) => found(say!("`{key}` takes {what}", "`{key}` には{what}を書きます", with what)),
            Wrong::Key(name) => {
                let keys = KEYS.join(", ");
                let help = match did_you_mean(&name, KEYS) {
                    Some(near) => say!("did you mean `{near}`?", "`{near}` のことですか?"),
                    None => say!(
                        "there are: {keys}; steps, sampler and the like stand under [settings]",
                        "あるもの: {keys}。steps や sampler などは [settings] の下に書きます"
                    ),
                };
                found(say!("there is no key `{key}`", "キー `{key}` はありません")).help(help)
            }
        }
    }
}

/// A path as people write it in a configuration: `~` is their home, and what is relative lies beside the file.
fn expanded(path: &str, home: &Path) -> PathBuf {
    match path.strip_prefix("~/").or_else(|| (path == "~").then_some("")) {
        Some(rest) => dirs::home_dir().unwrap_or_default().join(rest),
        None => home.join(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<UserConfig> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        UserConfig::read(&path)
    }

    #[test]
    fn everything_is_taken() {
        let config = read(
            "lang = \"ja\"\nquiet = true\nwebui-dir = \"/w\"\nlora_dir = [\"/a\", \"b\"]\npresets = \"/p.yaml\"\n\
             device = \"cpu\"\nmemory = \"8g\"\nprecision = \"f32\"\n[settings]\nsteps = 9\n\"Sampler\" = \"Euler a\"\n",
        )
        .unwrap();
        assert_eq!((config.language, config.quiet), (Some(Language::Ja), true));
        assert_eq!((config.memory.as_deref(), config.precision), (Some("8g"), Some(Precision::F32)));
        assert_eq!(config.places.webui.as_deref(), Some(Path::new("/w")));
        assert_eq!(config.places.loras[0], Path::new("/a"));
        assert!(config.places.loras[1].ends_with("b") && config.places.loras[1].is_absolute(), "beside the file");
        assert_eq!(config.places.settings.get("steps"), Some(&9.into()));
        assert_eq!(config.places.settings.text("sampler"), Some("Euler a"));
        assert!(config.places.found[0].message.contains("steps = 9"));
    }

    #[test]
    fn what_is_wrong_is_told_at_its_place() {
        let said = |text: &str| {
            let found = read(text).unwrap_err().findings;
            found.into_iter().map(|found| found.message.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(said("lora-dri = 1\nquiet = 3\n"), ["there is no key `lora-dri`", "`quiet` takes true or false"]);
        assert_eq!(said("[settings]\nsteps = \"x\"\nstesp = 3\n").len(), 2);
        assert!(said("a = ")[0].starts_with("not TOML"));
        assert_eq!(said("settings = 3"), ["`settings` takes a table"]);
    }
}
