//! Emphasis: weights agree bit by bit.

use lbw::syntax::attention::{self, OddityKind};
use serde_json::Value;

use crate::common::{Tally, number, rows};

#[test]
fn attention() {
    let mut tally = Tally::new("attention");
    for row in rows("attention") {
        tally.check(&row["prompt"], check(&row));
    }
    tally.finish();
}

fn check(row: &Value) -> Result<(), String> {
    let read = attention::parse(row["prompt"].as_str().unwrap());
    if row.get("error").is_some() {
        let told = read.oddities.iter().any(|o| o.kind == OddityKind::BadNumber);
        return told.then_some(()).ok_or("no error reported".into());
    }
    let pieces: Vec<_> = read.pieces.iter().map(|p| (p.text.as_str(), p.weight.to_bits())).collect();
    let expect = row["expect"].as_array().unwrap();
    let expect: Vec<_> = expect.iter().map(|p| (p[0].as_str().unwrap(), number(&p[1]).to_bits())).collect();
    if pieces == expect { Ok(()) } else { Err(format!("{:?}\n    expected {}", read.pieces, row["expect"])) }
}
