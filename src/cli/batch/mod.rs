//! `lbw batch`: prompt files to PNGs, checked before it starts and resumable at any moment.

mod painters;
mod prepare;
mod report;
mod work;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use super::args::{EngineArgs, FileArgs};
use super::exit::{CommandResult, Exit, Failure};
use super::report as say;
use crate::batch::{Form, Pattern, Shard};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BatchArgs {
    #[command(subcommand)]
    pub command: Option<BatchCommand>,
    /// Prompt files, or folders of images whose infotexts are drawn again
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
    #[arg(long, value_name = "I/N")]
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
    #[command(flatten)]
    pub defaults: Defaults,
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
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
        }
    }
}

/// What lines that say nothing else have.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "For lines that say nothing else")]
pub struct Defaults {
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    pub negative_prompt: Option<String>,
    #[arg(long)]
    pub steps: Option<u32>,
    #[arg(long)]
    pub sampler: Option<String>,
    #[arg(long)]
    pub schedule_type: Option<String>,
    #[arg(long)]
    pub cfg_scale: Option<f64>,
    #[arg(long)]
    pub seed: Option<u64>,
    #[arg(long)]
    pub width: Option<u32>,
    #[arg(long)]
    pub height: Option<u32>,
    #[arg(long, value_name = "N")]
    pub n_iter: Option<u32>,
}

impl Defaults {
    fn options(&self) -> Map<String, Value> {
        let all = [
            ("negative_prompt", self.negative_prompt.clone().map(Value::from)),
            ("steps", self.steps.map(Value::from)),
            ("sampler_name", self.sampler.clone().map(Value::from)),
            ("schedule_type", self.schedule_type.clone().map(Value::from)),
            ("cfg_scale", self.cfg_scale.map(Value::from)),
            ("seed", self.seed.map(Value::from)),
            ("width", self.width.map(Value::from)),
            ("height", self.height.map(Value::from)),
            ("n_iter", self.n_iter.map(Value::from)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

pub fn run(args: &BatchArgs) -> CommandResult {
    match &args.command {
        Some(BatchCommand::Status { folder, json }) => return report::status(folder, *json),
        Some(BatchCommand::Verify { folder, json }) => return report::verify(folder, *json),
        None => {}
    }
    let folder = args.output.clone().unwrap_or_else(|| default_folder(&args.inputs));
    let mut prepared = prepare::prepare(args)?;
    prepared.check_files();
    prepared.say();
    if prepared.refuses(args) {
        let advice = if args.keep_going { "" } else { "; --keep-going draws the good lines" };
        let message =
            format!("nothing was drawn: {} of {} lines are wrong{advice}", prepared.wrong_lines(), prepared.lines);
        return Err(Failure::text(message));
    }
    if prepared.jobs.is_empty() {
        return Err(Failure::text("the files ask for no picture"));
    }
    prepared.summary(args.json);
    if args.dry_run {
        return Ok(Exit::Done);
    }
    let failed_lines = prepared.wrong_lines();
    let exit = work::run(args, &folder, prepared)?;
    match (exit, failed_lines) {
        (Exit::Done, 1..) => {
            Err(Failure { exit: Exit::SomeFailed, message: format!("{failed_lines} lines were wrong and not drawn") })
        }
        (exit, _) => Ok(exit),
    }
}

/// `lbw-out/cats` for `cats.txt`.
fn default_folder(inputs: &[PathBuf]) -> PathBuf {
    let stem = inputs.first().and_then(|p| p.file_stem()).unwrap_or_default();
    Path::new("lbw-out").join(stem)
}

/// A line of JSON on standard output.
fn event(value: Value) {
    println!("{value}");
}

/// What happened to a job, as an event or a line.
fn announce(json: bool, file: &Path, id: &str, line: &str, done: usize, of: usize) {
    match json {
        true => event(json!({ "event": "done", "file": file, "id": id, "line": line, "done": done, "of": of })),
        false => println!("{}", file.display()),
    }
}

fn warn(message: &str) {
    say::warning(message);
}
