//! LoRA file keys → webui module names, blocks and multipliers, for the module tables of full-size models.

use std::collections::HashMap;

use lbw::block::Family;
use lbw::lora::{ModuleTable, Strength};
use serde_json::{Value, json};

use crate::common::{self, Tally};

#[test]
fn key_map() {
    let mut tables = HashMap::new();
    let mut tally = Tally::new("key_map");
    for row in common::rows("key_map") {
        let family: Family = serde_json::from_value(row["family"].clone()).unwrap();
        let table = tables.entry(family).or_insert_with(|| ModuleTable::full_size(family));
        tally.check(&row, compare(table, &row));
    }
    tally.finish();
}

fn compare(table: &ModuleTable, row: &Value) -> Result<(), String> {
    let mapped = table.map_key(row["file_key"].as_str().unwrap());
    let strength = mapped.strength.map(|s| if s == Strength::Te { "te" } else { "unet" });
    let got = json!({
        "converted": mapped.converted,
        "module_key": mapped.module,
        "block": mapped.block.map(|b| b.name()),
        "multiplier": strength,
    });
    let fields = ["converted", "module_key", "block", "multiplier"];
    match fields.into_iter().find(|field| got[*field] != row[*field]) {
        Some(field) => Err(format!("{field}: got {}", got[field])),
        None => Ok(()),
    }
}
