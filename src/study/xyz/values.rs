//! Lists of values as webui's X/Y/Z plot reads them.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::super::xyz_weights::CELL_LIMIT;
use crate::syntax::python;

/// Values between commas and line ends, without the spaces around them. In double quotes a comma is text, and `""` is a
/// quote. Empty values are left out. A tag is whole, whatever commas its vector has: webui tears it to pieces, which nobody can
/// have meant.
pub(super) fn list(text: &str) -> Vec<String> {
    let (mut values, mut value) = (Vec::new(), String::new());
    let mut quoted = false;
    let mut tag = 0..0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '<' && !quoted && !tag.contains(&at) {
            tag = at..at + length_of_tag(&text[at..]);
        }
        match c {
            c if tag.contains(&at) => value.push(c),
            '"' if quoted && chars.next_if(|(_, next)| *next == '"').is_some() => value.push('"'),
            '"' if quoted => quoted = false,
            '"' if value.trim().is_empty() => quoted = true,
            ',' | '\n' | '\r' if !quoted => values.push(std::mem::take(&mut value)),
            c => value.push(c),
        }
    }
    values.push(value);
    let stripped = values.iter().map(|value| python::strip(value).to_owned());
    stripped.filter(|value| !value.is_empty()).collect()
}

/// Bytes of the tag that `text` begins with; none where it is not closed before the next one begins.
fn length_of_tag(text: &str) -> usize {
    let end = text[1..].find(['<', '>', '\n']).map(|at| at + 1);
    end.filter(|end| text[*end..].starts_with('>') && text[..*end].contains(':')).map_or(0, |end| end + 1)
}

const INTEGER: &str = r"\s*([+-]?\s*[0-9]+)\s*";
const DECIMAL: &str = r"\s*([+-]?\s*[0-9]+(?:\.[0-9]*)?)\s*";

static INTEGER_RANGE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!(r"^{INTEGER}-{INTEGER}(?:\(([+-][0-9]+)\s*\))?\s*$")).ok());
static INTEGER_COUNT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!(r"^{INTEGER}-{INTEGER}\[\s*([0-9]+)\s*\]\s*$")).ok());
static DECIMAL_RANGE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!(r"^{DECIMAL}-{DECIMAL}(?:\(([+-][0-9]+(?:\.[0-9]*)?)\s*\))?\s*$")).ok());
static DECIMAL_COUNT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!(r"^{DECIMAL}-{DECIMAL}\[\s*([0-9]+(?:\.[0-9]*)?)\s*\]\s*$")).ok());

fn read<'t>(pattern: &LazyLock<Option<Regex>>, text: &'t str) -> Option<Captures<'t>> {
    pattern.as_ref()?.captures(text)
}

/// A group without the spaces that may stand after its sign.
fn group<T: std::str::FromStr>(captures: &Captures<'_>, index: usize) -> Option<T> {
    captures.get(index)?.as_str().replace(python::is_space, "").parse().ok()
}

/// A whole number, `first-last`, `first-last (+step)` or `first-last [count]`. `None` for anything else and for ranges too
/// long to be an axis.
pub(super) fn integers(text: &str) -> Option<Vec<i64>> {
    if let Some(range) = read(&INTEGER_RANGE, text) {
        let (first, last): (i64, i64) = (group(&range, 1)?, group(&range, 2)?);
        let step: i64 = if range.get(3).is_some() { group(&range, 3)? } else { 1 };
        // As in Python the end lies one further up, also where the steps go down.
        let steps = match step {
            1.. => last.checked_sub(first)?.checked_add(1)?.max(0) as u64,
            0 => return None,
            _ => first.checked_sub(last.checked_add(1)?)?.max(0) as u64,
        };
        let count = steps.div_ceil(step.unsigned_abs());
        let index = |i: u64| first.checked_add(step.checked_mul(i64::try_from(i).ok()?)?);
        return (count <= CELL_LIMIT as u64).then(|| (0..count).map(index).collect())?;
    }
    if let Some(range) = read(&INTEGER_COUNT, text) {
        let spaced = spaced(group(&range, 1)?, group(&range, 2)?, group(&range, 3)?)?;
        return Some(spaced.into_iter().map(|number| number as i64).collect());
    }
    python::int(text).map(|number| vec![number])
}

/// A number, `first-last`, `first-last (+step)` or `first-last [count]`.
pub(super) fn floats(text: &str) -> Option<Vec<f64>> {
    if let Some(range) = read(&DECIMAL_RANGE, text) {
        let (first, last): (f64, f64) = (group(&range, 1)?, group(&range, 2)?);
        let step: f64 = if range.get(3).is_some() { group(&range, 3)? } else { 1.0 };
        // numpy's arange up to one step past the end.
        let count = ((last + step - first) / step).ceil();
        return (count <= CELL_LIMIT as f64).then(|| (0..count as usize).map(|i| first + i as f64 * step).collect());
    }
    if let Some(range) = read(&DECIMAL_COUNT, text) {
        return spaced(group(&range, 1)?, group(&range, 2)?, group::<f64>(&range, 3)? as usize);
    }
    python::float(text).map(|number| vec![number])
}

/// `count` numbers evenly from `first` to `last`, both included.
fn spaced(first: f64, last: f64, count: usize) -> Option<Vec<f64>> {
    let step = (last - first) / (count.max(2) - 1) as f64;
    let number = |i| if i > 0 && i + 1 == count { last } else { first + i as f64 * step };
    (count <= CELL_LIMIT).then(|| (0..count).map(number).collect())
}
