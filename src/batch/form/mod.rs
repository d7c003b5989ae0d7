//! The forms of prompt files: each is read into the same [`Entry`] list.

mod csv;
mod infotexts;
mod inspire;
mod json;
mod kohya;
mod webui;

use serde_json::{Map, Value};

use super::entry::{Entry, Problem};
use crate::diagnostic::Text;

/// How a prompt file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// webui's "Prompts from file": a prompt per line, or `--prompt "…" --steps 20`.
    Webui,
    /// A prompt per line with `--n` (negative), `--w`, `--h`, `--s`, `--d` (seed), `--l` (CFG scale).
    Kohya,
    /// Blocks of `positive:` and `negative:`, divided by lines of `---`.
    Inspire,
    /// A JSON object per line, or one array of them.
    Json,
    /// A table whose columns are named like the options.
    Csv,
    /// Pasted infotexts with empty lines between them.
    Infotexts,
}

/// What a prompt file asks for, and everything that is wrong with it.
#[derive(Debug, Default)]
pub struct Read {
    /// In the order of the file.
    pub entries: Vec<Entry>,
    /// In the order of the file.
    pub problems: Vec<Problem>,
}

/// How a file is to be read.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Options that every entry has unless it says otherwise.
    pub defaults: Map<String, Value>,
    /// A line that is no command line is a prompt as a whole, and a sampler that does not exist is forgotten, both silently.
    pub webui_quirks: bool,
}

impl Form {
    /// The form of a file by its name and, for plain text, by its content.
    pub fn of(name: &str, text: &str) -> Self {
        let extension = name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase()).unwrap_or_default();
        match extension.as_str() {
            "jsonl" | "json" | "ndjson" => return Form::Json,
            "csv" => return Form::Csv,
            _ => {}
        }
        let lines = || text.lines().map(str::trim);
        if lines().any(|l| l.starts_with("positive:")) {
            Form::Inspire
        } else if lines().any(|l| l.starts_with("Steps: ") && l.contains(", ")) {
            Form::Infotexts
        } else if lines().any(kohya::is_line) {
            Form::Kohya
        } else {
            Form::Webui
        }
    }

    /// Reads the file `name`; all that is wrong with it is in the answer.
    pub fn read(self, name: &str, text: &str, options: &Options) -> Read {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut read = Read::default();
        match self {
            Form::Webui => webui::read(name, text, options, &mut read),
            Form::Kohya => kohya::read(name, text, options, &mut read),
            Form::Inspire => inspire::read(name, text, options, &mut read),
            Form::Json => json::read(name, text, options, &mut read),
            Form::Csv => csv::read(name, text, options, &mut read),
            Form::Infotexts => infotexts::read(name, text, options, &mut read),
        }
        read
    }
}

impl Read {
    fn push(&mut self, name: &str, line: usize, values: Map<String, Value>, options: &Options) {
        let mut all = options.defaults.clone();
        all.extend(values);
        match Entry::new(name, line, &all) {
            Ok(entry) => self.entries.push(entry),
            Err(problems) => self.problems.extend(problems),
        }
    }

    fn wrong(&mut self, name: &str, line: usize, message: Text) {
        self.problems.push(Problem { file: name.to_owned(), line, message, is_error: true });
    }

