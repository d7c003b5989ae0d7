//! Drawing a batch: jobs in the order that changes the model least, each under a claim, each recorded when its file is whole.

use std::collections::{HashMap, HashSet};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;

use super::painters::Painters;
use super::prepare::{Planned, Prepared, lora_key, new_seed_base};
use super::report::failure;
use super::{BatchArgs, announce, event, warn};
use crate::batch::{Job, Manifest, ManifestError, NameParts, Pattern, State, claim, sweep};
use crate::cli::exit::{CommandResult, Exit, Failure};
use crate::cli::painter::Painter;
use crate::cli::report as say;
use crate::engine::Event;
use crate::image_io::encode_png;
use crate::study::grid::{Fonts, Labels, Layout};

/// How long to wait before looking whether another worker has finished or died.
const WAIT: Duration = Duration::from_millis(200);

/// A job with its plan.
struct Work {
    planned: Planned,
    job: Job,
}

pub fn run(args: &BatchArgs, folder: &Path, prepared: Prepared) -> CommandResult {
    let Prepared { names, jobs, mut painters, .. } = prepared;
    let interrupts = interrupts();
    let mut works = Vec::new();
    // Files are hashed here and not under the manifest's lock: other workers need not wait for it.
    for planned in &jobs {
        painters.get(&planned.model)?.job_id(&planned.plan)?;
    }
    let several = names.len() > 1;
    let mut manifest = Manifest::plan(folder, &names, new_seed_base(), |base, old| {
        works = name_jobs(args, jobs, base, several, &mut painters)?;
        refuse_foreign_files(folder, &works, old)?;
        Ok::<_, Stop>(works.iter().map(|w| w.job.clone()).collect())
    })
    .map_err(|stop| stop.0)?;

    let mine: Vec<usize> = (0..works.len()).filter(|n| args.shard.is_none_or(|shard| shard.has(*n))).collect();
    let mut order = mine.clone();
    // Checkpoints first, then LoRAs, then texts: what is dearest to change changes least.
    let key = |n: &usize| {
        let plan = &works[*n].planned.plan;
        (works[*n].planned.model.clone(), lora_key(plan), plan.prompt.clone(), plan.negative_prompt.clone(), *n)
    };
    order.sort_by_cached_key(key);

    let mut progress = Progress::new(args.json, mine.len());
    let mut outcome = Outcome::default();
    let mut left = order;
    while !left.is_empty() {
        let mut busy = Vec::new();
        for n in left {
            if interrupts.load(Ordering::SeqCst) > 0 {
                progress.finish();
                let message =
                    format!("interrupted after {} of {} pictures; the same command goes on", outcome.done, mine.len());
                return Err(Failure { exit: Exit::Interrupted, message });
            }
            let work = &works[n];
            if manifest.is_done(&work.job.id, &work.job.file) {
                outcome.done += 1;
                outcome.were_there += 1;
                progress.skip();
                continue;
            }
            let claimed = claim(folder, &work.job.id).map_err(|e| io(folder, e))?;
            let Some(claimed) = claimed else {
                if !args.claim {
                    let message = format!("{}: another lbw draws here; --claim shares the work", folder.display());
                    return Err(Failure::file(message));
                }
                busy.push(n);
                continue;
            };
            // It may have been finished by another worker a moment ago.
            manifest.refresh().map_err(failure)?;
            if manifest.is_done(&work.job.id, &work.job.file) {
                outcome.done += 1;
                outcome.were_there += 1;
                progress.skip();
                continue;
            }
            progress.begin(&work.job.file);
            let painter = painters.only(&work.planned.model)?;
            let painted = painter.paint(&work.planned.plan, &mut |e| progress.on(&e));
            let mut job = work.job.clone();
            match painted {
                Ok(picture) => {
                    let bytes = encode_png(&picture.image, &picture.parameters, Some(&picture.plan));
                    let bytes = bytes.map_err(|e| Failure::file(e.to_string()))?;
                    let path = folder.join(&job.file);
                    claimed.write(&path, &bytes).map_err(|e| io(&path, e))?;
                    job.state = State::Done;
                    job.crc32 = Some(crc32fast::hash(&bytes));
                    job.error = None;
                    manifest.record(&job).map_err(failure)?;
                    outcome.done += 1;
                    progress.end();
                    let line = format!("{}:{}", job.source, job.line);
                    announce(args.json, &path, &job.id, &line, outcome.done, mine.len());
                }
                Err(failure_of_job) => {
                    let what = format!("{}:{}: {}", job.source, job.line, failure_of_job.message);
                    job.state = State::Failed;
                    job.error = Some(failure_of_job.message);
                    manifest.record(&job).map_err(failure)?;
                    outcome.failed += 1;
                    progress.end();
                    match args.json {
                        true => event(json!({ "event": "failed", "file": job.file, "id": job.id, "error": job.error })),
                        false => say::error(&what),
                    }
                }
            }
        }
        left = busy;
        if !left.is_empty() {
            std::thread::sleep(WAIT);
            manifest.refresh().map_err(failure)?;
        }
    }
    progress.finish();
    sweep(folder).map_err(|e| io(folder, e))?;
    if args.grid && outcome.failed == 0 {
        draw_grid(folder, &works)?;
    }
    finish(args, folder, &outcome, mine.len())
}

