//! CSV: the first row names the columns like the options; an empty cell leaves the default.

use serde_json::{Map, Value};

use super::{Options, Read};
use crate::batch::entry::{Entry, unknown_option};
use crate::diagnostic::Text;
use crate::say;

pub(super) fn read(name: &str, text: &str, options: &Options, read: &mut Read) {
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::Headers).comment(Some(b'#')).from_reader(text.as_bytes());
    let columns: Vec<String> = match reader.headers() {
        Ok(headers) => headers.iter().map(str::to_owned).collect(),
        Err(e) => return read.wrong(name, 1, not_csv(&e)),
    };
    for column in &columns {
        // A column that no row could use is told once, not for every row.
        let probe = Map::from_iter([(column.clone(), Value::from("1"))]);
        if Entry::new(name, 1, &probe).is_err() {
            let unknown = unknown_option(column);
            return read.wrong(name, 1, say!("column: {unknown}", "列: {unknown}", with unknown));
        }
    }
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = record.position().map_or(1, |p| p.line() as usize);
                let cells = columns.iter().cloned().zip(record.iter()).filter(|(_, cell)| !cell.is_empty());
                read.push(name, line, cells.map(|(column, cell)| (column, Value::from(cell))).collect(), options);
            }
            Err(e) => {
                let line = e.position().map_or(1, |p| p.line() as usize);
                read.wrong(name, line, not_csv(&e));
            }
        }
    }
}

fn not_csv(error: &csv::Error) -> Text {
    say!("{error}", "CSV として読めません: {error}")
}
