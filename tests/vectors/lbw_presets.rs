//! Preset files: which lines count, and what they define.

use lbw::preset::{Presets, webui};
use serde_json::{Value, json};

use crate::common::{Tally, rows};

#[test]
fn lbw_presets() {
    let mut tally = Tally::new("lbw_presets");
    for row in rows("lbw_presets") {
        tally.check(&row["text"], check(&row));
    }
    tally.finish();
}

fn check(row: &Value) -> Result<(), String> {
    let text = row["text"].as_str().unwrap();
    let presets = match row["kind"].as_str().unwrap() {
        "weights" => webui::weights("lbwpresets.txt", text).0.weights,
        "elements" => webui::elements("elempresets.txt", text).0.elements,
        kind => return Err(format!("unknown kind {kind}")),
    };
    for line in row.get("lines").and_then(Value::as_array).into_iter().flatten() {
        let accepted = webui::weights_line(line["line"].as_str().unwrap()).is_ok();
        if json!(accepted) != line["accepted"] {
            return Err(format!("accepted {accepted}: {line}"));
        }
    }
    let list = |presets: &Presets| presets.iter().map(|p| json!([p.name, p.value])).collect::<Value>();
    let got = list(&presets);
    if got == row["expect"] { Ok(()) } else { Err(format!("{got}\n    expected {}", row["expect"])) }
}