#[derive(Default)]
struct Outcome {
    done: usize,
    were_there: usize,
    failed: usize,
}

fn finish(args: &BatchArgs, folder: &Path, outcome: &Outcome, all: usize) -> CommandResult {
    if args.json {
        event(
            json!({ "event": "end", "pictures": all, "done": outcome.done, "were_there": outcome.were_there, "failed": outcome.failed }),
        );
    } else {
        let there =
            if outcome.were_there > 0 { format!(" ({} were there)", outcome.were_there) } else { String::new() };
        say::note(&format!("{} of {all} pictures are in {}{there}", outcome.done, folder.display()));
    }
    match outcome.failed {
        0 => Ok(Exit::Done),
        failed => Err(Failure { exit: Exit::SomeFailed, message: format!("{failed} of {all} pictures failed") }),
    }
}

/// A refusal while the manifest is locked.
struct Stop(Failure);

impl From<ManifestError> for Stop {
    fn from(error: ManifestError) -> Self {
        match error {
            ManifestError::OtherBatch { .. } => Stop(Failure::text(error.to_string())),
            error => Stop(failure(error)),
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop(failure)
    }
}

/// Gives every picture its seed, its id and its file.
fn name_jobs(
    args: &BatchArgs,
    jobs: Vec<Planned>,
    base: u64,
    several: bool,
    painters: &mut Painters,
) -> Result<Vec<Work>, Failure> {
    let default = if several { "{file}-{line:04}-{seed}" } else { "{line:04}-{seed}" };
    let pattern = match &args.name {
        Some(pattern) => pattern.clone(),
        None => default.parse::<Pattern>().map_err(|e| Failure::text(e.to_string()))?,
    };
    let mut taken: HashMap<String, usize> = HashMap::new();
    let mut works = Vec::new();
    for (number, mut planned) in (1..).zip(jobs) {
        planned.draw_seed(base);
        let painter = painters.get(&planned.model)?;
        let id = painter.job_id(&planned.plan)?;
        let name = pattern.name(&name_parts(&planned, number, painter)?);
        // The same name again gets a number; file systems may not tell upper from lower case.
        let count = taken.entry(name.to_lowercase()).or_default();
        *count += 1;
        let file = match *count {
            1 => name,
            n => format!("{}-{n}.png", name.trim_end_matches(".png")),
        };
        let seed = planned.plan.settings.seed;
        let (source, line) = (planned.source.clone(), planned.line);
        let job = Job { id, file, source, line, seed, state: State::Planned, crc32: None, error: None };
        works.push(Work { planned, job });
    }
    Ok(works)
}

fn name_parts(planned: &Planned, number: usize, painter: &mut Painter) -> Result<NameParts, Failure> {
    let s = &planned.plan.settings;
    let stem = |path: &Path| path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let loras: Vec<_> = planned.plan.loras.iter().map(|l| l.name.as_str()).collect();
    Ok(NameParts {
        file: stem(Path::new(&planned.source)),
        line: planned.line,
        number,
        seed: s.seed,
        subseed: s.subseed,
        steps: s.steps,
        cfg_scale: s.cfg_scale,
        width: s.width,
        height: s.height,
        sampler: s.sampler.label().to_owned(),
        schedule_type: s.schedule_type.label().to_owned(),
        model_name: stem(&planned.model),
        model_hash: painter.short_model_hash()?,
        lora: loras.join("+"),
        prompt: planned.plan.prompt.clone(),
        negative_prompt: planned.plan.negative_prompt.clone(),
    })
}

/// A file that this batch did not make is not written over.
fn refuse_foreign_files(folder: &Path, works: &[Work], old: Option<&Manifest>) -> Result<(), Failure> {
    let known: HashSet<&str> = old.iter().flat_map(|manifest| manifest.files()).collect();
    let files = works.iter().map(|w| w.job.file.as_str());
    let foreign: Vec<_> = files.filter(|file| !known.contains(file) && folder.join(file).exists()).collect();
    match foreign.as_slice() {
        [] => Ok(()),
        [first, rest @ ..] => Err(Failure::file(format!(
            "{}: {first}{} would be written over, and this batch did not make it; choose another folder with -o",
            folder.display(),
            if rest.is_empty() { String::new() } else { format!(" and {} other files", rest.len()) }
        ))),
    }
}

/// Ctrl-C: the first one lets the picture be finished, the second one stops at once.
fn interrupts() -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = count.clone();
    let set = ctrlc::set_handler(move || match seen.fetch_add(1, Ordering::SeqCst) {
        0 => eprintln!("\ninterrupted: this picture is finished first; once more stops now"),
        _ => std::process::exit(Exit::Interrupted as i32),
    });
    if set.is_err() {
        warn("Ctrl-C stops at once: its handler could not be set");
    }
    count
}

