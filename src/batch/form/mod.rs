//! The forms of prompt files: each is read into the same list of [`Entry`].

mod csv;
mod infotexts;
mod inspire;
mod json;
mod kohya;
mod toml;
mod webui;

use std::sync::Arc;

use serde_json::Value;

use super::entry::{Entry, Finding, Place};
use crate::diagnostic::{Code, Diagnostic, FINDINGS_LIMIT, Severity, Source, Text, code, more_findings};
use crate::files::limits::ENTRIES;
use crate::infotext::foreign::begins_as_json;
use crate::infotext::{self, is_headed_negative};
use crate::plan::Patch;
use crate::say;

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
    /// kohya's TOML.
    Toml,
}

/// What a prompt file asks for, and everything that is to be said about it.
#[derive(Debug)]
pub struct Read {
    /// In the order of the file. A line with an error has none.
    pub entries: Vec<Entry>,
    /// In the order of the file.
    pub found: Vec<Finding>,
    file: Arc<str>,
    /// Bytes that the entries and findings may still take; nothing once there was too little, which is told then.
    room: Option<usize>,
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
            "toml" => return Form::Toml,
            _ => {}
        }
        let lines = || text.lines().map(str::trim);
        let first = lines().find(|line| !line.is_empty()).unwrap_or_default();
        if is_json(first, text) {
            Form::Json
        } else if csv::is_heading(first) {
            Form::Csv
        } else if lines().any(|l| l.starts_with("positive:")) {
            Form::Inspire
        } else if infotext::ends_infotext_in(text)
            || lines().any(is_headed_negative)
            || infotext::without_markup(text).is_some()
        {
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
        let mut read = Read { entries: Vec::new(), found: Vec::new(), file: name.into(), room: Some(ENTRIES) };
        match self {
            Form::Webui => webui::read(text, options, &mut read),
            Form::Kohya => kohya::read(text, &mut read),
            Form::Inspire => inspire::read(text, &mut read),
            Form::Json => json::read(text, &mut read),
            Form::Csv => csv::read(text, &mut read),
            Form::Infotexts => infotexts::read(text, &mut read),
            Form::Toml => toml::read(text, &mut read),
        }
        if read.room.is_none() {
            // What is not drawn anyway takes no more memory.
            read.entries = Vec::new();
        }
        read
    }
}

