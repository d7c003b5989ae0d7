//! webui's options: those there are, what lbw makes of each, and their values while the program runs.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::app::webui::WebuiConfig;
use crate::diagnostic::{Diagnostic, Said, Text, code, did_you_mean};
use crate::plan::{Patch, webui_option};
use crate::say;

/// What lbw makes of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It is done.
    Does,
    /// Pictures do not depend on it: it is kept and shown.
    Inert,
    /// A folder, a pattern of file names, or what belongs to the host: nobody changes it from outside.
    ReadOnly,
    /// It would change pictures and is not done.
    Refused,
}

struct Row {
    class: Class,
    default: Value,
}

/// The options of webui 1.10 by name.
static ROWS: LazyLock<Map<String, Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("options.json")).unwrap_or_default());

/// Options whose picture lbw's own lists and files give.
const OF_FILES: [&str; 3] = ["sd_model_checkpoint", "sd_checkpoint_hash", "sd_vae"];

fn row(name: &str) -> Option<Row> {
    let classes =
        [("does", Class::Does), ("inert", Class::Inert), ("readonly", Class::ReadOnly), ("refused", Class::Refused)];
    classes.into_iter().find_map(|(key, class)| {
        let default = ROWS.get(key)?.get(name)?.clone();
        // What became a setting since this list was written is done.
        let class = if class == Class::Refused && is_setting(name, &default) { Class::Does } else { class };
        Some(Row { class, default })
    })
}

fn is_setting(name: &str, value: &Value) -> bool {
    webui_option::set(&mut Patch::default(), name, value) == Ok(true)
}

/// Values that were set; everything else has webui's value or its default.
#[derive(Debug, Clone, Default)]
pub struct Options {
    set: Map<String, Value>,
}

impl Options {
    /// Sets options; with something wrong among them, none. Those of files are checked by whoever knows the files.
    pub fn with(&self, config: &WebuiConfig, values: &Map<String, Value>) -> Result<Self, Diagnostic> {
        let mut options = self.clone();
        for (name, value) in values {
            let Some(row) = row(name) else { return Err(unknown(name)) };
            let now = self.value(config, name);
            match row.class {
                Class::ReadOnly => {}
                // No name of a file is no change.
                _ if OF_FILES.contains(&name.as_str()) && (value.is_null() || value == "") => {}
                _ if is_same(value, &now) || is_same(value, &row.default) => options.put(name, value),
                Class::Refused => return Err(refused(name, value)),
                Class::Inert => options.put(name, value),
                Class::Does => {
                    check(name, value, &row.default)?;
                    options.put(name, value);
                }
            }
        }
        Ok(options)
    }

    /// What of `values` has no effect although a request asks for it: where pictures are saved, and as what, is the host's matter.
    pub fn without_effect(&self, config: &WebuiConfig, values: &Map<String, Value>) -> Vec<Diagnostic> {
        let asked = values.iter().filter(|(name, value)| {
            row(name).is_some_and(|row| row.class == Class::ReadOnly && !is_same(value, &row.default))
                && !is_same(value, &self.value(config, name))
        });
        let said = |name: &String| {
            let message = say!("`{name}` has no effect from outside", "`{name}` は外からは効きません");
            let help = say!(
                "where files go and what they are called is the server's own (-o)",
                "保存先とファイル名はサーバーが決めます (-o)"
            );
            Diagnostic::new(code::WITHOUT_EFFECT, message).help(help)
        };
        asked.map(|(name, _)| said(name)).collect()
    }

    fn put(&mut self, name: &str, value: &Value) {
        self.set.insert(name.to_owned(), value.clone());
    }

    /// What an option is now; null where there is none of this name.
    pub fn value(&self, config: &WebuiConfig, name: &str) -> Value {
        let set = self.set.get(name).or_else(|| config.option(name));
        set.cloned().or_else(|| Some(row(name)?.default)).unwrap_or_default()
    }

    /// Whether a switch is on.
    pub fn is_on(&self, config: &WebuiConfig, name: &str) -> bool {
        self.value(config, name) == true
    }