fn io(path: &Path, error: std::io::Error) -> Failure {
    Failure::file(format!("{}: {error}; nothing that is finished is lost, the same command goes on", path.display()))
}

/// All pictures in the order of the lines, in about a square, under their file names.
fn draw_grid(folder: &Path, works: &[Work]) -> Result<(), Failure> {
    let failed = |e: &dyn std::fmt::Display| Failure::file(format!("the grid was not drawn: {e}"));
    let size = |w: &Work| (w.planned.plan.settings.width, w.planned.plan.settings.height);
    let cell = works.first().map(size).unwrap_or_default();
    if works.iter().any(|w| size(w) != cell) {
        return Err(Failure::text("--grid: the pictures are not all of one size; the pictures themselves are done"));
    }
    let columns = (works.len() as f64).sqrt().ceil().max(1.0) as usize;
    let rows = works.len().div_ceil(columns);
    let labels =
        Labels { columns: vec![String::new(); columns], rows: vec![String::new(); rows], corner: String::new() };
    let layout = Layout::new(&labels, cell, &mut Fonts::embedded()).map_err(|e| failed(&e))?;
    let mut sheet = layout.sheet();
    for (n, work) in works.iter().enumerate() {
        let image = crate::cli::cells::read(&folder.join(&work.job.file))?;
        sheet.put(n % columns, n / columns, &image).map_err(|e| failed(&e))?;
    }
    let bytes = encode_png(&sheet.into_image(), "", None).map_err(|e| failed(&e))?;
    let path = folder.join("grid.png");
    crate::image_io::write_file(&path, &bytes, crate::image_io::Existing::Replace).map_err(|e| failed(&e))?;
    say::note(&format!("all pictures in one: {}", path.display()));
    Ok(())
}

/// One bar for the batch and one for the picture; plain lines where there is no terminal.
struct Progress {
    bars: Option<(ProgressBar, ProgressBar)>,
    plain: bool,
    done: usize,
    drawn: u32,
    of: usize,
    busy: Duration,
    began: Instant,
}

impl Progress {
    fn new(quiet: bool, of: usize) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bars = (!quiet && terminal).then(|| {
            let all = MultiProgress::new();
            let bar = |template: &str, length: u64| {
                let bar = all.add(ProgressBar::new(length));
                if let Ok(style) = ProgressStyle::with_template(template) {
                    bar.set_style(style);
                }
                bar
            };
            (bar("{bar:32} {pos}/{len} pictures, ETA {eta}", of as u64), bar("{bar:32} {pos}/{len} steps, {msg}", 0))
        });
        Progress {
            bars,
            plain: !quiet && !terminal,
            done: 0,
            drawn: 0,
            of,
            busy: Duration::ZERO,
            began: Instant::now(),
        }
    }

    fn begin(&mut self, file: &str) {
        self.began = Instant::now();
        if let Some((_, picture)) = &self.bars {
            picture.set_message(file.to_owned());
            picture.set_position(0);
        }
    }

    fn on(&self, event: &Event<'_>) {
        if let (Some((_, picture)), Event::Step { index, steps, .. }) = (&self.bars, event) {
            picture.set_length(*steps as u64);
            picture.set_position(*index as u64);
        }
    }

    fn skip(&mut self) {
        self.done += 1;
        if let Some((batch, _)) = &self.bars {
            batch.set_position(self.done as u64);
        }
    }

    fn end(&mut self) {
        self.skip();
        self.drawn += 1;
        self.busy += self.began.elapsed();
        if self.plain {
            let each = self.busy / self.drawn;
            let left = each * u32::try_from(self.of - self.done).unwrap_or(u32::MAX);
            eprintln!("{}/{}, {:.1} s each, ETA {} s", self.done, self.of, each.as_secs_f64(), left.as_secs());
        }
    }

    fn finish(&self) {
        if let Some((batch, picture)) = &self.bars {
            picture.finish_and_clear();
            batch.finish_and_clear();
        }
    }
}
