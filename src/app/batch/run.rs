//! Draws a batch: jobs in the order that changes the model least, each under a claim, each recorded when its file is whole.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::path::{Path, PathBuf};

use super::folder::Folder;
use super::prepare::{Batch, Planned, Wish, lora_key};
use crate::app::draw::{self, Outcome, Sink, draw};
use crate::app::error::{Error, Result};
use crate::app::random::new_seed_base;
use crate::app::renderer::Renderer;
use crate::batch::{Job, Manifest, ManifestError, NameParts, Pattern, State, sweep};
use crate::diagnostic::code;
use crate::say;

/// What came of a run.
#[derive(Debug)]
pub struct Running {
    /// What became of this worker's jobs.
    pub outcome: Outcome,
    /// How many these were.
    pub of: usize,
    /// All pictures of the batch, in the order of its lines: file, width, height.
    pub pictures: Vec<(PathBuf, u32, u32)>,
}

/// Draws `batch` into `folder`.
pub fn run(
    batch: Batch,
    wish: &Wish,
    folder: &Path,
    renderer: &mut dyn Renderer,
    sink: &mut dyn Sink,
) -> Result<Running> {
    let Batch { names, jobs: planned, .. } = batch;
    // Files are hashed here and not under the manifest's lock: other workers need not wait for it.
    for planned in &planned {
        renderer.id(&planned.plan, &planned.model)?;
    }
    let several = names.len() > 1;
    let mut named = Vec::new();
    let manifest = Manifest::plan(folder, &names, new_seed_base(), |base, old| {
        named = name_jobs(wish, planned, base, several, renderer)?;
        refuse_foreign_files(folder, &named, old)?;
        Ok::<_, Stop>(named.iter().map(|(_, job)| job.clone()).collect())
    })
    .map_err(|stop| stop.0)?;

    let jobs: Vec<draw::Job> = named.iter().map(|(planned, job)| drawable(planned, job)).collect();
    let mine: Vec<usize> = (0..jobs.len()).filter(|n| wish.shard.is_none_or(|shard| shard.has(*n))).collect();
    let manifest_jobs: Vec<Job> = named.into_iter().map(|(_, job)| job).collect();
    let mut store = Folder::new(folder, manifest, &manifest_jobs, wish.claim);
    let outcome = draw(&jobs, &order(&jobs, &mine), renderer, &mut store, sink)?;
    sweep(folder).map_err(|e| Error::writing(folder, &e))?;
    let pictures = jobs.iter().map(|job| {
        let (width, height) = job.plan.size();
        (folder.join(job.file.as_deref().unwrap_or_default()), width, height)
    });
    Ok(Running { of: mine.len(), pictures: pictures.collect(), outcome })
}

fn drawable(planned: &Planned, job: &Job) -> draw::Job {
    draw::Job {
        plan: planned.plan.clone(),
        model: planned.model.clone(),
        name: planned.place.to_string(),
        place: Some(planned.place.clone()),
        pasted: planned.pasted.clone(),
        id: job.id.clone(),
        file: Some(job.file.clone()),
    }
}

/// What is dearest to change changes least: checkpoints, then LoRAs, then texts; otherwise as the lines stand.
fn order(jobs: &[draw::Job], mine: &[usize]) -> Vec<usize> {
    let models = first_places(mine, |n| jobs[n].model.clone());
    let loras = first_places(mine, |n| lora_key(&jobs[n].plan));
    let texts = first_places(mine, |n| (jobs[n].plan.first.prompt.clone(), jobs[n].plan.first.negative_prompt.clone()));
    let mut places: Vec<usize> = (0..mine.len()).collect();
    places.sort_by_key(|at| (models[*at], loras[*at], texts[*at], *at));
    places.into_iter().map(|at| mine[at]).collect()
}

