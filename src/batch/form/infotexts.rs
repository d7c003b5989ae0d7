//! Pasted infotexts, one after the other: each ends with its line of `Steps: …`.

use super::{Options, Read};
use crate::batch::entry::Entry;
use crate::infotext::Infotext;

pub(super) fn read(name: &str, text: &str, options: &Options, read: &mut Read) {
    let mut lines: Vec<&str> = Vec::new();
    let mut first = 1;
    let mut finish = |lines: &mut Vec<&str>, first: usize| {
        if lines.iter().all(|l| l.trim().is_empty()) {
            return;
        }
        let mut infotext = Infotext::parse(&lines.join("\n"));
        // Defaults come under what is written.
        if let Ok(defaults) = Entry::new(name, first, &options.defaults) {
            for (key, value) in defaults.infotext.fields {
                infotext.fields.entry(key).or_insert(value);
            }
            if infotext.negative_prompt.is_empty() {
                infotext.negative_prompt = defaults.infotext.negative_prompt;
            }
        }
        read.entries.push(Entry::pasted(name, first, infotext));
        lines.clear();
    };
    for (number, line) in (1..).zip(text.lines()) {
        if lines.is_empty() && line.trim().is_empty() {
            continue;
        }
        if lines.is_empty() {
            first = number;
        }
        lines.push(line);
        if line.starts_with("Steps: ") {
            finish(&mut lines, first);
        }
    }
    finish(&mut lines, first);
}
