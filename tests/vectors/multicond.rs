//! Composition with `AND`: parts, weights, and the schedule of each part.

use lbw::syntax::{Mapped, composition, schedule::Timeline};
use serde_json::{Value, json};

use crate::common::{Tally, number, rows};
use crate::schedule::entries;

#[test]
fn multicond() {
    let mut tally = Tally::new("multicond");
    for row in rows("multicond") {
        tally.check(&row["prompts"], check(&row));
    }
    tally.finish();
}

fn check(row: &Value) -> Result<(), String> {
    let prompts: Vec<_> = row["prompts"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
    let parts: Vec<_> = prompts.iter().map(|p| composition::parse(&Mapped::whole(p))).collect();
    check_parts(&parts, row)?;
    check_composed(&parts, row)
}

/// Every part in its place of the flat list, with its weight.
fn check_parts(parts: &[Vec<composition::Part>], row: &Value) -> Result<(), String> {
    let mut flat: Vec<&str> = Vec::new();
    let mut indexes = Vec::new();
    for parts in parts {
        let mut of_prompt = Vec::new();
        for part in parts {
            let index = flat.iter().position(|t| *t == part.text.text()).unwrap_or_else(|| {
                flat.push(part.text.text());
                flat.len() - 1
            });
            of_prompt.push((index, part.weight.to_bits()));
        }
        indexes.push(of_prompt);
    }
    let expect = &row["expect"];
    if json!(flat) != expect["flat"] {
        return Err(format!("{flat:?}\n    expected {}", expect["flat"]));
    }
    let pair = |p: &Value| (p[0].as_u64().unwrap() as usize, number(&p[1]).to_bits());
    let list = |l: &Value| l.as_array().unwrap().iter().map(pair).collect::<Vec<_>>();
    let expected: Vec<_> = expect["indexes"].as_array().unwrap().iter().map(list).collect();
    if indexes == expected { Ok(()) } else { Err(format!("weights differ from {}", expect["indexes"])) }
}

fn check_composed(parts: &[Vec<composition::Part>], row: &Value) -> Result<(), String> {
    let steps = u32::try_from(row["steps"].as_u64().unwrap()).unwrap();
    let mut composed = Vec::new();
    for parts in parts {
        let mut of_prompt = Vec::new();
        for part in parts {
            let schedule = entries(&part.text, Timeline::first_pass(steps, false))?;
            of_prompt.push(json!({ "weight": part.weight, "schedule": schedule }));
        }
        composed.push(Value::Array(of_prompt));
    }
    let composed = Value::Array(composed);
    let agrees = match row.get("composed_any") {
        Some(any) => any.as_array().unwrap().contains(&composed),
        None => composed == row["composed"],
    };
    let expected = row.get("composed_any").unwrap_or(&row["composed"]);
    if agrees { Ok(()) } else { Err(format!("{composed}\n    expected {expected}")) }
}
