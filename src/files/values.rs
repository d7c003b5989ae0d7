//! How many values a text has, counted before it is parsed: a value of two letters becomes a hundred bytes or more.

use std::collections::HashSet;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::limits::VALUES;

/// Whether JSON has more than [`VALUES`].
pub fn is_crowded_json(text: &str) -> bool {
    let mut scanner = Scanner { rest: text.as_bytes(), count: 0 };
    while let Some(byte) = scanner.next() {
        match byte {
            b'"' => scanner.skip_quoted(b'"', true),
            b',' | b':' | b'[' | b'{' => scanner.count += 1,
            _ => {}
        }
        if scanner.count > VALUES {
            return true;
        }
    }
    false
}

/// The texts of JSON values that stand one after the other.
pub fn json_texts(text: &str) -> impl Iterator<Item = serde_json::Result<&str>> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    std::iter::from_fn(move || {
        let from = values.byte_offset();
        let value = values.next()?;
        Some(value.map(|IgnoredAny| &text[from..values.byte_offset()]))
    })
}

/// The first key that a JSON object has twice; of such keys the last one counts.
pub fn repeated_key(json: &str) -> Option<String> {
    struct Keys;
    impl<'de> Visitor<'de> for Keys {
        type Value = Option<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<String>, A::Error> {
            let (mut known, mut repeated) = (HashSet::new(), None);
            while let Some((key, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                if repeated.is_none() && known.contains(&key) {
                    repeated = Some(key);
                } else {
                    known.insert(key);
                }
            }
            Ok(repeated)
        }
    }
    serde_json::Deserializer::from_str(json).deserialize_map(Keys).ok().flatten()
}

/// Whether TOML has more than [`VALUES`]; each part of a dotted key is a table.
pub fn is_crowded_toml(text: &str) -> bool {
    let mut scanner = Scanner { rest: text.as_bytes(), count: 0 };
    while let Some(byte) = scanner.next() {
        match byte {
            b'"' | b'\'' => scanner.skip_toml_text(byte),
            b'#' => scanner.skip_line(),
            b',' | b'=' | b'[' | b'{' | b'.' => scanner.count += 1,
            _ => {}
        }
        if scanner.count > VALUES {
            return true;
        }
    }
    false
}

/// Whether YAML may have more than [`VALUES`], or nests them on one line deeper than is read.
///
/// Quotes and comments are not looked for: YAML ends them in too many ways. What is counted is a sign with a space behind it, and behind
/// the first bracket at which a value may begin each comma, whether that bracket was closed or not.
pub fn is_crowded_yaml(text: &str) -> bool {
    /// Lists and keys that begin on one line: `- - - a`.
    const ON_A_LINE: usize = 100;
    let bytes = text.as_bytes();
    let (mut count, mut on_the_line, mut in_brackets, mut may_begin) = (0, 0, false, true);
    for (at, byte) in bytes.iter().enumerate() {
        let ends = bytes.get(at + 1).is_none_or(u8::is_ascii_whitespace);
        match byte {
            b'\n' | b'\r' => (on_the_line, may_begin) = (0, true),
            b' ' | b'\t' => {}
            b'-' | b'?' | b':' if ends => {
                count += 1;
                on_the_line += usize::from(may_begin && *byte != b':');
                may_begin = true;
            }
            b'[' | b'{' if in_brackets || may_begin => {
                (count, in_brackets) = (count + 1, true);
            }
            b',' | b':' | b'"' if in_brackets => count += 1,
            _ => may_begin = false,
        }
        if count > VALUES || on_the_line > ON_A_LINE {
            return true;
        }
    }
    false
}

/// Bytes one after the other.
struct Scanner<'t> {
    rest: &'t [u8],
    count: usize,
}

impl Scanner<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Passes over the end of what this quote has opened.
    fn skip_quoted(&mut self, quote: u8, has_escapes: bool) {
        while let Some(byte) = self.next() {
            match byte {
                b'\\' if has_escapes => drop(self.next()),
                _ if byte == quote => return,
                _ => {}
            }
        }
    }

    /// The same of TOML, whose texts may have three quotes at both ends.
    fn skip_toml_text(&mut self, quote: u8) {
        let has_escapes = quote == b'"';
        if !self.rest.starts_with(&[quote; 2]) {
            return self.skip_quoted(quote, has_escapes);
        }
        self.rest = &self.rest[2..];
        while !self.rest.is_empty() && !self.rest.starts_with(&[quote; 3]) {
            if self.next() == Some(b'\\') && has_escapes {
                self.next();
            }
        }
        // Up to two quotes more are the text's own.
        let quotes = self.rest.iter().take(5).take_while(|byte| **byte == quote).count();
        self.rest = &self.rest[quotes..];
    }

    fn skip_line(&mut self) {
        while self.next().is_some_and(|byte| byte != b'\n') {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_and_texts_are_not() {
        let many = "1,".repeat(VALUES + 1);
        assert!(is_crowded_json(&format!("[{many}1]")) && is_crowded_json(&format!("{{\"a\\\"\":[{many}1]}}")));
        assert!(!is_crowded_json(&format!("[\"{many}\"]")) && !is_crowded_json(&format!("{{\"\\\"{many}\":1}}")));

        assert!(is_crowded_toml(&format!("a = [{many}1]")) && is_crowded_toml(&format!("# \"\na = [{many}1]")));
        assert!(is_crowded_toml(&format!("a.{}b = 1", "b.".repeat(VALUES))));
        for (open, close) in [("\"", "\""), ("'", "'"), ("\"\"\"", "\"\"\""), ("'''", "'''"), ("\"\"\"\"", "\"\"\"\"")]
        {
            assert!(!is_crowded_toml(&format!("a = {open}{many}{close}")), "{open}");
            assert!(is_crowded_toml(&format!("a = {open}b{close}\nc = [{many}1]")), "{open}");
        }
        // What looks like an end and is none, and the other way round.
        assert!(is_crowded_toml(&format!("a = \"\"\"b\"c\"\"\"\nd = [{many}1]")));
        assert!(is_crowded_toml(&format!("a = \"\"\nd = [{many}1]")));
    }

    #[test]
    fn keys_that_stand_twice_are_found() {
        for twice in [r#"{"a":1,"b":{"a":2},"a":[3]}"#, r#"{"a":1,"\u0061":2,"b":1,"b":1}"#] {
            assert_eq!(repeated_key(twice).as_deref(), Some("a"), "{twice}");
        }
        for none in [r#"{"a":{"b":1},"b":{"b":1}}"#, "[1]", "{", "{}"] {
            assert_eq!(repeated_key(none), None, "{none}");
        }
    }

    #[test]
    fn yaml_has_values_where_signs_have_spaces() {
        let many = "1,".repeat(VALUES + 1);
        assert!(is_crowded_yaml(&format!("a: [{many}1]")) && is_crowded_yaml(&format!("a: [ # ]\n {many}1]")));
        assert!(is_crowded_yaml(&"a: 1\n".repeat(VALUES + 1)) && is_crowded_yaml(&"- a\n".repeat(VALUES + 1)));
        assert!(is_crowded_yaml(&"? ".repeat(1000)) && is_crowded_yaml(&format!("a:\n  {}b", "- ".repeat(1000))));
        let prompts = format!("a: {many}\nb: (x:1.2), {many}\n");
        assert!(!is_crowded_yaml(&prompts) && !is_crowded_yaml(&"a 12:30 b-c - d ? e\n".repeat(1000)));
        assert!(!is_crowded_yaml(&"x\n".repeat(VALUES + 1)));
    }
}
