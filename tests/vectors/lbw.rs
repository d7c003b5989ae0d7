//! One tag under LoRA Block Weight: strengths, window, ratios, and the factor of single modules.

use lbw::block::Family;
use lbw::diagnostic::{Diagnostic, Severity, Source};
use lbw::plan::argument::{self, BaseRule, Reading};
use lbw::plan::draw::Draws;
use lbw::plan::{LoraPlan, OverTime, Request, Window, element, lower, network};
use lbw::preset::{PresetSet, webui};
use lbw::syntax::{Prompt, Tag};
use serde_json::Value;

use crate::common::{Tally, number, rows};

#[test]
fn lbw() {
    let mut tally = Tally::new("lbw");
    for row in rows("lbw") {
        tally.check(format!("{} {}", row["tag"], row["family"]), check(&row));
    }
    tally.finish();
}

pub fn family(row: &Value) -> Family {
    serde_json::from_value(row["family"].clone()).unwrap()
}

pub fn presets(row: &Value) -> PresetSet {
    let lines: Vec<_> = row["preset_lines"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
    let mut set = PresetSet::default();
    set.add(webui::weights("lbwpresets.txt", &lines.join("\n")).0);
    set.add(webui::elements("elempresets.txt", row["elemental_text"].as_str().unwrap()).0);
    set
}

/// Everything that is said about a prompt.
pub fn said(prompt: &str, family: Family, presets: &PresetSet) -> Vec<Diagnostic> {
    let request = Request { family, prompt: Source::new("prompt", prompt), ..Request::new("", "") };
    lower(&request, presets).diagnostics
}

/// Where the original raises, lbw must say something.
pub fn complains(found: &[Diagnostic]) -> Result<(), String> {
    let loud = found.iter().any(|d| d.severity >= Severity::Warning);
    loud.then_some(()).ok_or_else(|| "the original raises, lbw says nothing".to_owned())
}

/// The plan of a file that the extension edited as `reading` says, to ask for the ratio of single modules.
pub fn plan_of(reading: Option<&Reading>, family: Family) -> LoraPlan {
    let space = family.space();
    let mut blocks = reading.and_then(|r| r.vector.as_ref()).map_or(Vec::new(), |v| v.blocks.clone());
    blocks.resize(space.names().len(), 1.0);
    let elements = reading.and_then(|r| r.elements).map_or(Vec::new(), |p| element::parse(&p.value, space).0);
    LoraPlan {
        name: String::new(),
        hash: None,
        te: 1.0,
        unet: 1.0,
        dyn_dim: None,
        blocks,
        elements,
        window: Window::default(),
        over_time: OverTime::default(),
        source: String::new(),
    }
}

/// Whether `got` is the expected number, bit by bit but for the sign of zero, or in the range of an expected random one.
pub fn agrees(got: f64, expect: &Value) -> bool {
    match expect.get("random").and_then(Value::as_str) {
        Some("R") => (0.0..=1.0).contains(&got),
        Some(_) => (-0.5..=1.5).contains(&got),
        None => got == number(expect) || (got.is_nan() && number(expect).is_nan()),
    }
}

pub fn check_modules(plan: &LoraPlan, family: Family, per_key: &Value) -> Result<(), String> {
    for (module, expect) in per_key.as_object().unwrap() {
        let ratio = plan.ratio(family, module);
        if !agrees(ratio, expect) {
            return Err(format!("{module}: {ratio}, expected {expect}"));
        }
    }
    Ok(())
}

fn check(row: &Value) -> Result<(), String> {
    let (family, presets) = (family(row), presets(row));
    let text = row["tag"].as_str().unwrap();
    let prompt = Prompt::parse_with_comments(text);
    let tag = &prompt.tags[0];
    let found = said(text, family, &presets);
    check_webui(tag, &row["webui"])?;
    let reading = argument::extension(tag, &presets, BaseRule::Extension, &mut Draws::new(7));
    if row.get("error").is_some() {
        return match reading {
            // Element rules that cannot be read are reported on their own.
            Ok(reading) if reading.elements.is_none() => Err(format!("read as {reading:?}")),
            _ => complains(&found),
        };
    }
    let reading = reading.map_err(|e| format!("{e:?}"))?;
    check_reading(&reading, row)?;
    if row.get("per_key_error").is_some() {
        return complains(&found);
    }
    let plan = plan_of(reading.acts().then_some(&reading), family);
    check_modules(&plan, family, row.get("per_key").unwrap_or(&Value::Object(Default::default())))?;
    match row.get("effective") {
        Some(effective) => check_effective(&prompt, &presets, effective),
        None => Ok(()),
    }
}

fn check_webui(tag: &Tag, expect: &Value) -> Result<(), String> {
    match (argument::webui(tag), expect.get("error")) {
        (Err(_), Some(_)) => Ok(()),
        (Ok(read), None) if agrees(read.te, &expect["te"]) && agrees(read.unet, &expect["unet"]) => Ok(()),
        (read, _) => Err(format!("webui: {read:?}\n    expected {expect}")),
    }
}

fn check_reading(reading: &Reading, row: &Value) -> Result<(), String> {
    let strengths = agrees(reading.te, &row["te"]) && agrees(reading.unet, &row["unet"]);
    let window = reading.start == row["start"].as_i64() && reading.stop == row["stop"].as_i64();
    let acts = Some(reading.acts()) == row["lbw_applied"].as_bool();
    let rules = reading.elements.map_or("", |p| &p.value) == row["elemental_rules"].as_str().unwrap();
    if !(strengths && window && acts && rules) {
        return Err(format!("{reading:?}"));
    }
    let ratios = row["ratios"].as_array().unwrap();
    let ones = vec![1.0; ratios.len()];
    let blocks = reading.vector.as_ref().map_or(&ones, |v| &v.blocks);
    let equal = blocks.len() == ratios.len() && blocks.iter().zip(ratios).all(|(got, expect)| agrees(*got, expect));
    if equal { Ok(()) } else { Err(format!("ratios {blocks:?}\n    expected {:?}", row["ratios"])) }
}

fn check_effective(prompt: &Prompt, presets: &PresetSet, effective: &Value) -> Result<(), String> {
    let mut networks = network::load(&prompt.tags).map_err(|e| format!("{e:?}"))?;
    let errors = network::edit(&mut networks, &prompt.tags, presets, BaseRule::Extension, &mut Draws::new(7));
    let file = &networks.files[0];
    let equal = errors.is_empty() && agrees(file.te, &effective["te"]) && agrees(file.unet, &effective["unet"]);
    if equal { Ok(()) } else { Err(format!("effective {} {}, expected {effective}", file.te, file.unet)) }
}
