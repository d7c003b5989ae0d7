//! The forms of prompt files: each is read into the same list of [`Entry`].

mod csv;
mod infotexts;
mod inspire;
mod json;
mod kohya;
mod webui;

use std::sync::Arc;

use serde_json::Value;

use super::entry::{Entry, Finding, Place};
use crate::diagnostic::{Code, Diagnostic, Severity, Source, Text, code};
use crate::plan::Patch;

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

/// What a prompt file asks for, and everything that is to be said about it.
#[derive(Debug)]
pub struct Read {
    /// In the order of the file. A line with an error has none.
    pub entries: Vec<Entry>,
    /// In the order of the file.
    pub found: Vec<Finding>,
    file: Arc<str>,
}

/// How a file is to be read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// A line that is no command line is a prompt as a whole, and a sampler that does not exist is forgotten, both silently.
    pub webui_quirks: bool,
}

impl Form {
    /// The form of a file by its name and, for plain text, by its content.
    pub fn of(name: &str, text: &str) -> Self {
        let extension = name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase()).unwrap_or_default();
        match extension.as_str() {
            "jsonl" | "json" | "ndjson" => return Form::Json,
            "csv" | "tsv" => return Form::Csv,
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
    pub fn read(self, name: &str, text: &str, options: Options) -> Read {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut read = Read { entries: Vec::new(), found: Vec::new(), file: name.into() };
        match self {
            Form::Webui => webui::read(text, options, &mut read),
            Form::Kohya => kohya::read(text, &mut read),
            Form::Inspire => inspire::read(text, &mut read),
            Form::Json => json::read(text, &mut read),
            Form::Csv => csv::read(text, &mut read),
            Form::Infotexts => infotexts::read(text, &mut read),
        }
        read
    }
}

/// A line of a file, for findings to point into.
fn line(file: &Arc<str>, number: usize, text: &str) -> Source {
    Source { first_line: number, ..Source::new(file.clone(), text) }
}

impl Read {
    fn place(&self, line: usize) -> Place {
        Place { file: self.file.clone(), line }
    }

    /// Adds what a line with these options asks for over `defaults`, unless one of them is wrong.
    fn push<'v>(
        &mut self,
        number: usize,
        text: &str,
        defaults: &Patch,
        options: impl IntoIterator<Item = (&'v str, &'v Value)>,
    ) {
        let source = line(&self.file, number, text);
        let mut patch = Patch::default();
        let wrong = options.into_iter().filter_map(|(name, value)| patch.take_option(name, value, &source));
        let wrong: Vec<Diagnostic> = wrong.collect();
        let good = wrong.iter().all(|found| found.severity != Severity::Error);
        let place = self.place(number);
        self.found.extend(wrong.into_iter().map(|diagnostic| Finding { place: place.clone(), diagnostic }));
        if good {
            self.entries.push(Entry { place, patch: defaults.clone().with(&patch), pasted: None });
        }
    }

    /// Says something about a line.
    fn say(&mut self, number: usize, text: &str, code: Code, message: Text) {
        self.say_with(number, text, Diagnostic::new(code, message));
    }

    fn say_with(&mut self, number: usize, text: &str, found: Diagnostic) {
        let diagnostic = found.within(&line(&self.file, number, text)).at(0..text.len());
        self.found.push(Finding { place: self.place(number), diagnostic });
    }

    fn wrong(&mut self, number: usize, text: &str, message: Text) {
        self.say(number, text, code::BAD_LINE, message);
    }

