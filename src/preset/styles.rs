//! webui's `styles.csv`: named prompts that are put around the user's.
//!
//! The columns are `name`, `prompt` and `negative_prompt`, in any order, quoted as in CSV. `{prompt}` in a style stands
//! for the user's prompt; a style without it is appended.
//!
//! ```
//! use lbw::preset::styles::Styles;
//! let styles = Styles::parse("name,prompt,negative_prompt\nfilm,\"35mm, {prompt}, grain\",blurry\n").unwrap();
//! let film = styles.get("film").unwrap();
//! assert_eq!(film.apply("a cat", "dog", 100), Some(("35mm, a cat, grain".to_string(), "dog, blurry".to_string())));
//! assert_eq!(film.apply("a cat", "dog", 10), None);
//! ```

use std::collections::HashMap;

use crate::diagnostic::{Said, Text};
use crate::say;
use crate::syntax::python;

/// The styles of a file, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Styles {
    styles: Vec<Style>,
    /// Where each name is.
    places: HashMap<String, usize>,
}

/// A named pair of texts that prompts are put into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Style {
    /// As users choose it.
    pub name: String,
    /// Put behind the prompt, or around it where `{prompt}` stands in it.
    pub prompt: String,
    /// The same for the negative prompt.
    pub negative_prompt: String,
}

/// Why a text is no `styles.csv`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum StylesError {
    OpenQuotation { line: usize },
    NoColumn(&'static str),
}

impl Said for StylesError {
    fn said(&self) -> Text {
        match self {
            StylesError::OpenQuotation { line } => {
                say!("line {line}: a quotation is not closed", "{line} 行目: 引用符が閉じられていません")
            }
            StylesError::NoColumn(column) => say!(
                "the first line has no column `{column}`; a styles file begins with `name,prompt,negative_prompt`",
                "1 行目に列 `{column}` がありません。スタイルのファイルは `name,prompt,negative_prompt` で始まります"
            ),
        }
    }
}

impl Styles {
    /// Reads a file. Later styles replace earlier ones of the same name; rows without a name and rows whose name begins with
    /// `#` are skipped.
    pub fn parse(text: &str) -> Result<Self, StylesError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rows = rows(text)?.into_iter();
        let header = rows.next().unwrap_or_default();
        let column = |name| header.iter().position(|h| h == name).ok_or(StylesError::NoColumn(name));
        let name = column("name")?;
        // `text` is what very old files call the prompt.
        let prompt = column("prompt").or_else(|e| column("text").map_err(|_| e))?;
        let negative_prompt = column("negative_prompt").ok();
        let mut styles = Styles::default();
        for row in rows {
            let cell = |at: usize| row.get(at).cloned().unwrap_or_default();
            let negative_prompt = negative_prompt.map(cell).unwrap_or_default();
            styles.add(Style { name: cell(name), prompt: cell(prompt), negative_prompt });
        }
        Ok(styles)
    }

    fn add(&mut self, style: Style) {
        if style.name.is_empty() || style.name.starts_with('#') {
            return;
        }
        match self.places.get(&style.name) {
            Some(at) => self.styles[*at] = style,
            None => {
                self.places.insert(style.name.clone(), self.styles.len());
                self.styles.push(style);
            }
        }
    }

    /// Adds the styles of another file, which replace those of the same name.
    pub fn extend(&mut self, later: Styles) {
        later.styles.into_iter().for_each(|style| self.add(style));
    }

    /// The style called `name`, exactly.
    pub fn get(&self, name: &str) -> Option<&Style> {
        self.styles.get(*self.places.get(name)?)
    }

    /// In the order of their first definition.
    pub fn iter(&self) -> impl Iterator<Item = &Style> {
        self.styles.iter()
    }
}

impl Style {
    /// The prompt and negative prompt in this style; nothing where one of them would be longer than `most` bytes: a style of a thousand
    /// `{prompt}`s, chosen twice, makes a million.
    pub fn apply(&self, prompt: &str, negative_prompt: &str, most: usize) -> Option<(String, String)> {
        Some((merge(&self.prompt, prompt, most)?, merge(&self.negative_prompt, negative_prompt, most)?))
    }
}

