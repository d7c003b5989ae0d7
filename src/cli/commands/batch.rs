//! `lbw batch`: prompt files to PNGs, checked before it starts and resumable at any moment.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use crate::app::batch::{Batch, Form, Pattern, Shard, Wish, draw_grid, run as draw_batch, state, verify};
use crate::app::{Caller, Error, ErrorKind, Event, Reading, Session, Studios, some_failed};
use crate::cli::args::{EngineArgs, PlaceArgs, SettingsArgs};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;
use crate::cli::watch::{self, Watch};
use crate::diagnostic::{Diagnostic, Text, code};
use crate::say;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BatchArgs {
    #[command(subcommand)]
    pub command: Option<BatchCommand>,
    /// Prompt files, images whose infotexts are drawn again, or folders of such images
    #[arg(value_name = "FILE|FOLDER", required = true)]
    pub inputs: Vec<PathBuf>,
    /// How the files are written [default: told by name and content]
    #[arg(long, value_enum)]
    pub form: Option<FormArg>,
    /// The folder of the pictures [default: lbw-out/NAME-OF-FILE]; a second run goes on there
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Names of the pictures; webui's [seed], [prompt_words]… are understood too [default: {line:04}-{seed}.png]
    #[arg(long, value_name = "PATTERN")]
    pub name: Option<Pattern>,
    /// Draw the good lines where others are wrong
    #[arg(long)]
    pub keep_going: bool,
    /// Treat warnings as errors
    #[arg(long)]
    pub strict: bool,
    /// Read lines that are wrong as webui does: silently, as a prompt
    #[arg(long)]
    pub webui_quirks: bool,
    /// Stop before the first picture: check everything, write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Draw one part of several, as in 1/4; `auto` or `auto/4` asks SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<Shard>,
    /// Share the folder with other workers: each picture is drawn by one of them
    #[arg(long)]
    pub claim: bool,
    /// Put all pictures into one, grid.png, at the end
    #[arg(long)]
    pub grid: bool,
    /// Print events as lines of JSON and no progress
    #[arg(long)]
    pub json: bool,
    /// What lines that say nothing else have.
    #[command(flatten)]
    pub defaults: SettingsArgs,
    #[command(flatten)]
    pub places: PlaceArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
}

fn shard(text: &str) -> Result<Shard, Text> {
    Shard::parse(text, |name| std::env::var(name).ok())
}

