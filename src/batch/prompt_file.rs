//! Whole prompt files: which images they ask for.

use serde_json::{Map, Value};

use super::{LineError, parse_line};
use crate::syntax::python;

/// Where a prompt of the settings goes, seen from the line's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// The line comes first.
    Start,
    /// The settings' prompt comes first.
    End,
}

/// How seeds go on from line to line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seeds {
    /// A line without a seed has that of the settings.
    AsWritten,
    /// Each line adds the number of images that the *settings* ask for.
    IterateEveryLine,
    /// A drawn seed is drawn once.
    SameRandom,
}

/// The jobs of a prompt file: webui's values for each, by webui's names.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptFile {
    /// In the order of the lines.
    pub jobs: Vec<Map<String, Value>>,
    /// Lines with `--` that are no command lines, by line number from 1; all of such a line is its prompt.
    pub failed: Vec<(usize, String, LineError)>,
    /// Images of all jobs, not counting batch sizes.
    pub job_count: i64,
}

impl PromptFile {
    /// Reads `text`; `base` has the settings that lines change.
    ///
    /// A checkpoint that a line names stays for the lines after it. `draw` gives a seed where −1 asks for one.
    pub fn parse(
        text: &str,
        base: &Map<String, Value>,
        position: Position,
        seeds: Seeds,
        checkpoint: &dyn Fn(&str) -> Option<String>,
        draw: &mut dyn FnMut() -> i64,
    ) -> Self {
        let mut base = base.clone();
        base.insert("do_not_save_grid".into(), true.into());
        if seeds != Seeds::AsWritten && integer(&base, "seed") == -1 {
            base.insert("seed".into(), draw().into());
        }
        let mut file = PromptFile { jobs: Vec::new(), failed: Vec::new(), job_count: 0 };
        let (first_seed, images) =
            (integer(&base, "seed"), integer(&base, "batch_size").saturating_mul(integer(&base, "n_iter")));
        for (number, line) in (1..).zip(python::split_lines(text)) {
            let line = python::strip(line);
            if line.is_empty() {
                continue;
            }
            let options = file.options(number, line, checkpoint);
            if seeds == Seeds::IterateEveryLine {
                base.insert(
                    "seed".into(),
                    first_seed.saturating_add(images.saturating_mul(file.jobs.len() as i64)).into(),
                );
            }
            let job = job(&mut base, options, position);
            file.job_count = file.job_count.saturating_add(integer(&job, "n_iter"));
            file.jobs.push(job);
        }
        file
    }

    fn options(
        &mut self,
        number: usize,
        line: &str,
        checkpoint: &dyn Fn(&str) -> Option<String>,
    ) -> Map<String, Value> {
        let as_prompt = || Map::from_iter([("prompt".to_string(), line.into())]);
        if !line.contains("--") {
            return as_prompt();
        }
        parse_line(line, checkpoint).unwrap_or_else(|error| {
            self.failed.push((number, line.to_string(), error));
            as_prompt()
        })
    }
}

/// `base` changed by the options of a line; prompts of both are joined.
fn job(base: &mut Map<String, Value>, options: Map<String, Value>, position: Position) -> Map<String, Value> {
    if let Some(model) = options.get("sd_model") {
        let overrides = Map::from_iter([("sd_model_checkpoint".to_string(), model.clone())]);
        base.insert("override_settings".into(), overrides.into());
    }
    let mut job = base.clone();
    for (key, value) in options {
        let joined = match (key.as_str(), value.as_str(), base.get(&key).and_then(Value::as_str)) {
            ("sd_model", ..) => continue,
            ("prompt" | "negative_prompt", Some(line), Some(own)) if !line.is_empty() && !own.is_empty() => {
                match position {
                    Position::Start => format!("{line} {own}").into(),
                    Position::End => format!("{own} {line}").into(),
                }
            }
            _ => value,
        };
        job.insert(key, joined);
    }
    job
}

/// A whole number of the settings; 1 where there is none.
fn integer(values: &Map<String, Value>, key: &str) -> i64 {
    values.get(key).and_then(Value::as_i64).unwrap_or(1)
}
