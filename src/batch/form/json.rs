//! JSON Lines: an object per line with options by their names; or one array of such objects.

use serde_json::Value;

use super::{Options, Read};
use crate::diagnostic::Text;
use crate::say;

pub(super) fn read(name: &str, text: &str, options: &Options, read: &mut Read) {
    if text.trim_start().starts_with('[') {
        match serde_json::from_str::<Vec<Value>>(text) {
            Ok(list) => list.into_iter().for_each(|value| push(name, 1, value, options, read)),
            Err(e) => read.wrong(name, e.line(), not_json(&e)),
        }
        return;
    }
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        match serde_json::from_str(line) {
            Ok(value) => push(name, number, value, options, read),
            Err(e) => read.wrong(name, number, not_json(&e)),
        }
    }
}

fn push(name: &str, line: usize, value: Value, options: &Options, read: &mut Read) {
    match value {
        Value::Object(values) => {
            // null says the same as a key that is not there.
            read.push(name, line, values.into_iter().filter(|(_, v)| !v.is_null()).collect(), options);
        }
        _ => {
            let example = r#"{"prompt": "a cat", "steps": 20}"#;
            read.wrong(
                name,
                line,
                say!("not an object like {example}", "{example} のようなオブジェクトではありません"),
            );
        }
    }
}

fn not_json(error: &serde_json::Error) -> Text {
    say!("not JSON: {error}", "JSON として読めません: {error}")
}
