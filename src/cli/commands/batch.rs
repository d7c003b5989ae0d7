//! `lbw batch`: prompt files to PNGs, checked before it starts and resumable at any moment.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use crate::app::batch::{Batch, Form, Pattern, Shard, Wish, draw_grid, run as draw_batch, state, verify};
use crate::app::{Caller, Error, ErrorKind, Event, Reading, some_failed};
use crate::cli::args::{EngineArgs, PlaceArgs, SettingsArgs, ViaArgs};
use crate::cli::exit::CommandResult;
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;
use crate::cli::watch::{self, Watch};
use crate::diagnostic::{Diagnostic, Text, code};
use crate::say;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BatchArgs {
    #[command(subcommand)]
    pub command: Option<BatchCommand>,
    #[arg(
        value_name = "FILE|FOLDER", required = true,
        help = tell(
            "Prompt files, images whose infotexts are drawn again, or folders of such images",
            "プロンプトのファイル、infotext から描き直す画像、またはその画像のフォルダー"
        ),
    )]
    pub inputs: Vec<PathBuf>,
    #[arg(
        long, value_enum,
        help = tell(
            "How the files are written: webui (a prompt per line, or `--prompt \"…\" --steps 20`), kohya (a prompt per line with --n, --w, --h, --s, --d, --l), inspire (blocks of `positive:` and `negative:`), json (JSON Lines), csv (a table), toml (kohya's, with [[prompt.subset]]), infotexts (pasted ones) [default: told by name and content]",
            "ファイルの書式: webui (1 行に 1 プロンプト、または `--prompt \"…\" --steps 20`)、kohya (行ごとに --n・--w・--h・--s・--d・--l)、inspire (`positive:` と `negative:` の組)、json (JSON Lines)、csv (表)、toml (kohya の TOML、[[prompt.subset]])、infotexts (貼り付けたもの) [既定: 名前と内容から判断]"
        ),
    )]
    pub form: Option<FormArg>,
    #[arg(
        short, long, value_name = "DIR",
        help = tell(
            "The folder of the pictures [default: lbw-out/NAME-OF-FILE]; a second run goes on there",
            "画像のフォルダー。もう一度実行すると続きから始まります [既定: lbw-out/ファイル名]"
        ),
    )]
    pub output: Option<PathBuf>,
    #[arg(
        long, value_name = "PATTERN",
        help = tell(
            "Names of the pictures; webui's [seed], [prompt_words]… are understood too [default: {line:04}-{seed}.png]",
            "画像の名前。webui の [seed] や [prompt_words] なども使えます [既定: {line:04}-{seed}.png]"
        ),
    )]
    pub name: Option<Pattern>,
    #[arg(long, help = tell("Draw the good lines where others are wrong", "誤りのある行を飛ばして、正しい行を描きます"))]
    pub keep_going: bool,
    #[arg(long, help = tell("Treat warnings as errors", "警告をエラーとして扱います"))]
    pub strict: bool,
    #[arg(
        long,
        help = tell(
            "Read lines that are wrong as webui does: silently, as a prompt",
            "誤りのある行を webui と同じように、黙ってプロンプトとして読みます"
        ),
    )]
    pub webui_quirks: bool,
    #[arg(
        long,
        help = tell("Stop before the first picture: check everything, write nothing", "描く前に止めます。すべてを確かめ、何も書きません"),
    )]
    pub dry_run: bool,
    #[arg(
        long, value_name = "I/N", value_parser = shard,
        help = tell(
            "Draw one part of several, as in 1/4; `auto` or `auto/4` asks SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX",
            "1/4 のように、いくつかに分けたうちの一つを描きます。`auto` や `auto/4` は SLURM_ARRAY_TASK_ID か JOB_COMPLETION_INDEX に従います"
        ),
    )]
    pub shard: Option<Shard>,
    #[arg(
        long,
        help = tell(
            "Share the folder with other workers: each picture is drawn by one of them",
            "フォルダーをほかのプロセスと共有します。画像はそれぞれ一つのプロセスが描きます"
        ),
    )]
    pub claim: bool,
    #[arg(long, help = tell("Put all pictures into one, grid.png, at the end", "最後にすべての画像を一枚 (grid.png) にまとめます"))]
    pub grid: bool,
    #[arg(long, help = tell("Print events as lines of JSON and no progress", "出来事を JSON の行で出力し、進捗は出しません"))]
    pub json: bool,
    /// What lines that say nothing else have.
    #[command(flatten)]
    pub defaults: SettingsArgs,
    #[command(flatten)]
    pub places: PlaceArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
    #[command(flatten)]
    pub via: ViaArgs,
}

fn shard(text: &str) -> Result<Shard, Text> {
    Shard::parse(text, |name| std::env::var(name).ok())
}

#[derive(Debug, Subcommand)]
pub enum BatchCommand {
    #[command(about = tell("How far a batch is", "バッチの進み具合"))]
    Status {
        #[arg(value_name = "DIR", help = tell("The folder of the batch", "バッチのフォルダー"))]
        folder: PathBuf,
        #[arg(long, help = tell("Print the result as JSON", "結果を JSON で出力します"))]
        json: bool,
    },
    #[command(about = tell("Whether every picture of a batch is there and undamaged", "バッチの画像がすべて無事にあるかどうか"))]
    Verify {
        #[arg(value_name = "DIR", help = tell("The folder of the batch", "バッチのフォルダー"))]
        folder: PathBuf,
        #[arg(long, help = tell("Print the result as JSON", "結果を JSON で出力します"))]
        json: bool,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum FormArg {
    Webui,
    Kohya,
    Inspire,
    Json,
    Csv,
    Infotexts,
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
            most: None,
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
    let (session, drawer) = args.via.open(&args.places, caller, &args.engine)?;
    let mut batch = Batch::prepare(&session, &wish)?;
    let mut renderer = drawer.renderer(session.clone())?;
    batch.check_files(&mut *renderer);
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
    let running = draw_batch(batch, &wish, &folder, &mut *renderer, &mut watch);
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
