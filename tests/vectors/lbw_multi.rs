//! Several tags in one prompt: the state of every loaded network before sampling.

use lbw::plan::argument::BaseRule;
use lbw::plan::draw::Draws;
use lbw::plan::network::{self, Networks};
use lbw::syntax::Prompt;
use serde_json::{Value, json};

use crate::common::{Tally, rows};
use crate::lbw::{agrees, check_modules, complains, family, plan_of, presets, said};

#[test]
fn lbw_multi() {
    let mut tally = Tally::new("lbw_multi");
    for row in rows("lbw_multi") {
        tally.check(format!("{} {}", row["prompt"], row["family"]), check(&row));
    }
    tally.finish();
}

fn check(row: &Value) -> Result<(), String> {
    let presets = presets(row);
    let text = row["prompt"].as_str().unwrap();
    let prompt = Prompt::parse_with_comments(text);
    let loaded = network::load(&prompt.tags);
    let raises = !row["webui_errors"].as_array().unwrap().is_empty();
    if raises != loaded.is_err() {
        return Err(format!("webui: {loaded:?}"));
    }
    let mut networks = loaded.unwrap_or_default();
    check_list(&networks, &row["loaded_before"])?;
    let errors = network::edit(&mut networks, &prompt.tags, &presets, BaseRule::Extension, &mut Draws::new(7));
    if row.get("error").is_some() {
        return complains(&said(text, family(row), &presets));
    }
    if !errors.is_empty() {
        return Err(format!("{errors:?}"));
    }
    check_list(&networks, &row["loaded_after"])?;
    check_after(&networks, row)?;
    check_windows(&networks, row)
}

fn check_list(networks: &Networks, expect: &Value) -> Result<(), String> {
    let expect = expect.as_array().unwrap();
    let list: Vec<_> = networks.list.iter().map(|at| &networks.files[*at]).collect();
    let equal = list.len() == expect.len()
        && list.iter().zip(expect).all(|(file, expect)| {
            file.name == expect["name"] && agrees(file.te, &expect["te"]) && agrees(file.unet, &expect["unet"])
        });
    if equal { Ok(()) } else { Err(format!("{list:?}\n    expected {expect:?}")) }
}

/// Objects, whether the extension edited them, and the ratio of modules.
fn check_after(networks: &Networks, row: &Value) -> Result<(), String> {
    for (at, expect) in networks.list.iter().zip(row["loaded_after"].as_array().unwrap()) {
        let file = &networks.files[*at];
        if json!(at) != expect["object"] || json!(file.reading.is_some()) != expect["lbw"] {
            return Err(format!("{}: object {at}, edited {}, expected {expect}", file.name, file.reading.is_some()));
        }
        check_modules(&plan_of(file.reading.as_ref(), family(row)), family(row), &expect["per_key"])?;
    }
    Ok(())
}

fn check_windows(networks: &Networks, row: &Value) -> Result<(), String> {
    let (starts, stops) = (row["starts"].as_object().unwrap(), row["stops"].as_object().unwrap());
    let start = |(name, value): (&String, &Value)| {
        let start = networks.starts.get(name);
        start.is_some_and(|s| json!(s.0) == value[0] && agrees(s.1, &value[1]) && agrees(s.2, &value[2]))
    };
    let equal = starts.len() == networks.starts.len()
        && starts.iter().all(start)
        && stops.len() == networks.stops.len()
        && stops.iter().all(|(name, value)| networks.stops.get(name).is_some_and(|s| json!(s) == *value));
    if equal { Ok(()) } else { Err(format!("{:?} {:?}", networks.starts, networks.stops)) }
}
