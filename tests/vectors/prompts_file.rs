//! Lines of prompt files, and the jobs of whole ones.

use lbw::batch::{Position, PromptFile, Seeds, parse_line};
use serde_json::{Map, Value, json};

use crate::common::{self, Tally};

#[test]
fn prompts_file() {
    let mut tally = Tally::new("prompts_file");
    for row in common::rows("prompts_file") {
        match row["kind"].as_str() {
            Some("line") => tally.check(&row["line"], check_line(&row)),
            Some("run") => tally.check(&row["text"], check_run(&row)),
            kind => panic!("unknown kind {kind:?}"),
        }
    }
    tally.finish();
}

fn check_line(row: &Value) -> Result<(), String> {
    // The row does not tell which checkpoints exist, only what was found.
    let found = row["expect"]["sd_model"].as_str().map(str::to_string);
    let line = row["line"].as_str().unwrap();
    match (parse_line(line, &|_| found.clone()), row.get("error")) {
        (Err(_), Some(_)) => Ok(()),
        (Ok(options), None) => compare(&options, &row["expect"]),
        (Ok(_), Some(error)) => Err(format!("understood, expected {error}")),
        (Err(error), None) => Err(error.to_string()),
    }
}

fn check_run(row: &Value) -> Result<(), String> {
    let names: Vec<&str> = row["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|job| job["override_settings"]["sd_model_checkpoint"].as_str())
        .collect();
    let failed: Vec<&str> =
        row["lines_that_failed_to_parse"].as_array().unwrap().iter().flat_map(Value::as_str).collect();
    // A name is unknown if its line failed.
    let checkpoint = |name: &str| match failed.iter().any(|line| line.contains(name)) {
        true => None,
        false => names.first().map(|name| name.to_string()),
    };
    let position = if row["position"] == "start" { Position::Start } else { Position::End };
    let seeds = match (row["iterate_seed_every_line"] == true, row["same_random_seed"] == true) {
        (true, _) => Seeds::IterateEveryLine,
        (_, true) => Seeds::SameRandom,
        _ => Seeds::AsWritten,
    };
    let base = row["base"].as_object().unwrap();
    let file = PromptFile::parse(row["text"].as_str().unwrap(), base, position, seeds, &checkpoint, &mut || 0);
    if row["job_count"] != file.job_count {
        return Err(format!("{} images, expected {}", file.job_count, row["job_count"]));
    }
    let lines: Vec<_> = file.failed.iter().map(|(_, line, _)| line.as_str()).collect();
    if lines != failed {
        return Err(format!("failed: {lines:?}, expected {failed:?}"));
    }
    let expected = row["jobs"].as_array().unwrap();
    if file.jobs.len() != expected.len() {
        return Err(format!("{} jobs, expected {}", file.jobs.len(), expected.len()));
    }
    file.jobs.iter().zip(expected).try_for_each(|(job, expected)| compare(job, expected))
}

/// Numbers are equal whether or not they are written with a fraction.
fn compare(found: &Map<String, Value>, expected: &Value) -> Result<(), String> {
    let plain = |map: &Map<String, Value>| -> Map<String, Value> {
        map.iter().map(|(k, v)| (k.clone(), v.as_f64().map_or(v.clone(), |n| json!(n)))).collect()
    };
    match plain(found) == plain(expected.as_object().unwrap()) {
        true => Ok(()),
        false => Err(format!("{found:?}\n    expected {expected}")),
    }
}