#[derive(Debug, Subcommand)]
pub enum BatchCommand {
    /// How far a batch is
    Status {
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        #[arg(long)]
        json: bool,
    },
    /// Whether every picture of a batch is there and undamaged
    Verify {
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum FormArg {
    /// A prompt per line, or `--prompt "…" --steps 20`
    Webui,
    /// A prompt per line with --n, --w, --h, --s, --d, --l
    Kohya,
    /// Blocks of `positive:` and `negative:`
    Inspire,
    /// JSON Lines
    Json,
    /// A table with the options' names as columns
    Csv,
    /// Pasted infotexts
    Infotexts,
    /// kohya's TOML with [[prompt.subset]]
    Toml,
}

impl From<FormArg> for Form {
    fn from(form: FormArg) -> Self {
        match form {
            FormArg::Webui => Form::Webui,
            FormArg::Kohya => Form::Kohya,
            FormArg::Inspire => Form::Inspire,
            FormArg::Json => Form::Json,
            FormArg::Csv => Form::Csv,
            FormArg::Infotexts => Form::Infotexts,
            FormArg::Toml => Form::Toml,
        }
    }
}

impl BatchArgs {
    fn wish(&self) -> Wish {
        Wish {
            inputs: self.inputs.clone(),
            reading: Reading { form: self.form.map(Form::from), webui_quirks: self.webui_quirks },
            name: self.name.clone(),
            keep_going: self.keep_going,
            strict: self.strict,
            shard: self.shard,
            claim: self.claim,
        }
    }
}

pub fn run(args: &BatchArgs, terminal: Terminal) -> CommandResult {
    match &args.command {
        Some(BatchCommand::Status { folder, json }) => return print_state(folder, *json, terminal),
        Some(BatchCommand::Verify { folder, json }) => return print_verified(folder, *json, terminal),
        None => {}
    }
    let (wish, json) = (args.wish(), args.json);
    let folder = args.output.clone().unwrap_or_else(|| default_folder(&args.inputs));
    let caller = Caller { patch: args.defaults.patch()?, is_default: true, strict: args.strict };
    let session = Arc::new(Session::open(&args.places.places(), caller)?);
    let mut batch = Batch::prepare(&session, &wish)?;
    let mut studios = Studios::new(session.clone(), args.engine.settings()?);
    batch.check_files(&mut studios);
    terminal.say_all(&session.found);
    batch.findings().iter().for_each(|found| terminal.say(found));
    if let Some(refusal) = batch.refusal(&wish) {
        return Err(refusal.into());
    }
    print_summary(&batch, json, terminal)?;
    if args.dry_run {
        return Ok(());
    }
    let wrong = batch.wrong_lines();
    let mut watch = Watch::new(terminal, json, if json { event_line } else { watch::file_name });
    let running = draw_batch(batch, &wish, &folder, &mut studios, &mut watch);
    let running = watch.end(running)?;
    let outcome = &running.outcome;
    if args.grid && outcome.failed == 0 {
        let grid = draw_grid(&folder, &running)?;
        let grid = grid.display();
        terminal.say(&note(say!("all pictures in one: {grid}", "すべての画像を一枚に: {grid}")));
    }
    let (done, there, of) = (outcome.done, outcome.were_there, running.of);
    if json {
        terminal.line(
            json!({ "event": "end", "pictures": of, "done": done, "were_there": there, "failed": outcome.failed }),
        )?;
    } else {
        let folder = folder.display();
        let there = if there > 0 {
            say!(" ({there} were there)", " (うち {there} 枚はすでにありました)")
        } else {
            Text::default()
        };
        let said = say!(
            "{done} of {of} pictures are in {folder}{there}",
            "{of} 枚のうち {done} 枚が {folder} にあります{there}",
            with there
        );
        terminal.say(&note(said));
    }
    some_failed(outcome, of)?;
    match wrong {
        0 => Ok(()),
        wrong => {
            let message = say!("{wrong} lines were wrong and not drawn", "{wrong} 行に誤りがあり、描いていません");
            Err(Error::new(ErrorKind::SomeFailed, code::SOME_FAILED, message).into())
        }
    }
}

fn note(text: Text) -> Diagnostic {
    Diagnostic::new(code::DONE, text)
}

/// `lbw-out/cats` for `cats.txt`.
fn default_folder(inputs: &[PathBuf]) -> PathBuf {
    let stem = inputs.first().and_then(|p| p.file_stem()).unwrap_or_default();
    Path::new("lbw-out").join(stem)
}

fn print_summary(batch: &Batch, json: bool, terminal: Terminal) -> CommandResult {
    let [pictures, lines, models, sets] = batch.summary();
    if json {
        return terminal.line(json!({
            "event": "planned", "pictures": pictures, "lines": lines, "checkpoints": models, "lora_sets": sets
        }));
    }
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let en = format!(
        "{} from {}, {}, {} of LoRAs and weights",
        plural(pictures, "picture"),
        plural(lines, "line"),
        plural(models, "checkpoint"),
        plural(sets, "set"),
    );
    let ja = format!("{lines} 行から {pictures} 枚、チェックポイント {models} 個、LoRA と重みの組 {sets} 種類");
    terminal.say(&Diagnostic::new(code::PLANNED, Text::new(en, ja)));
    Ok(())
}

/// A finished picture as an event.
fn event_line(event: &Event<'_>) -> Option<String> {
    match event {
        Event::Done { job, kept, done, of, .. } => {
            let line = json!({
                "event": "done", "file": kept.file, "id": job.id, "line": job.name, "done": done, "of": of
            });
            Some(line.to_string())
        }
        _ => None,
    }
}

fn print_state(folder: &Path, json: bool, terminal: Terminal) -> CommandResult {
    let state = state(folder)?;
    let (all, done, failed) = (state.pictures, state.done, state.failed.len());
    if json {
        return terminal.line(json!({ "pictures": all, "done": done, "failed": failed, "sources": state.sources }));
    }
    let sources = state.sources.join(", ");
    let said =
        say!("{done} of {all} pictures of {sources} are done", "{sources} の {all} 枚のうち {done} 枚ができています");
    terminal.line(terminal.words(&said))?;
    for job in &state.failed {
        let (source, line, file) = (&job.source, job.line, &job.file);
        let why = job.error.as_deref().unwrap_or("?");
        let said = say!("failed: {source}:{line} ({file}): {why}", "失敗: {source}:{line} ({file}): {why}");
        terminal.line(terminal.words(&said))?;
    }
    Ok(())
}

fn print_verified(folder: &Path, json: bool, terminal: Terminal) -> CommandResult {
    let (bad, all) = verify(folder)?;
    for bad in &bad {
        let (job, what) = (&bad.job, terminal.words(&bad.what));
        match json {
            true => {
                terminal.line(json!({ "file": job.file, "source": job.source, "line": job.line, "is": &*bad.what }))?
            }
            false => terminal.line(format!("{what}: {} ({}:{})", job.file, job.source, job.line))?,
        }
    }
    match bad.len() {
        0 if json => Ok(()),
        0 => {
            let said = say!(
                "all {all} pictures are there and as they were made",
                "{all} 枚すべてがあり、作られたときのままです"
            );
            terminal.line(terminal.words(&said))
        }
        bad => {
            let message = say!(
                "{bad} of {all} pictures are missing or damaged; the same `lbw batch` draws them again",
                "{all} 枚のうち {bad} 枚がないか壊れています。同じ `lbw batch` で描き直せます"
            );
            Err(Error::new(ErrorKind::SomeFailed, code::SOME_FAILED, message).into())
        }
    }
}