/// Whether a text is JSON, and no prompt with wildcards in braces: its first line is, or all of it.
fn is_json(first: &str, text: &str) -> bool {
    use serde::de::IgnoredAny;
    let is = |text: &str| serde_json::from_str::<IgnoredAny>(text).is_ok();
    (first.starts_with('{') || first.starts_with('['))
        && (is(first) && first.len() > 2 && first.contains('"') || is(text) || begins_as_json(text))
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
        let (mut wrong, mut more) = (Vec::new(), 0);
        for (name, value) in options {
            // Each is looked for in the line, and a stranger's may have any number.
            match wrong.len() < FINDINGS_LIMIT {
                true => wrong.extend(patch.take_option(name, value, &source)),
                false => more += usize::from(patch.take(name, value).is_err()),
            }
        }
        if more > 0 {
            wrong.push(more_findings(more, Some(source)));
        }
        // A cell or a value may hold all that somebody pasted; what else the line says wins over it.
        let mut pasted = None;
        if let Some(prompt) = patch.text("prompt").filter(|prompt| infotext::looks_like_infotext(prompt)) {
            let (read, found) = infotext::paste(&line(&self.file, number, prompt));
            wrong.extend(found);
            if let Some(mut read) = read {
                patch.remove("prompt");
                patch = std::mem::take(&mut read.patch).with(&patch);
                pasted = Some(Box::new(read));
            }
        }
        let good = wrong.iter().all(|found| found.severity != Severity::Error);
        let place = self.place(number);
        for diagnostic in wrong {
            if self.takes(number, Self::FINDING) {
                self.found.push(Finding { place: place.clone(), diagnostic });
            }
        }
        if good {
            // What is laid under every line is not laid there before there is room for it.
            if self.takes(number, Self::EACH + text_length(defaults) + text_length(&patch)) {
                self.entries.push(Entry { place, patch: defaults.clone().with(&patch), pasted });
            }
        }
    }

    /// Says that a line names an option twice.
    fn repeats(&mut self, number: usize, text: &str, name: &str) {
        if !self.takes(number, Self::FINDING + text.len()) {
            return;
        }
        let message =
            say!("`{name}` stands there twice: the last one counts", "`{name}` が二度あります。最後のものが有効です");
        let diagnostic = Diagnostic::new(code::WITHOUT_EFFECT, message).within(&line(&self.file, number, text));
        let at = text.find(name).map(|at| at..at + name.len());
        let diagnostic = match at {
            Some(at) => diagnostic.at(at),
            None => diagnostic,
        };
        self.found.push(Finding { place: self.place(number), diagnostic });
    }

    /// Adds what somebody pasted.
    fn keep(&mut self, entry: Entry) {
        if self.takes(entry.place.line, Self::EACH + text_length(&entry.patch)) {
            self.entries.push(entry);
        }
    }

    /// What an entry takes beside its texts.
    const EACH: usize = 256;
    /// What a finding takes beside the line that it points into: its words in two languages, most of all.
    const FINDING: usize = 1536;

    /// Takes room for something; where there is none that is said once, and the file is wrong.
    fn takes(&mut self, number: usize, needed: usize) -> bool {
        match self.room.and_then(|room| room.checked_sub(needed)) {
            Some(room) => {
                self.room = Some(room);
                true
            }
            None => {
                if self.room.take().is_some() {
                    let mib = ENTRIES >> 20;
                    let message = say!(
                        "up to this line, with what stands once for several pictures, the file asks for more than {mib} MiB",
                        "この行までの内容が、複数の画像に共通の指定を含めて {mib} MiB を超えています"
                    );
                    let diagnostic = Diagnostic::new(code::TOO_LARGE, message);
                    self.found.push(Finding { place: self.place(number), diagnostic });
                }
                false
            }
        }
    }

    /// Says something about a line.
    fn say(&mut self, number: usize, text: &str, code: Code, message: Text) {
        self.say_with(number, text, Diagnostic::new(code, message));
    }

    fn say_with(&mut self, number: usize, text: &str, found: Diagnostic) {
        if !self.takes(number, Self::FINDING + text.len()) {
            return;
        }
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

/// Bytes of all texts.
fn text_length(patch: &Patch) -> usize {
    patch.iter().map(|(_, value)| value.as_str().map_or(0, str::len)).sum()
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
        assert!(read.found.iter().all(|f| f.diagnostic.code == code::MENDED_INFOTEXT), "{:?}", read.found);
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
            (
                "i.txt",
                "a cat\nNegative prompt: dog\nSteps: 5, Seed: 7,\nSize: 64x96, CFG scale: 4\nTime taken: 3 sec.\n",
            ),
            ("i.txt", "a cat Negative prompt: dog Steps: 5, Seed: 7, Size: 64x96, CFG scale: 4\n"),
            ("k.txt", "a cat --N dog --S 5 --D 7 --W 64 --H 96 --L 4"),
            (
                "k.toml",
                "[prompt]\nwidth = 64\nheight = 96\nscale = 4\nsample_steps = 9\n\n[[prompt.subset]]\nprompt = \"a cat\"\n\
                 negative_prompt = \"dog\"\nsample_steps = 5\nseed = 7\n",
            ),
            (
                "k.json",
                r#"[{"prompt":"a cat","negative_prompt":"dog","sample_steps":5,"seed":7,"width":64,"height":96,"scale":4,"enum":0}]"#,
            ),
            ("k.json", r#"["a cat --n dog --s 5 --d 7 --w 64 --h 96 --l 4"]"#),
            (
                "one.json",
                "{\n \"prompt\": \"a cat\",\n \"negative_prompt\": \"dog\", \"steps\": 5, \"seed\": 7,\n \"size\": \"64x96\", \"cfg\": 4\n}\n",
            ),
            (
                "lines.txt",
                r#"{"prompt":"a cat","negative_prompt":"dog","steps":5,"seed":7,"size":"64x96","cfg_scale":4}"#,
            ),
            ("table.txt", "prompt,negative_prompt,steps,seed,size,cfg_scale\na cat,dog,5,7,64x96,4\n"),
            (
                "log.csv",
                "prompt,seed,width,height,sampler,cfgs,steps,filename,negative_prompt\na cat,7,64,96,,4,5,00001.png,dog\n",
            ),
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
        // Ends of lines that were pasted as two letters are none in the file.
        let found =
            read("p.txt", "\r\na\\nSteps: 5, Seed: 1, Size: 64x64\r\n\r\nb\\nSteps: 6, Seed: 2, Sampler: no\r\n");
        assert_eq!(found.entries.iter().map(|e| e.place.line).collect::<Vec<_>>(), [2, 4], "{:?}", found.found);
        let sampler = found.found.iter().find(|f| f.diagnostic.pointed_at() == Some("no")).expect("it is told");
        let (source, label) = (sampler.diagnostic.source.as_ref().unwrap(), &sampler.diagnostic.labels[0]);
        assert_eq!(source.position(label.span.start), (4, 32));
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
    fn several_seeds_are_several_pictures() {
        let seeds: Vec<_> =
            read("k.txt", "a cat --d 1,2,13835058055282163712 --s 5").entries.into_iter().map(|e| e.patch).collect();
        let seeds: Vec<_> = seeds.iter().map(|patch| patch.get("seed").and_then(Value::as_u64).unwrap()).collect();
        assert_eq!(seeds, [1, 2, 13_835_058_055_282_163_712]);
    }

    #[test]
    fn everything_wrong_with_a_line_is_told_at_once() {
        let read = read("k.txt", "a cat --am 1 --d 1,x --zz 5 --w many --s\n");
        let codes: Vec<_> =
            read.found.iter().map(|f| (f.diagnostic.code.id, f.diagnostic.pointed_at().unwrap_or_default())).collect();
        let places = [
            ("E0617", "--am"),
            ("E0613", "--zz"),
            ("E0613", "a cat --am 1 --d 1,x --zz 5 --w many --s"),
            ("E0606", "width"),
        ];
        for (code, place) in places {
            assert!(
                codes.iter().any(|(c, p)| *c == code && (*p == place || code == "E0606")),
                "{code} {place} {codes:?}"
            );
        }
        assert!(read.entries.is_empty());
    }

    #[test]
    fn slips_of_a_shell_are_told() {
        let text = "--prompt “red circle, blue” --seed 7\n--prompt x --sd_model C:\\models\\foo.safetensors\n--prompt x --sd_model 'C:\\models\\foo'";
        let found = read("a.txt", text).found;
        let said: Vec<_> =
            found.iter().map(|f| (f.place.line, f.diagnostic.code.id, f.diagnostic.pointed_at().unwrap())).collect();
        assert_eq!(said, [(1, "W0614", "“"), (2, "W0614", "C:\\models\\foo.safetensors")]);
        assert!(found[1].diagnostic.help[0].contains("C:/models/foo.safetensors"));
    }

    #[test]
    fn elements_of_an_array_have_their_lines() {
        let text = "[\n {\"prompt\": \"a\"},\n {\"prompt\": \"b\",\n  \"stpes\": 5},\n 7\n]";
        let read = read("a.json", text);
        assert_eq!(read.entries.iter().map(|e| e.place.line).collect::<Vec<_>>(), [2]);
        assert_eq!(read.found.iter().map(|f| f.place.line).collect::<Vec<_>>(), [3, 5]);
    }

    #[test]
    fn broken_files_are_told() {
        for (name, text, line) in [
            ("a.toml", "[prompt]\nwidth = 64\n", 1),
            ("a.toml", "[prompt]\nwidth = \n", 2),
            ("a.toml", "[prompt]\nwidth = 64\n[[prompt.subset]]\nprompt = \"a\"\nstpes = 5\n", 3),
            ("a.json", "[{\"prompt\": \"a\"},\n{]", 2),
            ("a.json", "[{\"prompt\": \"a\"}", 1),
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

    /// A megabyte for every line is not laid under each of them.
    #[test]
    fn what_is_laid_under_all_lines_is_counted() {
        let long = "x".repeat(1 << 20);
        let lines = |n: usize| format!("#lbw --negative_prompt {long}\n{}", "a cat\n".repeat(n));
        let toml =
            format!("[prompt]\nnegative_prompt = \"{long}\"\n{}", "[[prompt.subset]]\nprompt = \"a\"\n".repeat(100));
        let json = format!("[\"{long} --d {}\"]", vec!["1"; 100].join(","));
        for (name, text, kept) in
            [("a.txt", lines(100), 63), ("a.toml", toml, 63), ("a.json", json, 63), ("b.txt", lines(20), 20)]
        {
            let read = read(name, &text);
            // What is refused is not kept.
            assert_eq!(read.entries.len(), if kept == 20 { 20 } else { 0 }, "{name}");
            let told = read.found.iter().filter(|found| found.diagnostic.code == code::TOO_LARGE);
            let first = told.map(|found| found.place.line).collect::<Vec<_>>();
            assert_eq!(first.len(), usize::from(kept != 20), "{name}: {:?}", read.found.first());
            assert!(name != "a.txt" || first == [kept + 2], "{first:?}");
        }
        let wrong = read("a.json", &format!("[{}1]", "1,".repeat(1_000_000)));
        assert!(wrong.found.len() < 500_000, "{}", wrong.found.len());
    }
}
