//! Writing preset files.

use crate::preset::{Preset, PresetFile};

/// The text of a preset file with these presets. Vectors are written out.
pub fn write(file: &PresetFile) -> String {
    let mut text = String::new();
    let mut comments = file.comments.iter().peekable();
    let mut written = 0;
    for (section, presets) in [("presets:\n", &file.weights), ("elements:\n", &file.elements)] {
        if !presets.is_empty() {
            text.push_str(section);
        }
        for preset in presets.iter() {
            while let Some(comment) = comments.next_if(|comment| comment.before <= written) {
                text.push_str(&format!("  #{}\n", comment.text));
            }
            text.push_str(&entry(preset));
            written += 1;
        }
    }
    comments.for_each(|comment| text.push_str(&format!("#{}\n", comment.text)));
    text
}

fn entry(preset: &Preset) -> String {
    format!("  {}: {}\n", scalar(&preset.name), scalar(&preset.value))
}

/// A text as a YAML scalar on one line: as it is where that is safe, else double-quoted.
fn scalar(text: &str) -> String {
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '+' | '/');
    let inner = |c: char| word(c) || matches!(c, ',' | '-' | ' ');
    let safe = text.starts_with(word) && text.ends_with(word) && text.chars().all(inner);
    let plain = safe && serde_yaml::from_str::<serde_yaml::Value>(text).is_ok_and(|v| v.as_str() == Some(text));
    if plain { text.to_owned() } else { quoted(text) }
}

/// A double-quoted scalar: JSON's escapes are YAML's, which also wants them for every character it calls unprintable.
fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let mut quoted = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                quoted.push_str(&format!("\\u{:04X}", c as u32));
            }
            c => quoted.push(c),
        }
    }
    quoted
}