    fn warn(&mut self, name: &str, line: usize, message: Text) {
        self.problems.push(Problem { file: name.to_owned(), line, message, is_error: false });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Read {
        Form::of(name, text).read(name, text, &Options::default())
    }

    fn all(name: &str, text: &str) -> Vec<(usize, String, String, Value)> {
        let read = read(name, text);
        assert!(read.problems.is_empty(), "{:?}", read.problems);
        let text = |e: &Entry| (e.infotext.prompt.clone(), e.infotext.negative_prompt.clone());
        read.entries.iter().map(|e| (e.line, text(e).0, text(e).1, Value::from(e.infotext.fields.clone()))).collect()
    }

    #[test]
    fn every_form_says_the_same() {
        let fields = serde_json::json!({"Steps": "5", "CFG scale": "4", "Seed": "7", "Size-1": "64", "Size-2": "128"});
        let expected = vec![(1, "a cat".to_owned(), "dog".to_owned(), fields)];
        let sorted = |mut all: Vec<(usize, String, String, Value)>| {
            all.iter_mut().for_each(|(line, _, _, fields)| {
                *line = 1;
                let mut list: Vec<_> = fields.as_object().unwrap().clone().into_iter().collect();
                list.sort_by(|a, b| a.0.cmp(&b.0));
                // `4` and `4.0` are one number.
                let number = |text: Value| text.as_str().and_then(|t| t.parse::<f64>().ok()).map_or(text, Value::from);
                let list = list.into_iter().filter(|(k, _)| k != "Sampler").map(|(k, v)| (k, number(v)));
                *fields = Map::from_iter(list).into();
            });
            all
        };
        let expected = sorted(expected);
        for (name, text) in [
            (
                "a.txt",
                "--prompt \"a cat\" --negative_prompt dog --steps 5 --cfg_scale 4 --seed 7 --width 64 --height 128",
            ),
            (
                "a.txt",
                "#lbw --steps 5 --cfg_scale 4 --width 64 --height 128 --negative_prompt dog\n\n--prompt a cat --seed 7",
            ),
            ("a.txt", "# a comment\na cat --n dog --s 5 --l 4 --d 7 --w 64 --h 128"),
            (
                "a.jsonl",
                r#"{"prompt":"a cat","negative_prompt":"dog","steps":5,"cfg_scale":4,"seed":7,"width":64,"height":128}"#,
            ),
            (
                "a.json",
                r#"[{"prompt":"a cat","negative_prompt":"dog","steps":"5","cfg_scale":4,"seed":7,"width":64,"height":128}]"#,
            ),
            ("a.csv", "prompt,negative_prompt,steps,cfg_scale,seed,width,height\na cat,dog,5,4,7,64,128\n"),
            ("a.txt", "a cat\nNegative prompt: dog\nSteps: 5, Sampler: Euler, CFG scale: 4, Seed: 7, Size: 64x128\n\n"),
        ] {
            assert_eq!(sorted(all(name, text)), expected, "{text}");
        }
        let inspire = all("a.txt", "positive: a cat\n\nnegative: dog\n---\npositive:b\n");
        assert_eq!((inspire[0].1.as_str(), inspire[0].2.as_str(), inspire[1].1.as_str()), ("a cat", "dog", "b"));
        assert_eq!((inspire[0].0, inspire[1].0), (1, 5));
    }

    #[test]
    fn wrong_lines_are_told_and_the_others_stay() {
        let read = read("a.txt", "a cat\n--prompt x --step 5\n--prompt it's\n--prompt y --sampler_name Eular\n# z\n");
        assert_eq!(read.entries.len(), 2);
        let lines: Vec<_> = read.problems.iter().map(|p| (p.line, p.is_error)).collect();
        assert_eq!(lines, [(2, true), (3, true), (4, true), (5, false)]);
        assert!(read.problems[0].message.contains("--steps"), "{}", read.problems[0].message);
        let quirks = Options { webui_quirks: true, ..Options::default() };
        let read = Form::Webui.read("a.txt", "--prompt x --step 5\n--prompt y --sampler_name Eular", &quirks);
        assert!(read.problems.iter().all(|p| !p.is_error));
        assert_eq!(read.entries[0].infotext.prompt, "--prompt x --step 5");
        for (name, text, line) in [
            ("a.json", "[1]", 1),
            ("a.jsonl", "{\"prompt\":\"a\"}\n{", 2),
            ("a.csv", "promt\na", 1),
            ("a.csv", "prompt,steps\na", 2),
        ] {
            let read = Form::of(name, text).read(name, text, &Options::default());
            assert!(read.problems.iter().any(|p| p.is_error && p.line == line), "{text}: {:?}", read.problems);
        }
    }
}
