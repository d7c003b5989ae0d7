//! webui's scripts: LoRA Block Weight with its arguments, and what becomes of others.

use serde_json::Value;

use super::fields::Fields;
use super::refusal::Refusal;
use crate::app::{analyze, xyz};
use crate::diagnostic::{Diagnostic, code};
use crate::plan::{Plan, Window};
use crate::preset::{PresetSet, webui};
use crate::say;

/// The one script there is.
pub const SCRIPT: &str = "LoRA Block Weight";

/// Its arguments in their order, with their defaults as JSON.
pub const ARGUMENTS: [(&str, &str); 18] = [
    ("presets", "null"),
    ("active", "true"),
    ("xyz", "0"),
    ("xtype", "\"none\""),
    ("xvalues", "\"\""),
    ("ytype", "\"none\""),
    ("yvalues", "\"\""),
    ("ztype", "\"none\""),
    ("zvalues", "\"\""),
    ("erange", "\"0,1\""),
    ("eblocks", "\"12ALL\""),
    ("ecount", "1"),
    ("diffcolour", "\"black\""),
    ("threshold", "20"),
    ("revxy", "false"),
    ("elemental", "null"),
    ("elemprint", "false"),
    ("debug", "false"),
];

const PRESETS: usize = 0;
const ACTIVE: usize = 1;
const XYZ: usize = 2;
/// Three pairs of a type and its values.
const AXES: usize = 3;
const RANGE: usize = 9;
const BLOCKS: usize = 10;
const COUNT: usize = 11;
const COLOUR: usize = 12;
const THRESHOLD: usize = 13;
const SWAP: usize = 14;
const ELEMENTAL: usize = 15;

/// The arguments of LoRA Block Weight, as far as they were given.
#[derive(Debug, Clone, Default)]
pub struct Script {
    args: Vec<Value>,
    /// Whether it was asked for by name: only then it draws grids.
    is_named: bool,
}

/// What is drawn.
#[derive(Debug, Clone)]
pub enum Task {
    /// Pictures.
    Pictures,
    /// The grids of an XYZ plot.
    Plot(Box<xyz::Wish>),
    /// The grids of the Effective Block Analyzer.
    Analysis(Box<analyze::Wish>),
}

impl Script {
    /// What a request says to LoRA Block Weight; a script that there is not refuses the request, unless it is off.
    pub fn of(fields: &Fields) -> Result<Self, Refusal> {
        let mut script = Script::default();
        for (name, entry) in fields.values["alwayson_scripts"].as_object().into_iter().flatten() {
            let args = entry.get("args").and_then(Value::as_array).cloned().unwrap_or_default();
            if name.eq_ignore_ascii_case(SCRIPT) {
                script.args = args;
            } else if !args.iter().all(is_off) {
                return Err(no_script(name, format!("always on script {name} not found")));
            }
        }
        match fields.text("script_name").filter(|name| !name.eq_ignore_ascii_case("none")) {
            None => {}
            Some(name) if name.eq_ignore_ascii_case(SCRIPT) => {
                script.args = fields.values["script_args"].as_array().cloned().unwrap_or_default();
                script.is_named = true;
            }
            Some(name) => return Err(no_script(name, format!("Script '{name}' not found"))),
        }
        Ok(script)
    }

    /// What is drawn; grids of at most `max_cells` cells.
    pub fn task(&self, max_cells: usize) -> Result<Task, Refusal> {
        let number = |at: usize| self.args.get(at).and_then(Value::as_i64).unwrap_or(0);
        match number(XYZ) {
            _ if !self.is_named || !self.is_active() => Ok(Task::Pictures),
            1 => {
                let axis = |at: usize| {
                    let kind = self.text(at).filter(|kind| !kind.eq_ignore_ascii_case("none"))?;
                    Some(format!("{kind}={}", self.text(at + 1).unwrap_or_default()))
                };
                let axes = [axis(AXES), axis(AXES + 2), axis(AXES + 4)];
                let wish = xyz::Wish { axes, max_cells, ..xyz::Wish::default() };
                xyz::axes(&wish)?;
                Ok(Task::Plot(Box::new(wish)))
            }
            2 => {
                let text = |at: usize| match self.args.get(at) {
                    Some(Value::String(text)) if !text.trim().is_empty() => text.clone(),
                    Some(Value::Number(number)) => number.to_string(),
                    _ => ARGUMENTS[at].1.trim_matches('"').to_owned(),
                };
                let seeds = usize::try_from(number(COUNT)).unwrap_or(1).max(1);
                let blocks = text(BLOCKS);
                let cells = analyze::cells(Some(&blocks)).saturating_mul(seeds);
                if cells > max_cells {
                    return Err(analyze::too_many(cells, max_cells).into());
                }
                Ok(Task::Analysis(Box::new(analyze::Wish {
                    range: text(RANGE),
                    blocks: Some(blocks),
                    threshold: text(THRESHOLD),
                    white: text(COLOUR).eq_ignore_ascii_case("white"),
                    swap_axes: self.args.get(SWAP) == Some(&Value::Bool(true)),
                    seeds,
                    ..analyze::Wish::default()
                })))
            }
            _ => Ok(Task::Pictures),
        }
    }

    /// The presets with those of the arguments over them, and what is odd about these.
    pub fn presets(&self, presets: &PresetSet) -> (PresetSet, Vec<Diagnostic>) {
        let (mut presets, mut found) = (presets.clone(), Vec::new());
        if let Some(text) = self.text(PRESETS) {
            let (file, said) = webui::weights("alwayson_scripts", text);
            presets.add(file);
            found.extend(said);
        }
        if let Some(text) = self.text(ELEMENTAL) {
            let (file, said) = webui::elements("alwayson_scripts", text);
            presets.add(file);
            found.extend(said);
        }
        (presets, found)
    }

    /// Whether block weights act at all.
    pub fn is_active(&self) -> bool {
        self.args.get(ACTIVE) != Some(&Value::Bool(false))
    }

    /// Takes the extension's arguments out of force, as if it were switched off.
    pub fn switch_off(plan: &mut Plan) {
        for pass in std::iter::once(&mut plan.first).chain(&mut plan.later) {
            for lora in &mut pass.loras {
                lora.blocks.iter_mut().for_each(|weight| *weight = 1.0);
                lora.elements.clear();
                lora.window = Window::default();
                // Weights over time are block weights; a strength over time is not the extension's.
                lora.over_time.blocks.clear();
                lora.source.clear();
            }
        }
    }

    fn text(&self, at: usize) -> Option<&str> {
        self.args.get(at)?.as_str().filter(|text| !text.trim().is_empty())
    }
}

fn no_script(name: &str, detail: String) -> Refusal {
    let message = say!(
        "there is no script `{name}`: lbw has `LoRA Block Weight` alone",
        "スクリプト `{name}` はありません。lbw にあるのは `LoRA Block Weight` だけです"
    );
    Refusal::known(detail, Diagnostic::new(code::NO_SCRIPT, message))
}

/// Whether an argument asks for nothing.
fn is_off(arg: &Value) -> bool {
    match arg {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.iter().all(is_off),
        Value::Object(fields) => fields.is_empty() || fields.get("enabled") == Some(&Value::Bool(false)),
        _ => false,
    }
}
