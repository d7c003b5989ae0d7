//! `lbw worker --stdio`: plans in, events out, one line of JSON each, while the model stays loaded.
//!
//! What is wrong with one job is that job's `failed` event; the worker goes on with the next line. It ends with its input.

use std::io::{BufRead, Read, Write};
use std::path::{Component, Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::args::{EngineArgs, FileArgs};
use super::embeddings;
use super::exit::{CommandResult, Exit, Failure};
use super::files::Files;
use super::painter::{self, Painter};
use super::run::plan_of;
use crate::engine::{Event, check_limits};
use crate::image_io::{Existing, encode_png, write_file};
use crate::lora::LoraIndex;
use crate::plan::{FORMAT, Plan};

/// The longest line of input; plans of the longest prompts are shorter.
const LINE_LIMIT: usize = 16 << 20;

#[derive(Debug, Args)]
#[command(after_help = PROTOCOL)]
pub struct WorkerArgs {
    /// Take jobs from standard input, write events to standard output
    #[arg(long, required = true)]
    pub stdio: bool,
    /// The folder for the images
    #[arg(short, long, value_name = "DIR", default_value = "lbw-out")]
    pub output: PathBuf,
    /// The pictures that img2img plans draw over
    #[arg(long, value_name = "IMAGE")]
    pub init: Vec<PathBuf>,
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
}

const PROTOCOL: &str = "\
A job is a line of JSON: a plan as `lbw plan --json` prints it, or {\"plan\": PLAN, \"file\": NAME, \"tag\": ANYTHING}. NAME is a path
inside the output folder [default: ID.png, the id being the picture's]; a file of that name is replaced. `tag` comes back in all
events of the job.

Events are lines of JSON: {\"event\": \"ready\"} once the model is open, then for each job
  {\"event\": \"started\"}
  {\"event\": \"step\", \"step\": 1, \"steps\": 20}
  {\"event\": \"done\", \"id\": …, \"file\": …, \"crc32\": …, \"seed\": …, \"parameters\": …}  the file is whole and on the disk
  {\"event\": \"failed\", \"exit\": 2 or 3, \"message\": …}  2: the job is wrong; 3: a file or device is
The worker ends when its input does, with 1 if a job failed.";

pub fn run(args: &WorkerArgs) -> CommandResult {
    let files = Files::resolve(&args.files, None)?;
    let loras = LoraIndex::scan(&files.lora_dirs()?).map_err(|e| Failure::file(e.to_string()))?;
    std::fs::create_dir_all(&args.output).map_err(|e| Failure::file(format!("{}: {e}", args.output.display())))?;
    let embeddings = embeddings::scan(&files)?;
    let engine = EngineArgs { init: args.init.clone(), ..args.engine.clone() };
    let painter = Painter::open(&files.model()?, loras, embeddings, &engine)?;
    let mut worker = Worker { painter, folder: args.output.clone() };
    let mut input = std::io::stdin().lock();
    let mut failed = 0;
    say(json!({ "event": "ready", "plan_format": FORMAT }))?;
    while let Some(line) = next_line(&mut input)? {
        let job = match line.and_then(|line| Job::parse(&line)) {
            Ok(job) => job,
            Err(failure) => {
                failed += 1;
                say_failed(&Value::Null, &failure)?;
                continue;
            }
        };
        let tag = job.tag.clone();
        if let Err(failure) = worker.work(job) {
            failed += 1;
            say_failed(&tag, &failure)?;
        }
    }
    Ok(if failed == 0 { Exit::Done } else { Exit::SomeFailed })
}

/// One line of the input.
#[derive(Debug)]
struct Job {
    plan: Plan,
    file: Option<PathBuf>,
    tag: Value,
}

impl Job {
    fn parse(line: &str) -> Result<Self, Failure> {
        let value = serde_json::from_str(line).map_err(|e| Failure::text(format!("not JSON: {e}")))?;
        let Value::Object(mut fields) = value else {
            return Err(Failure::text("a job is a JSON object: a plan, or one with `plan`, `file` and `tag`"));
        };
        let (plan, file, tag) = match fields.remove("plan") {
            Some(plan) => (plan, fields.remove("file"), fields.remove("tag").unwrap_or_default()),
            None => (Value::Object(fields), None, Value::Null),
        };
        let plan = plan_of(plan).map_err(|e| Failure::text(format!("not a plan: {e}")))?;
        check_limits(&plan).map_err(painter::failure)?;
        let file = file.filter(|f| !f.is_null()).map(|f| file_name(&f)).transpose()?;
        Ok(Job { plan, file, tag })
    }
}

/// A path that stays inside the output folder.
fn file_name(value: &Value) -> Result<PathBuf, Failure> {
    let wrong = || Failure::text(format!("file {value}: it must be the name of a .png inside the output folder"));
    let path = Path::new(value.as_str().ok_or_else(wrong)?);
    let inside = path.components().all(|c| matches!(c, Component::Normal(_)));
    let is_png = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png"));
    if inside && is_png { Ok(path.to_owned()) } else { Err(wrong()) }
}

struct Worker {
    painter: Painter,
    folder: PathBuf,
}

impl Worker {
    fn work(&mut self, job: Job) -> Result<(), Failure> {
        let Job { plan, file, tag } = job;
        say(json!({ "event": "started", "tag": tag }))?;
        self.painter.check_loras(std::slice::from_ref(&plan))?;
        let mut written = Ok(());
        let picture = self.painter.paint(&plan, &mut |event| {
            if let Event::Step { index, steps, .. } = event
                && written.is_ok()
            {
                written = say(json!({ "event": "step", "tag": tag, "step": index + 1, "steps": steps }));
            }
        })?;
        written?;
        let id = self.painter.job_id(&plan)?;
        let path = self.folder.join(file.unwrap_or_else(|| format!("{id}.png").into()));
        let failed = |e: &dyn std::fmt::Display| Failure::file(format!("{}: {e}", path.display()));
        let bytes = encode_png(&picture.image, &picture.parameters, Some(&picture.plan)).map_err(|e| failed(&e))?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| failed(&e))?;
        }
        write_file(&path, &bytes, Existing::Replace).map_err(|e| Failure::file(e.to_string()))?;
        say(json!({
            "event": "done", "tag": tag, "id": id, "file": path, "crc32": crc32fast::hash(&bytes),
            "seed": plan.settings.seed, "parameters": picture.parameters,
        }))
    }
}

fn say_failed(tag: &Value, failure: &Failure) -> Result<(), Failure> {
    say(json!({ "event": "failed", "tag": tag, "exit": failure.exit as u8, "message": failure.message }))
}

/// Writes an event; whoever drives the worker waits for it, so it goes out at once.
fn say(event: Value) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{event}").and_then(|()| out.flush());
    written.map_err(|e| Failure::file(format!("standard output: {e}")))
}

/// The next line that is not empty; one that is too long is skipped and told. `None` at the end of the input.
fn next_line(input: &mut impl BufRead) -> Result<Option<Result<String, Failure>>, Failure> {
    let broken = |e: std::io::Error| Failure::file(format!("standard input: {e}"));
    loop {
        let mut line = Vec::new();
        if input.by_ref().take(LINE_LIMIT as u64 + 1).read_until(b'\n', &mut line).map_err(broken)? == 0 {
            return Ok(None);
        }
        if line.len() > LINE_LIMIT {
            input.skip_until(b'\n').map_err(broken)?;
            let message = format!("the line is longer than {} MiB", LINE_LIMIT >> 20);
            return Ok(Some(Err(Failure::text(message))));
        }
        if !line.trim_ascii().is_empty() {
            let wrong = |_| Failure::text("the line is not UTF-8 text");
            return Ok(Some(String::from_utf8(line).map_err(wrong)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stay_in_the_folder() {
        let name = |text: &str| file_name(&Value::from(text));
        assert_eq!(name("a/b.png").unwrap(), Path::new("a/b.png"));
        for outside in ["../a.png", "/a.png", "a/../../b.png", "a", "a.txt", "", "."] {
            assert!(name(outside).is_err(), "{outside}");
        }
        assert!(file_name(&Value::from(3)).is_err());
    }

    #[test]
    fn long_lines_are_skipped_and_the_next_is_read() {
        let text = [b"\n \r\n".to_vec(), vec![b'x'; LINE_LIMIT + 5], b"\n{}\n\xff\n".to_vec()].concat();
        let mut input = text.as_slice();
        assert!(next_line(&mut input).unwrap().unwrap().is_err());
        assert_eq!(next_line(&mut input).unwrap().unwrap().unwrap(), "{}\n");
        assert!(next_line(&mut input).unwrap().unwrap().is_err());
        assert!(next_line(&mut input).unwrap().is_none());
    }
}
