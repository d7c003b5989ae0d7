//! Prompt editing: the text of every step.

use lbw::syntax::Mapped;
use lbw::syntax::schedule::{self, Timeline};
use serde_json::{Value, json};

use crate::common::{Tally, rows};

#[test]
fn schedule() {
    let mut tally = Tally::new("schedule");
    for row in rows("schedule") {
        let name = format!("{} {} {} {}", row["prompt"], row["steps"], row["hires_steps"], row["use_old_scheduling"]);
        tally.check(name, check(&row));
    }
    tally.finish();
}

/// `[[last step, text], …]` of a text, or the error.
pub fn entries(text: &Mapped, timeline: Timeline) -> Result<Value, String> {
    let entries = schedule::parse(text).lay_out(text, timeline, 1 << 24).map_err(|e| e.to_string())?;
    Ok(entries.iter().map(|(step, text)| json!([step, text.text()])).collect())
}

fn check(row: &Value) -> Result<(), String> {
    let steps = u32::try_from(row["steps"].as_u64().unwrap()).unwrap();
    let old = row["use_old_scheduling"].as_bool().unwrap();
    let timeline = match row["hires_steps"].as_u64() {
        None => Timeline::first_pass(steps, old),
        Some(hires) => Timeline::hires_pass(steps, u32::try_from(hires).unwrap(), old),
    };
    let text = Mapped::whole(row["prompt"].as_str().unwrap());
    let result = entries(&text, timeline);
    if row.get("error").is_some() {
        return result.err().map(|_| ()).ok_or("no error reported".into());
    }
    let result = result?;
    let any = row.get("expect_any").map(|any| any.as_array().unwrap().contains(&result));
    if any.unwrap_or_else(|| result == row["expect"]) {
        let told = !schedule::parse(&text).ambiguities(&text).is_empty();
        let ambiguous = row["deterministic"] == Value::Bool(false);
        return if ambiguous && !told { Err("the ambiguity is not reported".into()) } else { Ok(()) };
    }
    Err(format!("{result}\n    expected {}", row.get("expect").unwrap_or(&row["expect_any"])))
}
