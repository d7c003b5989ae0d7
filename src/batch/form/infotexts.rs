//! Pasted infotexts, one after the other: each ends with its parameters, `Steps: …`, and what is copied with them from below.

use std::ops::Range;

use super::Read;
use crate::batch::{Entry, Finding};
use crate::diagnostic::code;
use crate::files::limits::VALUES;
use crate::infotext::{self, ends_infotext, is_headed_negative, is_measure, is_tail, parameter_lines};
use crate::say;

pub(super) fn read(text: &str, read: &mut Read) {
    if text.bytes().filter(|byte| *byte == b'\n').count() > VALUES {
        return read.say(
            1,
            "",
            code::TOO_LARGE,
            say!("the file has more than {VALUES} lines", "ファイルが {VALUES} 行を超えています"),
        );
    }
    let plain = infotext::without_markup(text);
    if plain.is_some() {
        let message = say!(
            "marks of a page or a chat stand around the lines; they are left aside",
            "ページやチャットの記号が付いているので、除いて読みます"
        );
        read.say(1, text.lines().next().unwrap_or_default(), code::MENDED_INFOTEXT, message);
    }
    let file = File::of(text, plain.as_deref().unwrap_or(text));
    let lines = &file.lines;
    let (mut first, mut at) = (0, 0);
    while at < lines.len() {
        if at == first && lines[at].trim().is_empty() {
            first += 1;
            at = first;
        } else if ends_infotext(lines[at]) {
            let end = end(lines, at);
            file.push(first..end, read);
            (first, at) = (end, end);
        } else {
            at += 1;
        }
    }
    while lines[first..].iter().any(|line| !line.trim().is_empty()) {
        let end = first + without_parameters(&lines[first..]);
        let message = say!(
            "no parameters follow this text: it is drawn with the settings of the command",
            "この文の後にパラメーターがないので、コマンドの設定で描きます"
        );
        first += lines[first..].iter().take_while(|line| line.trim().is_empty()).count();
        read.say(file.numbers[first], lines[first], code::LINE_AS_WEBUI, message);
        file.push(first..end, read);
        first = end;
    }
}

/// A file as it is read, and as it was written: equally long, but a `\\n` of two letters is the end of a line in the first alone.
struct File<'t> {
    written: &'t str,
    plain: &'t str,
    /// Those of the plain text, without their ends.
    lines: Vec<&'t str>,
    /// The number of each in what was written, from 1.
    numbers: Vec<usize>,
}

impl<'t> File<'t> {
    fn of(written: &'t str, plain: &'t str) -> Self {
        let lines: Vec<&str> = plain.lines().collect();
        let (mut at, mut number) = (0, 1);
        let numbered = lines.iter().map(|line| {
            let start = line.as_ptr() as usize - plain.as_ptr() as usize;
            number += written.as_bytes()[at..start].iter().filter(|byte| **byte == b'\n').count();
            at = start;
            number
        });
        let numbers = numbered.collect();
        File { written, plain, lines, numbers }
    }

    /// Reads these lines as one text that somebody pasted.
    fn push(&self, lines: Range<usize>, read: &mut Read) {
        let part = &self.lines[lines.clone()];
        let number = self.numbers[lines.start];
        let place = read.place(number);
        let (pasted, found) = infotext::paste(&super::line(&read.file, number, &part.join("\n")));
        // What is found is shown in what was written.
        let [start, last] =
            [part[0], part[part.len() - 1]].map(|line| line.as_ptr() as usize - self.plain.as_ptr() as usize);
        let written = self.written[start..last + part[part.len() - 1].len()].replace("\r\n", "\n");
        let source = super::line(&read.file, number, &written);
        read.found.extend(found.into_iter().map(|diagnostic| {
            let diagnostic = if diagnostic.source.is_some() { diagnostic.within(&source) } else { diagnostic };
            Finding { place: place.clone(), diagnostic }
        }));
        if let Some(mut pasted) = pasted {
            let patch = std::mem::take(&mut pasted.patch);
            read.keep(Entry { place, patch, pasted: Some(Box::new(pasted)) });
        }
    }
}

/// How many of the lines belong to one text without parameters: a paragraph with a negative prompt is whole.
fn without_parameters(lines: &[&str]) -> usize {
    let mut is_whole = false;
    for (at, line) in lines.iter().enumerate() {
        if line.trim().is_empty() && is_whole {
            return at;
        }
        is_whole |= is_headed_negative(line);
    }
    lines.len()
}

/// The line behind the infotext whose parameters begin at `at`. A last text without parameters that follows at once belongs to it.
fn end(lines: &[&str], at: usize) -> usize {
    let mut end = at + parameter_lines(&lines[at..]);
    let blank = |at: &usize| lines[*at].trim().is_empty();
    loop {
        // What is measured stands in a paragraph of its own.
        let next = (end..lines.len()).find(|at| !blank(at)).unwrap_or(lines.len());
        match lines.get(next) {
            Some(line) if is_tail(line) && (next == end || is_measure(line)) => end = next + 1,
            _ => break,
        }
    }
    let rest = (end..lines.len()).find(blank).unwrap_or(lines.len());
    let is_last = !lines[end..].iter().any(|line| ends_infotext(line));
    if is_last { rest } else { end }
}
