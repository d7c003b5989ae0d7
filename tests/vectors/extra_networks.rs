//! Extra-network tags: how they are cut out, split, and what webui's loader reads in them.

use lbw::plan::{argument, network};
use lbw::syntax::{Mapped, Tag, tag};
use serde_json::{Map, Value, json};

use crate::common::{Tally, rows};

#[test]
fn extra_networks() {
    let mut tally = Tally::new("extra_networks");
    for row in rows("extra_networks") {
        tally.check(&row["prompt"], check(&row));
    }
    tally.finish();
}

fn check(row: &Value) -> Result<(), String> {
    let (rest, tags) = tag::cut(&Mapped::whole(row["prompt"].as_str().unwrap()));
    same("prompt", &json!(rest.text()), &row["expect_prompt"])?;
    let mut networks = Map::new();
    for tag in &tags {
        let list = networks.entry(&tag.kind).or_insert_with(|| json!([]));
        list.as_array_mut().unwrap().push(described(tag));
    }
    let kinds: Vec<_> = networks.keys().collect();
    let expected: Vec<_> = row["networks"].as_object().unwrap().keys().collect();
    same("kinds", &json!(kinds), &json!(expected))?;
    for (kind, list) in &networks {
        for (tag, expect) in list.as_array().unwrap().iter().zip(row["networks"][kind].as_array().unwrap()) {
            for part in ["items", "positional", "named"] {
                same(part, &tag[part], &expect[part])?;
            }
            same_or_error("derived", &tag["derived"], expect.get("derived"))?;
        }
        same("count", &json!(list.as_array().unwrap().len()), &json!(row["networks"][kind].as_array().unwrap().len()))?;
    }
    let activation = &row["activation"];
    match network::load(&tags) {
        Err(errors) => {
            same("loaded", &json!([]), &activation["loaded"])?;
            same("errors", &json!(errors.is_empty()), &json!(activation["errors"].as_array().unwrap().is_empty()))
        }
        Ok(_) => {
            // What the loader is asked for, tag by tag: a file named twice takes the last strengths only afterwards.
            let asked = network::lora_tags(&tags).into_iter().filter_map(|tag| argument::webui(tag).ok());
            let all: Vec<_> =
                asked.map(|n| json!({ "name": n.name, "te": n.te, "unet": n.unet, "dyn": n.dyn_dim })).collect();
            same("errors", &json!([]), &activation["errors"])?;
            same("loaded", &json!(all), &activation["loaded"])
        }
    }
}

fn described(tag: &Tag) -> Value {
    let texts: Vec<_> = tag.items.iter().map(|item| &item.text).collect();
    let positional: Vec<_> = tag.positional().map(|item| &item.text).collect();
    let named: Map<_, _> = tag.items.iter().filter_map(|i| i.named()).map(|(n, v)| (n.to_owned(), json!(v))).collect();
    let derived = match argument::webui(tag) {
        Ok(read) => json!({ "name": read.name, "te": read.te, "unet": read.unet, "dyn": read.dyn_dim }),
        Err(_) => json!({ "error": true }),
    };
    json!({ "items": texts, "positional": positional, "named": named, "derived": derived })
}

fn same(what: &str, got: &Value, expect: &Value) -> Result<(), String> {
    let numbers = |v: &Value| v.to_string().replace("\"Infinity\"", "null").replace("\"NaN\"", "null");
    if got == expect || numbers(got) == numbers(expect) {
        Ok(())
    } else {
        Err(format!("{what}: {got}\n    expected {expect}"))
    }
}

fn same_or_error(what: &str, got: &Value, expect: Option<&Value>) -> Result<(), String> {
    match expect {
        None => Ok(()),
        Some(expect) if expect.get("error").is_some() && got.get("error").is_some() => Ok(()),
        Some(expect) => same(what, got, expect),
    }
}
