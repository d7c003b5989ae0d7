//! Some settings with their values: what one source says — an infotext, a line of a prompt file, flags, webui's configuration.
//!
//! Sources are laid over each other, and what remains is applied to the defaults:
//!
//! ```
//! use lbw::plan::{Patch, Wanted};
//! let mut pasted = Patch::default();
//! pasted.read("steps", "28").unwrap();
//! pasted.read("Sampler", "DPM++ 2M SDE Karras").unwrap();
//! let mut flags = Patch::default();
//! flags.read("steps", "30").unwrap();
//! let mut wanted = Wanted::default();
//! pasted.with(&flags).apply(&mut wanted);
//! assert_eq!((wanted.settings.steps, wanted.settings.schedule_type.label()), (30, "Karras"));
//! assert!(flags.read("stepps", "1").is_err());
//! ```

use serde_json::Value;

use super::setting::Setting;
use super::table::{self, Wanted};
use super::typed::Kind;
use crate::diagnostic::{Said, Text, did_you_mean};
use crate::plan::{Sampler, ScheduleType};
use crate::say;

/// Settings and plain values, in the order they were written; the last of several equal ones counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Patch {
    values: Vec<(&'static Setting, Value)>,
}

/// Why something written is no setting.
#[derive(Debug, Clone, PartialEq)]
pub enum PatchError {
    /// Nobody calls a setting this.
    Unknown { name: String, near: Option<String> },
    /// The value is not what the setting has.
    Value { name: String, value: String, expected: Text, near: Option<&'static str> },
}

impl Said for PatchError {
    fn said(&self) -> Text {
        match self {
            PatchError::Unknown { name, .. } => say!("there is no option `{name}`", "オプション `{name}` はありません"),
            PatchError::Value { name, value, expected, .. } => {
                say!("`{name}: {value}` is not {expected}", "`{name}: {value}` は{expected}ではありません", with expected)
            }
        }
    }
}

impl PatchError {
    /// What may have been meant.
    pub fn near(&self) -> Option<&str> {
        match self {
            PatchError::Unknown { near, .. } => near.as_deref(),
            PatchError::Value { near, .. } => *near,
        }
    }
}

impl Patch {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The settings and their plain values.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Setting, &Value)> {
        self.values.iter().map(|(setting, value)| (*setting, value))
    }

    /// The plain value of the setting called `name` in plans.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.iter().find(|(setting, _)| setting.name == name).map(|(_, value)| value)
    }

    /// The value of a setting that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// Whether a seed is given; −1 leaves it open.
    pub fn has_seed(&self) -> bool {
        self.get("seed").is_some_and(Value::is_u64)
    }

    /// Takes a setting out.
    pub fn remove(&mut self, name: &str) {
        self.values.retain(|(setting, _)| setting.name != name);
    }

    /// Sets a plain value, as [`Setting::read`] and [`Setting::accept`] give it.
    pub fn put(&mut self, setting: &'static Setting, value: Value) {
        self.remove(setting.name);
        self.values.push((setting, value));
        // A second pass may have been left out in so many words.
        if setting.asks_hires && self.get("hires").is_none() {
            self.put_named("hires", true);
        }
    }

    /// Sets the setting called `name` in plans.
    pub fn put_named(&mut self, name: &str, value: impl Into<Value>) {
        if let Some(setting) = table::named(name) {
            self.put(setting, value.into());
        }
    }

    /// The same with this setting.
    pub fn and(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.put_named(name, value);
        self
    }

    /// Reads a setting under any of its names from any text.
    pub fn read(&mut self, name: &str, text: &str) -> Result<(), PatchError> {
        match (table::find(name), table::find_size(name)) {
            (Some(setting), _) => self.read_setting(setting, name, text),
            (None, Some(size)) => {
                let sides = sides(text).ok_or_else(|| {
                    // One number may have been meant for both sides.
                    let side = text.trim().parse().ok().filter(|side: &u32| *side > 0);
                    let (width, height) = side.map_or((512, 768), |side| (side, side));
                    PatchError::Value {
                        name: name.to_owned(),
                        value: text.to_owned(),
                        expected: say!("a size such as {width}x{height}", "{width}x{height} のような大きさ"),
                        near: None,
                    }
                })?;
                size.parts.iter().zip(sides).for_each(|(part, side)| self.put_named(part, side));
                Ok(())
            }
            (None, None) => Err(unknown(name)),
        }
    }

    /// Reads `text` as the value of `setting`; `name` is what the source calls it.
    pub fn read_setting(&mut self, setting: &'static Setting, name: &str, text: &str) -> Result<(), PatchError> {
        let value = setting.read(text).map_err(|expected| wrong(setting, name, text, expected))?;
        self.put_with_schedule(setting, value, text);
        Ok(())
    }

    /// Takes a typed value under any of the setting's names. Text is read where no text is meant, as cells of tables are.
    pub fn take(&mut self, name: &str, value: &Value) -> Result<(), PatchError> {
        let Some(setting) = table::find(name) else {
            return match (value.as_str(), table::find_size(name)) {
                (Some(text), Some(_)) => self.read(name, text),
                _ => Err(unknown(name)),
            };
        };
        if let Some(text) = value.as_str() {
            return self.read_setting(setting, name, text);
        }
        let value = setting.accept(value).map_err(|expected| wrong(setting, name, &value.to_string(), expected))?;
        self.put(setting, value);
        Ok(())
    }

    /// `DPM++ 2M Karras` names a schedule, too. It beats one that is written beside it, unless it is Automatic.
    fn put_with_schedule(&mut self, setting: &'static Setting, value: Value, text: &str) {
        self.put(setting, value);
        if !matches!(setting.kind, Kind::Sampler) {
            return;
        }
        let of = if setting.name == "sampler" { "schedule_type" } else { "hires_schedule_type" };
        if let Some((_, Some(schedule))) = Sampler::from_any_name(text)
            && (schedule != ScheduleType::Automatic || self.get(of).is_none())
        {
            self.put_named(of, schedule.label());
        }
    }

    /// This patch with `upper` laid over it.
    pub fn with(mut self, upper: &Patch) -> Self {
        let says = |patch: &Patch, name| patch.get(name).is_some_and(|value| *value != 0);
        // A size and a factor are one setting said in two ways.
        if says(upper, "hires_upscale") {
            self.remove("hires_resize_width");
            self.remove("hires_resize_height");
        }
        for (setting, value) in &upper.values {
            self.remove(setting.name);
            self.values.push((setting, value.clone()));
        }
        // Prompt files have any number of them.
        self.values.shrink_to_fit();
        self
    }

    /// Changes what is said.
    pub fn apply(&self, wanted: &mut Wanted) {
        for (setting, value) in &self.values {
            // Every value was read by its own setting.
            (setting.set)(wanted, value);
        }
    }
}

