//! Pasted infotexts, one after the other: each ends with its parameters, `Steps: …`, and what is copied with them from below.

use super::Read;
use crate::batch::{Entry, Finding};
use crate::diagnostic::code;
use crate::infotext::{self, ends_infotext, is_headed_negative, is_measure, is_tail, parameter_lines};
use crate::say;

pub(super) fn read(text: &str, read: &mut Read) {
    let plain = infotext::without_markup(text);
    if plain.is_some() {
        let message = say!(
            "marks of a page or a chat stand around the lines; they are left aside",
            "ページやチャットの記号が付いているので、除いて読みます"
        );
        read.say(1, text.lines().next().unwrap_or_default(), code::MENDED_INFOTEXT, message);
    }
    let text = plain.as_deref().unwrap_or(text);
    let lines: Vec<&str> = text.lines().collect();
    let (mut first, mut at) = (0, 0);
    while at < lines.len() {
        if at == first && lines[at].trim().is_empty() {
            first += 1;
            at = first;
        } else if ends_infotext(lines[at]) {
            let end = end(&lines, at);
            push(&lines[first..end], first + 1, read);
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
        read.say(first + 1, lines[first], code::LINE_AS_WEBUI, message);
        push(&lines[first..end], first + 1, read);
        first = end;
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

fn push(lines: &[&str], first: usize, read: &mut Read) {
    let place = read.place(first);
    let source = super::line(&read.file, first, &lines.join("\n"));
    let (pasted, found) = infotext::paste(&source);
    read.found.extend(found.into_iter().map(|diagnostic| Finding { place: place.clone(), diagnostic }));
    if let Some(mut pasted) = pasted {
        let patch = std::mem::take(&mut pasted.patch);
        read.keep(Entry { place, patch, pasted: Some(Box::new(pasted)) });
    }
}
