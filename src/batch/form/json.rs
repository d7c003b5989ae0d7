//! JSON Lines: an object per line with options by their names; or one array of such objects.

use serde_json::Value;

use super::Read;
use crate::plan::Patch;
use crate::say;

pub(super) fn read(text: &str, read: &mut Read) {
    let broken = |e: &serde_json::Error| say!("not JSON: {e}", "JSON として読めません: {e}");
    if text.trim_start().starts_with('[') {
        match serde_json::from_str::<Vec<Value>>(text) {
            Ok(list) => list.iter().for_each(|value| push(1, &value.to_string(), value, read)),
            Err(e) => read.wrong(e.line(), text.lines().nth(e.line().max(1) - 1).unwrap_or_default(), broken(&e)),
        }
        return;
    }
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        match serde_json::from_str(line) {
            Ok(value) => push(number, line, &value, read),
            Err(e) => read.wrong(number, line, broken(&e)),
        }
    }
}

fn push(number: usize, line: &str, value: &Value, read: &mut Read) {
    match value {
        Value::Object(values) => {
            // null says the same as a key that is not there.
            let given = values.iter().filter(|(_, v)| !v.is_null()).map(|(name, value)| (name.as_str(), value));
            read.push(number, line, &Patch::default(), given);
        }
        _ => {
            let example = "{\"prompt\": \"a cat\", \"steps\": 20}";
            read.wrong(
                number,
                line,
                say!("not an object like {example}", "{example} のようなオブジェクトではありません"),
            );
        }
    }
}