fn wrong(setting: &'static Setting, name: &str, text: &str, expected: Text) -> PatchError {
    let near = match setting.kind {
        Kind::Sampler => Sampler::nearest(text),
        Kind::ScheduleType => ScheduleType::nearest(text),
        kind => did_you_mean(text, kind.names()),
    };
    PatchError::Value { name: name.to_owned(), value: text.to_owned(), expected, near }
}

/// Nobody calls a setting `name`; the nearest name that somebody does.
pub fn unknown(name: &str) -> PatchError {
    let bare = name.trim_start_matches('-');
    let near = did_you_mean(bare, table::all().flat_map(Setting::names).chain(table::SIZES.iter().map(|s| s.name)));
    PatchError::Unknown { name: name.to_owned(), near: near.map(str::to_owned) }
}

/// The sides of `512x768`.
pub fn sides(text: &str) -> Option<[u32; 2]> {
    let (width, height) = text.split_once(['x', 'X', '×', '*'])?;
    Some([width.trim().parse().ok()?, height.trim().parse().ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_factor_over_a_size_and_the_other_way_round() {
        let (mut pasted, mut flags) = (Patch::default(), Patch::default());
        pasted.read("Hires resize", "1024x1536").unwrap();
        flags.read("hires_upscale", "2").unwrap();
        let both = pasted.clone().with(&flags);
        assert_eq!((both.get("hires_resize_width"), both.get("hires")), (None, Some(&json!(true))));
        let both = flags.with(&pasted);
        assert_eq!(both.get("hires_resize_width"), Some(&json!(1024)));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let mut patch = Patch::default();
        for (name, text, near) in [
            ("Sampler", "Eulr a", Some("Euler a")),
            ("steps", "many", None),
            ("stpes", "3", Some("steps")),
            ("emphasis", "no-nrm", Some("No norm")),
            ("size", "512", None),
        ] {
            let error = patch.read(name, text).unwrap_err();
            assert_eq!(error.near(), near, "{name} {error:?}");
            assert!(!error.said().is_empty());
        }
        assert!(patch.is_empty());
        for (name, value) in
            [("seed", json!(-1)), ("seed", json!(u64::MAX)), ("steps", json!("20")), ("steps", json!(20.0))]
        {
            patch.take(name, &value).unwrap();
        }
        assert!(patch.take("seed", &json!(-2)).is_err() && patch.take("steps", &json!([])).is_err());
        assert_eq!((patch.has_seed(), patch.get("steps")), (true, Some(&json!(20))));
    }
}