    /// All options with their values, in webui's form; those of files are added by whoever knows the files.
    pub fn all(&self, config: &WebuiConfig) -> Map<String, Value> {
        let names = ROWS.values().filter_map(Value::as_object).flat_map(Map::keys);
        names.filter(|name| !OF_FILES.contains(&name.as_str())).map(|n| (n.clone(), self.value(config, n))).collect()
    }

    /// What the options say about a picture, over webui's own.
    pub fn config(&self, config: &WebuiConfig) -> WebuiConfig {
        config.with(&self.set)
    }

    /// The name that was set for a file; nothing where nobody has set one.
    pub fn file(&self, name: &str) -> Option<&str> {
        self.set.get(name)?.as_str()
    }
}

/// Whether two values are the same, however a number is written.
fn is_same(a: &Value, b: &Value) -> bool {
    a == b || a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| a == b) || (*a == "" && b.is_null())
}

fn check(name: &str, value: &Value, default: &Value) -> Result<(), Diagnostic> {
    let wrong = |why: Text| Diagnostic::new(code::BAD_VALUE, why);
    if webui_option::set(&mut Patch::default(), name, value).map_err(|error| wrong(error.said()))? {
        return Ok(());
    }
    let fits = match default {
        Value::Bool(_) => value.is_boolean(),
        Value::Number(_) => value.is_number(),
        Value::String(_) => value.is_string(),
        Value::Null => value.is_string() || value.is_null(),
        _ => true,
    };
    if fits {
        Ok(())
    } else {
        Err(wrong(say!("`{name}: {value}` has the wrong type", "`{name}: {value}` の型が違います")))
    }
}

fn unknown(name: &str) -> Diagnostic {
    let found =
        Diagnostic::new(code::UNKNOWN_OPTION, say!("there is no option `{name}`", "オプション `{name}` はありません"));
    let known = ROWS.values().filter_map(Value::as_object).flat_map(Map::keys);
    match did_you_mean(name, known.map(String::as_str)) {
        Some(near) => found.help(say!("did you mean `{near}`?", "`{near}` のことですか?")),
        None => found,
    }
}

fn refused(name: &str, value: &Value) -> Diagnostic {
    let message = say!("lbw does not do {name} = {value}", "lbw には {name} = {value} の機能がありません");
    Diagnostic::new(code::OPTION_NOT_DONE, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(values: Value) -> Result<Options, Diagnostic> {
        Options::default().with(&WebuiConfig::default(), values.as_object().unwrap())
    }

    #[test]
    fn all_that_is_shown_may_be_set_again() {
        let config = WebuiConfig::default();
        let all = Options::default().all(&config);
        assert_eq!(all.len(), 287);
        let again = Options::default().with(&config, &all).unwrap();
        assert_eq!(again.all(&config), all);
    }

    #[test]
    fn each_class_does_its_own() {
        let config = WebuiConfig::default();
        let set = with(
            json!({ "show_progress_every_n_steps": 3, "n_rows": 2.0, "outdir_samples": "/tmp", "token_merging_ratio": 0.0 }),
        );
        let set = set.unwrap();
        assert_eq!(set.value(&config, "show_progress_every_n_steps"), json!(3));
        assert_eq!(set.value(&config, "outdir_samples"), json!(""));
        for (values, code) in [
            (json!({ "use_old_emphasis_implementation": true }), code::OPTION_NOT_DONE),
            (json!({ "jpeg_quality": "many" }), code::BAD_VALUE),
            (json!({ "randn_source": "TPU" }), code::BAD_VALUE),
            (json!({ "jpeg_qualty": 90 }), code::UNKNOWN_OPTION),
        ] {
            assert_eq!(with(values.clone()).unwrap_err().code, code, "{values}");
        }
    }

    #[test]
    fn options_become_settings_of_a_picture() {
        let set = with(json!({ "CLIP_stop_at_last_layers": 2, "eta_noise_seed_delta": 31337 })).unwrap();
        let patch = set.config(&WebuiConfig::default()).patch;
        assert_eq!((patch.get("clip_skip"), patch.get("eta_noise_seed_delta")), (Some(&json!(2)), Some(&json!(31337))));
    }
}