fn merge(style: &str, prompt: &str, most: usize) -> Option<String> {
    const PLACE: &str = "{prompt}";
    let fits = |length: usize| length <= most;
    match style.matches(PLACE).count() {
        0 => {
            let parts = [prompt, style].into_iter().map(python::strip).filter(|part| !part.is_empty());
            Some(parts.collect::<Vec<_>>().join(", ")).filter(|text| fits(text.len()))
        }
        places => {
            let length = places.saturating_mul(prompt.len()).saturating_add(style.len() - places * PLACE.len());
            fits(length).then(|| style.replace(PLACE, prompt))
        }
    }
}

/// The rows of a CSV text. Quoted cells may hold commas, line ends and doubled quotes, and spaces may stand before a cell.
/// Empty lines are no rows.
fn rows(text: &str) -> Result<Vec<Vec<String>>, StylesError> {
    let mut rows = Vec::new();
    let mut row = vec![String::new()];
    let mut line = 1;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let at_start = row.last().is_none_or(String::is_empty);
        match c {
            '"' if at_start => {
                let opened_at = line;
                let cell = quoted_cell(&mut chars, &mut line).ok_or(StylesError::OpenQuotation { line: opened_at })?;
                row.pop();
                row.push(cell);
            }
            ' ' if at_start => {}
            ',' => row.push(String::new()),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' | '\r' => {
                line += 1;
                finish_row(&mut rows, &mut row);
            }
            c => row.last_mut().into_iter().for_each(|cell| cell.push(c)),
        }
    }
    finish_row(&mut rows, &mut row);
    Ok(rows)
}

/// The rest of a quoted cell, after its opening quote; `None` if it is never closed.
fn quoted_cell(chars: &mut std::iter::Peekable<std::str::Chars>, line: &mut usize) -> Option<String> {
    let mut cell = String::new();
    loop {
        match chars.next()? {
            '"' if chars.next_if_eq(&'"').is_none() => return Some(cell),
            c => {
                *line += usize::from(c == '\n');
                cell.push(c);
            }
        }
    }
}

fn finish_row(rows: &mut Vec<Vec<String>>, row: &mut Vec<String>) {
    let finished = std::mem::replace(row, vec![String::new()]);
    if finished.iter().any(|cell| !cell.is_empty()) {
        rows.push(finished);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_style_does_not_multiply_without_end() {
        let style = "{prompt}".repeat(1000);
        assert_eq!(merge(&style, &"x".repeat(1000), 1_000_000).unwrap().len(), 1_000_000);
        assert_eq!(merge(&style, &"x".repeat(1001), 1_000_000), None);
        assert_eq!(merge("b", "a", 3), None);
    }

    #[test]
    fn quoted_cells() {
        let styles =
            Styles::parse("\u{feff}prompt,name\r\n\"a, \"\"b\"\"\nc\",one\r\n\r\nx y,two\nz, two\n, three\nz,#four")
                .unwrap();
        let found: Vec<_> = styles.iter().map(|s| (s.name.as_str(), s.prompt.as_str())).collect();
        assert_eq!(found, [("one", "a, \"b\"\nc"), ("two", "z"), ("three", "")]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(Styles::parse("name,prompt\na,b\nc,\"d\ne"), Err(StylesError::OpenQuotation { line: 3 }));
        assert_eq!(Styles::parse("title,prompt\n"), Err(StylesError::NoColumn("name")));
        assert_eq!(Styles::parse(""), Err(StylesError::NoColumn("name")));
    }

    #[test]
    fn prompts_are_joined_or_inserted() {
        assert_eq!(merge(" film ", " a ", 100).as_deref(), Some("a, film"));
        assert_eq!(merge("", "a", 100).as_deref(), Some("a"));
        assert_eq!(merge("x {prompt} y {prompt}", "a", 100).as_deref(), Some("x a y a"));
        assert_eq!(merge(" {prompt}", "", 100).as_deref(), Some(" "));
    }
}