/// For each of `mine` the place at which its key first comes.
fn first_places<K: Eq + Hash>(mine: &[usize], key: impl Fn(usize) -> K) -> Vec<usize> {
    let mut first: HashMap<K, usize> = HashMap::new();
    mine.iter().enumerate().map(|(at, n)| *first.entry(key(*n)).or_insert(at)).collect()
}

/// A refusal while the manifest is locked.
struct Stop(Error);

impl From<ManifestError> for Stop {
    fn from(error: ManifestError) -> Self {
        Stop(error.into())
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop(error)
    }
}

/// Gives every picture its seed, its id and its file.
fn name_jobs(
    wish: &Wish,
    jobs: Vec<Planned>,
    base: u64,
    several: bool,
    renderer: &mut dyn Renderer,
) -> Result<Vec<(Planned, Job)>> {
    let default = if several { "{file}-{line:04}-{seed}" } else { "{line:04}-{seed}" };
    let pattern = match &wish.name {
        Some(pattern) => pattern.clone(),
        None => default.parse::<Pattern>()?,
    };
    let mut taken: HashMap<String, usize> = HashMap::new();
    let mut named = Vec::new();
    for (number, mut planned) in (1..).zip(jobs) {
        planned.draw_seed(base);
        let id = renderer.id(&planned.plan, &planned.model)?;
        let name = pattern.name(&name_parts(&planned, number, renderer.model_hash(&planned.model)?));
        // The same name again gets a number; file systems may not tell upper from lower case.
        let count = taken.entry(name.to_lowercase()).or_default();
        *count += 1;
        let file = match *count {
            1 => name,
            n => format!("{}-{n}.png", name.trim_end_matches(".png")),
        };
        let seed = planned.plan.settings().seed;
        let (source, line) = (planned.place.file.to_string(), planned.place.line);
        let state = State::Planned;
        named.push((planned, Job { id, file, source, line, seed, state, crc32: None, error: None, host: None }));
    }
    Ok(named)
}

fn name_parts(planned: &Planned, number: usize, model_hash: String) -> NameParts {
    let first = &planned.plan.first;
    let s = &first.settings;
    let stem = |path: &Path| path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let loras: Vec<_> = first.loras.iter().map(|l| l.name.as_str()).collect();
    NameParts {
        file: stem(Path::new(&*planned.place.file)),
        line: planned.place.line,
        number,
        seed: s.seed,
        subseed: s.subseed,
        steps: s.steps,
        cfg_scale: s.cfg_scale,
        width: s.width,
        height: s.height,
        sampler: s.sampler.label().to_owned(),
        schedule_type: s.schedule_type.label().to_owned(),
        model_name: stem(&planned.model.checkpoint),
        model_hash,
        lora: loras.join("+"),
        prompt: first.prompt.clone(),
        negative_prompt: first.negative_prompt.clone(),
    }
}

/// A file that this batch did not make is not written over.
fn refuse_foreign_files(folder: &Path, named: &[(Planned, Job)], old: Option<&Manifest>) -> Result<()> {
    let known: HashSet<&str> = old.iter().flat_map(|manifest| manifest.files()).collect();
    let files = named.iter().map(|(_, job)| job.file.as_str());
    let foreign: Vec<_> = files.filter(|file| !known.contains(file) && folder.join(file).exists()).collect();
    let Some(first) = foreign.first() else { return Ok(()) };
    let (folder, others) = (folder.display(), foreign.len() - 1);
    let message = match others {
        0 => say!(
            "{folder}: {first} would be written over, and this batch did not make it",
            "{folder}: {first} を上書きしてしまいます。このバッチが作ったものではありません"
        ),
        _ => say!(
            "{folder}: {first} and {others} other files would be written over, and this batch did not make them",
            "{folder}: {first} ほか {others} 個を上書きしてしまいます。このバッチが作ったものではありません"
        ),
    };
    Err(Error::file(code::WOULD_OVERWRITE, message)
        .help(say!("choose another folder with -o", "-o で別のフォルダーを指定してください")))
}
