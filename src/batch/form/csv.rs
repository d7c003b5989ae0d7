//! Tables: the first row names the columns like the options; an empty cell leaves the default. Cells end at commas,
//! semicolons or tabs, whichever the first row has most of.

use std::collections::HashSet;

use serde_json::Value;

use super::Read;
use crate::batch::entry::{is_option, wrong_option};
use crate::batch::{Finding, Place};
use crate::diagnostic::FINDINGS_LIMIT;
use crate::infotext::Pasted;
use crate::plan::{Patch, settings};
use crate::say;

pub(super) fn read(text: &str, read: &mut Read) {
    let first = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#')).unwrap_or_default();
    let mut reader = ::csv::ReaderBuilder::new()
        .trim(::csv::Trim::Headers)
        .delimiter(delimiter(first))
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let columns: Vec<String> = match reader.headers() {
        Ok(headers) => headers.iter().map(|name| of_log(name).to_owned()).collect(),
        Err(e) => return read.wrong(1, first, say!("{e}", "表を読めません: {e}")),
    };
    let is_log = LOG.iter().take(2).all(|(name, _)| first.contains(name));
    let unknown: Vec<&String> = columns.iter().filter(|column| !is_option(column)).collect();
    let source = super::line(&read.file, 1, first);
    for column in unknown.iter().take(FINDINGS_LIMIT) {
        // A column that no row could use is told once, not for every row.
        let diagnostic = wrong_option(&settings::unknown(column), column, &source);
        read.found.push(Finding { place: Place { file: read.file.clone(), line: 1 }, diagnostic });
    }
    if !unknown.is_empty() {
        return;
    }
    let mut known = HashSet::new();
    for column in columns.iter().filter(|column| !known.insert(column.as_str())).take(FINDINGS_LIMIT) {
        read.repeats(1, first, column);
    }
    let lines: Vec<&str> = text.lines().collect();
    let at = |line: usize| lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = record.position().map_or(1, |p| p.line() as usize);
                let cells: Vec<Value> = record.iter().map(Value::from).collect();
                let filled = columns.iter().map(String::as_str).zip(&cells).filter(|(_, cell)| **cell != "");
                let entries = read.entries.len();
                read.push(line, at(line), &Patch::default(), filled);
                if is_log && let Some(entry) = read.entries.get_mut(entries) {
                    // Made by a program, as infotext is: its files need not be here.
                    entry.pasted = Some(Box::new(Pasted { is_infotext: true, ..Pasted::default() }));
                }
            }
            Err(e) => {
                let line = e.position().map_or(1, |p| p.line() as usize);
                read.wrong(line, at(line), say!("{e}", "表の行を読めません: {e}"));
            }
        }
    }
}

/// Columns of webui's own `log.csv` that have other names elsewhere.
const LOG: [(&str, &str); 4] = [
    ("cfgs", "cfg_scale"),
    ("filename", "outpath_samples"),
    ("sd_model_name", "model"),
    ("sd_model_hash", "Model hash"),
];

fn of_log(column: &str) -> &str {
    LOG.iter().find(|(name, _)| *name == column).map_or(column, |(_, name)| name)
}

/// Whether a line names the columns of a table: all of them options, the prompt among them.
pub(super) fn is_heading(line: &str) -> bool {
    let names: Vec<&str> = line.split(char::from(delimiter(line))).map(|name| name.trim().trim_matches('"')).collect();
    names.len() > 1
        && names.iter().any(|name| name.eq_ignore_ascii_case("prompt"))
        && names.iter().all(|name| is_option(of_log(name)))
}

fn delimiter(first: &str) -> u8 {
    let count = |separator: &u8| first.bytes().filter(|b| b == separator).count();
    // The first of several equal ones is the comma.
    [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',')
}
