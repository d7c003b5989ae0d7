//! Wishes as fields of JSON: what is wrong is told with the name of its field.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::diagnostic::Text;
use crate::say;

/// The fields of a wish; an unknown one is an error, and so is a value of a wrong type.
pub fn read<T: DeserializeOwned>(fields: Value) -> Result<T, Text> {
    serde_path_to_error::deserialize(fields).map_err(|error| {
        let (path, why) = (error.path().to_string(), error.inner());
        match path.as_str() {
            "." => say!("{why}", "{why}"),
            path => say!("`{path}`: {why}", "`{path}`: {why}"),
        }
    })
}

/// One text or a list of them; null is none.
pub fn words<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let wrong = || D::Error::custom("neither a text nor a list of texts");
    let text = |value: Value| match value {
        Value::String(text) => Ok(text),
        _ => Err(wrong()),
    };
    match Value::deserialize(from)? {
        Value::Null => Ok(Vec::new()),
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::Array(texts) => texts.into_iter().map(text).collect(),
        one => Ok(vec![text(one)?]),
    }
}
