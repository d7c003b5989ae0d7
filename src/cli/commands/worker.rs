//! `lbw worker --stdio`: plans in, events out, one line of JSON each, while the model stays loaded.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::app::worker::{Wish, serve};
use crate::app::{Caller, Session};
use crate::cli::args::{EngineArgs, PlaceArgs, SettingsArgs};
use crate::cli::exit::CommandResult;
use crate::cli::terminal::Terminal;

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
    /// What requests that say nothing else have.
    #[command(flatten)]
    pub settings: SettingsArgs,
    #[command(flatten)]
    pub places: PlaceArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
}

const PROTOCOL: &str = "\
A job is a line of JSON: a plan as `lbw plan --json` prints it, or {\"plan\": PLAN, \"file\": NAME, \"tag\": ANYTHING}, or a request
{\"request\": {\"prompt\": \"a cat\", \"steps\": 20, …}, \"file\": …, \"tag\": …} with settings under any of their names. NAME is a path inside the
output folder [default: ID.png, the id being the picture's]; a file of that name is replaced. `tag` comes back in all events of
the job.

Events are lines of JSON: {\"event\": \"ready\"} once the model is open, then for each job
  {\"event\": \"started\"}
  {\"event\": \"found\", \"finding\": …}  something to be said about the job, as `lbw check --json` prints it
  {\"event\": \"step\", \"step\": 1, \"steps\": 20}
  {\"event\": \"done\", \"id\": …, \"file\": …, \"crc32\": …, \"seed\": …, \"parameters\": …}  the file is whole and on the disk
  {\"event\": \"failed\", \"exit\": 2 or 3, \"message\": …, \"findings\": […]}  2: the job is wrong; 3: a file or device is
The worker ends when its input does, with 1 if a job failed.";

pub fn run(args: &WorkerArgs, terminal: Terminal) -> CommandResult {
    let caller = Caller { patch: args.settings.patch()?, is_default: true, strict: false };
    let session = Arc::new(Session::open(&args.places.places(), caller)?);
    let wish = Wish { folder: args.output.clone(), init: args.init.clone(), language: terminal.language };
    let mut printed = Ok(());
    let mut listener = |event| {
        if printed.is_ok() {
            printed = terminal.line(event);
        }
        printed.is_ok()
    };
    let served = serve(session, args.engine.settings()?, wish, &mut std::io::stdin().lock(), &mut listener);
    printed?;
    Ok(served?)
}