    fn wrong_with(&mut self, number: usize, text: &str, message: Text, help: Option<Text>) {
        let found = Diagnostic::new(code::BAD_LINE, message);
        self.say_with(number, text, help.into_iter().fold(found, Diagnostic::help));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Wanted;
    use serde_json::json;

    fn read(name: &str, text: &str) -> Read {
        Form::of(name, text).read(name, text, Options::default())
    }

    /// Line, prompts and the other settings.
    fn all(name: &str, text: &str) -> Vec<(usize, String, String, Value)> {
        let read = read(name, text);
        assert!(read.found.is_empty(), "{:?}", read.found);
        let one = |e: &Entry| {
            let mut wanted = Wanted::default();
            e.patch.apply(&mut wanted);
            let texts = wanted.texts;
            let others = e.patch.iter().filter(|(s, _)| !s.name.ends_with("prompt"));
            let others = others.map(|(s, v)| (s.name.to_owned(), v.clone())).collect::<serde_json::Map<_, _>>();
            (e.place.line, texts.prompt, texts.negative_prompt, Value::from(others))
        };
        read.entries.iter().map(one).collect()
    }

    #[test]
    fn every_form_says_the_same() {
        let wanted = json!({ "steps": 5, "seed": 7, "width": 64, "height": 96, "cfg_scale": 4.0 });
        for (name, text) in [
            (
                "a.txt",
                "--prompt \"a cat\" --negative_prompt \"dog\" --steps 5 --seed 7 --width 64 --height 96 --cfg_scale 4",
            ),
            ("a.txt", "#lbw --steps 5 --cfg-scale 4\n--prompt \"a cat\" --negative_prompt dog --seed 7 --size 64x96"),
            ("k.txt", "a cat --n dog --s 5 --d 7 --w 64 --h 96 --l 4"),
            (
                "a.jsonl",
                r#"{"prompt":"a cat","negative_prompt":"dog","steps":5,"seed":7,"width":64,"height":96,"cfg_scale":4}"#,
            ),
            (
                "a.json",
                r#"[{"Prompt":"a cat","Negative prompt":"dog","Steps":"5","Seed":7,"Size":"64x96","CFG scale":4.0}]"#,
            ),
            ("a.csv", "prompt,negative_prompt,steps,seed,width,height,cfg_scale\na cat,dog,5,7,64,96,4"),
            ("a.csv", "Prompt;Negative prompt;Steps;Seed;Size;CFG scale\na cat;dog;5;7;64x96;4"),
            ("a.tsv", "prompt\tnegative_prompt\tsteps\tseed\tsize\tcfg\na cat\tdog\t5\t7\t64x96\t4"),
            ("i.txt", "a cat\nNegative prompt: dog\nSteps: 5, Seed: 7, Size: 64x96, CFG scale: 4\n"),
        ] {
            let read = all(name, text);
            let (_, prompt, negative, settings) = &read[0];
            assert_eq!((read.len(), prompt.as_str(), negative.as_str()), (1, "a cat", "dog"), "{text}");
            let sorted = |value: &Value| {
                value.as_object().unwrap().clone().into_iter().collect::<std::collections::BTreeMap<_, _>>()
            };
            assert_eq!(sorted(settings), sorted(&wanted), "{text}");
        }
    }

    #[test]
    fn blocks_and_infotexts_end_where_they_end() {
        let inspire = all("p.txt", "positive: a\ncat\nnegative: dog\n---\npositive: b\n");
        assert_eq!((inspire[0].1.as_str(), inspire[0].2.as_str(), inspire[1].1.as_str()), ("a\ncat", "dog", "b"));
        assert_eq!((inspire[0].0, inspire[1].0), (1, 5));
        let text = "a cat\nSteps: 5, Seed: 1, Size: 64x64\n\nb\nNegative prompt: c\nSteps: 6, Seed: 2, Size: 64x64\n";
        let infotexts = all("p.txt", text);
        assert_eq!(infotexts.iter().map(|e| e.0).collect::<Vec<_>>(), [1, 4]);
    }

    #[test]
    fn wrong_lines_are_told_and_the_others_stay() {
        let text = "a cat\n--prompt x --step 5\n--prompt it's\n--prompt y --sampler_name Eular\n# z\n--prompt z --sampler_name \"DPM++ 2M Karras\"\n";
        let read = read("a.txt", text);
        let entries: Vec<_> = read.entries.iter().map(|e| e.place.line).collect();
        assert_eq!(entries, [1, 5, 6]);
        assert_eq!(read.entries[2].patch.text("schedule_type"), Some("Karras"));
        let found: Vec<_> = read.found.iter().map(|f| (f.place.line, f.diagnostic.code.id)).collect();
        assert_eq!(found, [(2, "E0605"), (3, "E0613"), (4, "E0606"), (5, "W0614")]);
        assert!(read.found[0].diagnostic.help[0].contains("steps"), "{:?}", read.found[0]);
        assert_eq!(read.found[0].diagnostic.pointed_at(), Some("--step"));

        let quirks = Options { webui_quirks: true };
        let read = Form::Webui.read("a.txt", "--prompt x --step 5\n--prompt y --sampler_name Eular", quirks);
        assert!(read.found.iter().all(|f| f.diagnostic.severity == Severity::Warning), "{:?}", read.found);
        assert_eq!(read.entries[0].patch.text("prompt"), Some("--prompt x --step 5"));
        assert_eq!(read.entries[1].patch.text("sampler"), None);
    }

    #[test]
    fn broken_files_are_told() {
        for (name, text, line) in [
            ("a.json", "[1]", 1),
            ("a.jsonl", "{\"prompt\":\"a\"}\n{", 2),
            ("a.csv", "promt\na", 1),
            ("a.csv", "prompt,steps\na", 2),
            ("a.csv", "prompt,steps\na,many", 2),
            ("a.jsonl", "{\"prompt\":\"a\",\"steps\":[5]}", 1),
        ] {
            let read = read(name, text);
            let is_told = |f: &Finding| f.diagnostic.severity == Severity::Error && f.place.line == line;
            assert!(read.found.iter().any(is_told), "{text}: {:?}", read.found);
        }
    }
}
