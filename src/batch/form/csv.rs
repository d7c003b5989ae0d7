//! Tables: the first row names the columns like the options; an empty cell leaves the default. Cells end at commas,
//! semicolons or tabs, whichever the first row has most of.

use serde_json::Value;

use super::Read;
use crate::batch::entry::{is_option, wrong_option};
use crate::batch::{Finding, Place};
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
        Ok(headers) => headers.iter().map(str::to_owned).collect(),
        Err(e) => return read.wrong(1, first, say!("{e}", "表を読めません: {e}")),
    };
    let unknown: Vec<&String> = columns.iter().filter(|column| !is_option(column)).collect();
    for column in &unknown {
        // A column that no row could use is told once, not for every row.
        let source = super::line(&read.file, 1, first);
        let diagnostic = wrong_option(&settings::unknown(column), column, &source);
        read.found.push(Finding { place: Place { file: read.file.clone(), line: 1 }, diagnostic });
    }
    if !unknown.is_empty() {
        return;
    }
    let lines: Vec<&str> = text.lines().collect();
    let at = |line: usize| lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = record.position().map_or(1, |p| p.line() as usize);
                let cells: Vec<Value> = record.iter().map(Value::from).collect();
                let filled = columns.iter().map(String::as_str).zip(&cells).filter(|(_, cell)| **cell != "");
                read.push(line, at(line), &Patch::default(), filled);
            }
            Err(e) => {
                let line = e.position().map_or(1, |p| p.line() as usize);
                read.wrong(line, at(line), say!("{e}", "表の行を読めません: {e}"));
            }
        }
    }
}

fn delimiter(first: &str) -> u8 {
    let count = |separator: &u8| first.bytes().filter(|b| b == separator).count();
    // The first of several equal ones is the comma.
    [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',')
}
