//! webui's `styles.csv`: named prompts that are put around the user's.
//!
//! The columns are `name`, `prompt` and `negative_prompt`, in any order, quoted as in CSV. `{prompt}` in a style stands
//! for the user's prompt; a style without it is appended.
//!
//! ```
//! use lbw::preset::styles::Styles;
//! let styles = Styles::parse("name,prompt,negative_prompt\nfilm,\"35mm, {prompt}, grain\",blurry\n").unwrap();
//! let film = styles.get("film").unwrap();
//! assert_eq!(film.apply("a cat", "dog"), ("35mm, a cat, grain".to_string(), "dog, blurry".to_string()));
//! ```

use crate::syntax::python;

/// The styles of a file, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Styles {
    styles: Vec<Style>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Style {
    pub name: String,
    pub prompt: String,
    pub negative_prompt: String,
}

/// Why a text is no `styles.csv`.
#[derive(Debug, thiserror::Error)]
pub enum StylesError {
    #[error(transparent)]
    Csv(#[from] csv::Error),
    #[error("the first line has no column `{0}`; a styles file begins with `name,prompt,negative_prompt`")]
    NoColumn(&'static str),
}

impl Styles {
    /// Reads a file. Later styles replace earlier ones of the same name; rows without a name are skipped.
    pub fn parse(text: &str) -> Result<Self, StylesError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rows = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let header = rows.headers()?.clone();
        let column = |name| header.iter().position(|h| h == name).ok_or(StylesError::NoColumn(name));
        let name = column("name")?;
        // `text` is what very old files call the prompt.
        let prompt = column("prompt").or_else(|e| column("text").map_err(|_| e))?;
        let negative_prompt = column("negative_prompt").ok();
        let mut styles = Styles::default();
        for row in rows.records() {
            let row = row?;
            let cell = |at: usize| row.get(at).unwrap_or_default().to_string();
            let negative_prompt = negative_prompt.map(cell).unwrap_or_default();
            styles.add(Style { name: cell(name), prompt: cell(prompt), negative_prompt });
        }
        Ok(styles)
    }

    fn add(&mut self, style: Style) {
        match self.styles.iter_mut().find(|s| s.name == style.name) {
            _ if style.name.is_empty() => {}
            Some(earlier) => *earlier = style,
            None => self.styles.push(style),
        }
    }

    pub fn get(&self, name: &str) -> Option<&Style> {
        self.styles.iter().find(|s| s.name == name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Style> {
        self.styles.iter()
    }
}

impl Style {
    /// The prompt and negative prompt in this style.
    pub fn apply(&self, prompt: &str, negative_prompt: &str) -> (String, String) {
        (merge(&self.prompt, prompt), merge(&self.negative_prompt, negative_prompt))
    }
}

fn merge(style: &str, prompt: &str) -> String {
    if style.contains("{prompt}") {
        return style.replace("{prompt}", prompt);
    }
    let parts: Vec<_> = [prompt, style].into_iter().map(python::strip).filter(|part| !part.is_empty()).collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_cells() {
        let styles =
            Styles::parse("\u{feff}prompt,name\r\n\"a, \"\"b\"\"\nc\",one\r\n\r\nx y,two\nz,two\n,three").unwrap();
        let found: Vec<_> = styles.iter().map(|s| (s.name.as_str(), s.prompt.as_str())).collect();
        assert_eq!(found, [("one", "a, \"b\"\nc"), ("two", "z"), ("three", "")]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for text in ["title,prompt\n", ""] {
            assert!(matches!(Styles::parse(text), Err(StylesError::NoColumn("name"))), "{text}");
        }
    }

    #[test]
    fn prompts_are_joined_or_inserted() {
        assert_eq!(merge(" film ", " a "), "a, film");
        assert_eq!(merge("", "a"), "a");
        assert_eq!(merge("x {prompt} y {prompt}", "a"), "x a y a");
        assert_eq!(merge(" {prompt}", ""), " ");
    }
}
