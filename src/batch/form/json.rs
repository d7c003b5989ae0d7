//! JSON: an object per line with options by their names, one array of such objects, or what another program wrote. Texts in an array are
//! kohya's lines.

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::{Read, kohya};
use crate::batch::{Entry, Finding};
use crate::diagnostic::Source;
use crate::files::limits::VALUES;
use crate::files::values::{is_crowded_json, repeated_key};
use crate::infotext::{self, foreign};
use crate::plan::Patch;
use crate::say;

pub(super) fn read(text: &str, read: &mut Read) {
    if text.trim_start().starts_with('[') {
        return array(text, read);
    }
    // One object over several lines.
    if serde_json::from_str::<IgnoredAny>(text).is_ok() {
        return one(1, text.trim_end(), read);
    }
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        one(number, line, read);
    }
}

/// As much of a text as is shown.
fn start(text: &str) -> &str {
    &text[..text.floor_char_boundary(1000)]
}

/// A text that should be one value.
fn one(number: usize, text: &str, read: &mut Read) {
    if is_crowded_json(text) {
        return read.wrong(number, start(text), say!("more than {VALUES} values", "{VALUES} 個を超える値があります"));
    }
    match serde_json::from_str(text) {
        Ok(value) => push(number, text, &value, read),
        Err(error) => broken(number, text, &error, read),
    }
}

fn broken(number: usize, line: &str, error: &serde_json::Error, read: &mut Read) {
    read.wrong(number, line, say!("not JSON: {error}", "JSON として読めません: {error}"));
}

/// The elements of an array one by one, so that each has its place.
fn array(text: &str, read: &mut Read) {
    let mut at = text.find('[').map_or(0, |at| at + 1);
    let (mut number, mut counted) = (1, 0);
    loop {
        at += text[at..].len() - text[at..].trim_start_matches(|c: char| c.is_whitespace() || c == ',').len();
        number += text[counted..at].matches('\n').count();
        counted = at;
        let rest = &text[at..];
        if rest.starts_with(']') {
            return;
        }
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        match values.next() {
            Some(Ok(IgnoredAny)) => {
                let end = at + values.byte_offset();
                one(number, &text[at..end], read);
                at = end;
            }
            Some(Err(error)) => return broken(number, rest.lines().next().unwrap_or_default(), &error, read),
            None => return read.wrong(number, "", say!("the array has no end", "配列が閉じていません")),
        }
    }
}

fn push(number: usize, text: &str, value: &Value, read: &mut Read) {
    match value {
        Value::Object(values) if push_foreign(number, values, read) => {}
        Value::Object(values) => {
            if let Some(key) = repeated_key(text) {
                read.repeats(number, text, &key);
            }
            // null says the same as a key that is not there.
            let given = values.iter().filter(|(_, v)| !v.is_null());
            let given = given.filter_map(|(name, value)| Some((kohya::key(name)?, value)));
            read.push(number, text, &Patch::default(), given);
        }
        Value::String(line) => kohya::read_line(number, line.trim(), read),
        _ => {
            let example = "{\"prompt\": \"a cat\", \"steps\": 20}";
            let message = say!("not an object like {example}", "{example} のようなオブジェクトではありません");
            read.wrong(number, text, message);
        }
    }
}

/// Whether the object is another program's; then it is read as that.
fn push_foreign(number: usize, values: &Map<String, Value>, read: &mut Read) -> bool {
    let Some(foreign) = foreign::of_map(values) else { return false };
    let place = read.place(number);
    let source = Source { first_line: number, ..Source::new(read.file.clone(), "") };
    let (pasted, found) = infotext::paste_foreign(&foreign, &source);
    read.found.extend(found.into_iter().map(|diagnostic| Finding { place: place.clone(), diagnostic }));
    if let Some(mut pasted) = pasted {
        let patch = std::mem::take(&mut pasted.patch);
        read.keep(Entry { place, patch, pasted: Some(Box::new(pasted)) });
    }
    true
}
