//! Writing preset files.

use crate::files::yaml;
use crate::preset::{Comment, PresetFile};

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
                text.push_str(&format!("  {}\n", line(comment)));
            }
            text.push_str(&entry(&preset.name, &preset.value));
            written += 1;
        }
    }
    comments.for_each(|comment| text.push_str(&format!("{}\n", line(comment))));
    text
}

/// A comment as YAML has it, which allows no control characters even there.
fn line(comment: &Comment) -> String {
    let text: String = comment.text.chars().map(|c| if is_unprintable(c) { '\u{fffd}' } else { c }).collect();
    format!("#{text}")
}

/// A preset in a section, on a line of its own; one of a very long name on two.
pub fn entry(name: &str, value: &str) -> String {
    /// YAML tells a longer key only where it is marked as one.
    const LONGEST: usize = 1024 - 2;
    let (name, value) = (scalar(name), scalar(value));
    match name.len() > LONGEST {
        true => format!("  ? {name}\n  : {value}\n"),
        false => format!("  {name}: {value}\n"),
    }
}

/// Characters that YAML does not have as they are.
fn is_unprintable(c: char) -> bool {
    (c.is_control() && c != '\t') || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// A text as a YAML scalar on one line: as it is where that is safe, else double-quoted.
fn scalar(text: &str) -> String {
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '+' | '/');
    let inner = |c: char| word(c) || matches!(c, ',' | '-' | ' ');
    let safe = text.starts_with(word) && text.ends_with(word) && text.chars().all(inner);
    let plain = safe && yaml::is_plain(text);
    if plain { text.to_owned() } else { quoted(text) }
}

/// A double-quoted scalar: JSON's escapes are YAML's, which also wants them for every character it calls unprintable.
fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let mut quoted = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            c if is_unprintable(c) || c == '\t' => {
                quoted.push_str(&format!("\\u{:04X}", c as u32));
            }
            c => quoted.push(c),
        }
    }
    quoted
}
