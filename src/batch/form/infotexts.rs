//! Pasted infotexts, one after the other: each ends with its line of `Steps: …`.

use super::Read;
use crate::batch::{Entry, Finding};
use crate::infotext;

pub(super) fn read(text: &str, read: &mut Read) {
    let mut lines: Vec<&str> = Vec::new();
    let mut first = 1;
    for (number, line) in (1..).zip(text.lines()) {
        if lines.is_empty() && line.trim().is_empty() {
            continue;
        }
        if lines.is_empty() {
            first = number;
        }
        lines.push(line);
        if line.starts_with("Steps: ") {
            push(&std::mem::take(&mut lines), first, read);
        }
    }
    if lines.iter().any(|line| !line.trim().is_empty()) {
        push(&lines, first, read);
    }
}

fn push(lines: &[&str], first: usize, read: &mut Read) {
    let place = read.place(first);
    let source = super::line(&read.file, first, &lines.join("\n"));
    let (pasted, found) = infotext::paste(&source);
    read.found.extend(found.into_iter().map(|diagnostic| Finding { place: place.clone(), diagnostic }));
    if let Some(mut pasted) = pasted {
        let patch = std::mem::take(&mut pasted.patch);
        read.entries.push(Entry { place, patch, pasted: Some(Box::new(pasted)) });
    }
}
