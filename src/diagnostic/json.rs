//! Diagnostics for programs.

use serde_json::{Value, json};

use super::{Diagnostic, Label, Language, Text};

impl Diagnostic {
    /// An object with `code`, `severity`, `message`, `source`, `line`, `column` (characters, from 1), `span` (bytes), `labels`,
    /// `notes` and `help`. Without a place, those that describe it are null. The keys are the same in every language.
    pub fn to_json(&self, language: Language) -> Value {
        let labels: Vec<_> = self.labels.iter().map(|label| self.label_json(label, language)).collect();
        let words = |texts: &[Text]| -> Vec<String> {
            texts.iter().map(|text| text.in_language(language).to_owned()).collect()
        };
        let place = |key: &str| labels.first().map_or(Value::Null, |label| label[key].clone());
        json!({
            "code": self.code,
            "severity": self.severity,
            "message": self.message.in_language(language),
            "source": self.source.as_ref().map(|s| s.name.as_ref()),
            "line": place("line"),
            "column": place("column"),
            "span": place("span"),
            "labels": labels,
            "notes": words(&self.notes),
            "help": words(&self.help),
        })
    }

    fn label_json(&self, label: &Label, language: Language) -> Value {
        let position = self.source.as_ref().map(|s| s.position(label.span.start));
        json!({
            "line": position.map(|p| p.0),
            "column": position.map(|p| p.1),
            "span": [label.span.start, label.span.end],
            "text": label.text.in_language(language),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Source, code};
    use super::*;
    use crate::say;

    #[test]
    fn the_place_is_spelled_out() {
        let mut source = Source::new("prompts.txt", "日本\n(é:..)");
        source.first_line = 5;
        let found = Diagnostic::new(code::BAD_EMPHASIS_NUMBER, say!("one", "一"))
            .within(&source)
            .label(11..13, say!("here", "ここ"))
            .to_json(Language::Ja);
        assert_eq!((found["line"].as_u64(), found["column"].as_u64()), (Some(6), Some(4)));
        assert_eq!(found["span"], json!([11, 13]));
        assert_eq!((&found["severity"], &found["code"]), (&json!("error"), &json!("E0101")));
        assert_eq!((&found["message"], &found["labels"][0]["text"]), (&json!("一"), &json!("ここ")));
    }
}
