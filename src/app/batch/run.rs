//! Draws a batch: jobs in the order that changes the model least, each under a claim, each recorded when its file is whole.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::folder::Folder;
use super::prepare::{Batch, Line, Wish, lora_key};
use crate::app::draw::{self, Jobs, Outcome, Sink, draw};
use crate::app::error::{Error, Result};
use crate::app::prompts::no_plan;
use crate::app::random::new_seed_base;
use crate::app::renderer::Renderer;
use crate::app::session::Pictures;
use crate::batch::{Job, Location, Manifest, ManifestError, NameParts, Pattern, State, location};
use crate::diagnostic::code;
use crate::files::limits::BATCH_PICTURES;
use crate::plan::Plan;
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

/// Whether `folder` can be that of a batch, as far as that is told without opening it.
pub fn could_be(folder: &Path) -> Result<()> {
    location(folder).map(drop).map_err(|error| ManifestError::Location(error).into())
}

/// Draws `batch` into `folder`, which may be a bucket.
pub fn run(
    batch: Batch<'_>,
    wish: &Wish,
    folder: &Path,
    renderer: &mut dyn Renderer,
    sink: &mut dyn Sink,
) -> Result<Running> {
    if batch.pictures() > BATCH_PICTURES {
        let (pictures, most) = (batch.pictures(), BATCH_PICTURES);
        let message = say!(
            "the files ask for {pictures} pictures, and one folder takes {most}",
            "画像が {pictures} 枚あります。一つのフォルダーには {most} 枚までです"
        );
        return Err(Error::words(code::OUT_OF_LIMITS, message)
            .help(say!("divide the files or their counts", "ファイルか枚数を分けてください")));
    }
    // Files are hashed here and not under the manifest's lock: other workers need not wait for it.
    for line in &batch.drawn {
        renderer.id(line.pictures(batch.session, 0)?.first(), &line.model)?;
    }
    let mut jobs = BatchJobs { batch: &batch, base: 0, named: Vec::new(), last: RefCell::default() };
    let location = location(folder).map_err(ManifestError::Location)?;
    let manifest = Manifest::plan(location.clone(), &batch.names, new_seed_base(), |base, old| {
        jobs.base = base;
        let planned = jobs.name(wish, renderer)?;
        refuse_foreign_files(&*location, &planned, old)?;
        Ok::<_, Stop>(planned)
    })
    .map_err(|stop| stop.0)?;

    let mine: Vec<usize> = (0..jobs.count()).filter(|n| wish.shard.is_none_or(|shard| shard.has(*n))).collect();
    let mut store = Folder::new(manifest, wish.claim);
    let outcome = draw(&jobs, &jobs.order(&mine), renderer, &mut store, sink)?;
    location.sweep().map_err(|e| Error::writing(folder, &e))?;
    let pictures = jobs.named.iter().map(|named| (location.path(&named.file), named.size.0, named.size.1));
    Ok(Running { of: mine.len(), pictures: pictures.collect(), outcome })
}

/// The pictures of a batch, whose plans are made when their turn comes.
struct BatchJobs<'b> {
    batch: &'b Batch<'b>,
    /// What open seeds are drawn from.
    base: u64,
    named: Vec<Named>,
    /// The pictures of the line that was asked for last.
    last: RefCell<Option<(usize, Rc<Pictures>)>>,
}

/// What is settled about a picture.
struct Named {
    /// Its line among those that are drawn, and its number within it.
    line: usize,
    image: u64,
    id: String,
    file: String,
    size: (u32, u32),
    /// What tells its LoRAs and weights, and its texts, from others.
    keys: [u64; 2],
}

impl BatchJobs<'_> {
    fn pictures(&self, line: usize) -> Result<Rc<Pictures>> {
        let mut last = self.last.borrow_mut();
        if let Some((_, pictures)) = last.as_ref().filter(|(known, _)| *known == line) {
            return Ok(pictures.clone());
        }
        let pictures = Rc::new(self.batch.drawn[line].pictures(self.batch.session, self.base)?.into_owned());
        *last = Some((line, pictures.clone()));
        Ok(pictures)
    }

    fn plan(&self, line: usize, image: u64) -> Result<Plan> {
        let session = self.batch.session;
        self.pictures(line)?.plan(session, &session.presets, image).ok_or_else(no_plan)
    }

    /// Gives every picture its seed, its id and its file.
    fn name(&mut self, wish: &Wish, renderer: &mut dyn Renderer) -> Result<Vec<Job>> {
        let several = self.batch.names.len() > 1;
        let default = if several { "{file}-{line:04}-{seed}" } else { "{line:04}-{seed}" };
        let pattern = match &wish.name {
            Some(pattern) => pattern.clone(),
            None => default.parse::<Pattern>()?,
        };
        let mut taken: HashMap<String, usize> = HashMap::new();
        let mut jobs = Vec::new();
        self.named.clear();
        for (at, line) in self.batch.drawn.iter().enumerate() {
            for image in 0..line.images {
                let plan = self.plan(at, image)?;
                let id = renderer.id(&plan, &line.model)?;
                let model_hash = renderer.model_hash(&line.model)?;
                let name = pattern.name(&name_parts(&plan, line, jobs.len() + 1, model_hash));
                // The same name again gets a number; file systems may not tell upper from lower case.
                let count = taken.entry(name.to_lowercase()).or_default();
                *count += 1;
                let file = match *count {
                    1 => name,
                    n => format!("{}-{n}.png", name.trim_end_matches(".png")),
                };
                let texts = key_of(&(&plan.first.prompt, &plan.first.negative_prompt));
                self.named.push(Named {
                    line: at,
                    image,
                    id: id.clone(),
                    file: file.clone(),
                    size: plan.size(),
                    keys: [lora_key(&plan), texts],
                });
                let (source, seed) = (line.place().file.to_string(), plan.settings().seed);
                let (line, state) = (line.place().line, State::Planned);
                jobs.push(Job {
                    id,
                    file,
                    source,
                    line,
                    seed,
                    state,
                    crc32: None,
                    error: None,
                    host: None,
                    version: None,
                });
            }
        }
        Ok(jobs)
    }

    /// What is dearest to change changes least: checkpoints, then LoRAs, then texts; otherwise as the lines stand.
    fn order(&self, mine: &[usize]) -> Vec<usize> {
        let models = first_places(mine, |n| &self.batch.drawn[self.named[n].line].model);
        let [loras, texts] = [0, 1].map(|key| first_places(mine, |n| self.named[n].keys[key]));
        let mut places: Vec<usize> = (0..mine.len()).collect();
        places.sort_by_key(|at| (models[*at], loras[*at], texts[*at], *at));
        places.into_iter().map(|at| mine[at]).collect()
    }
}

impl Jobs for BatchJobs<'_> {
    fn count(&self) -> usize {
        self.named.len()
    }

    fn get(&self, number: usize) -> Result<Cow<'_, draw::Job>> {
        let named = &self.named[number];
        let line = &self.batch.drawn[named.line];
        Ok(Cow::Owned(draw::Job {
            plan: self.plan(named.line, named.image)?,
            model: line.model.clone(),
            name: line.place().to_string(),
            place: Some(line.place().clone()),
            pasted: line.pasted.clone(),
            id: named.id.clone(),
            file: Some(named.file.clone()),
        }))
    }
}

fn key_of(value: &impl Hash) -> u64 {
    let mut key = DefaultHasher::new();
    value.hash(&mut key);
    key.finish()
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

fn name_parts(plan: &Plan, line: &Line, number: usize, model_hash: String) -> NameParts {
    let first = &plan.first;
    let s = &first.settings;
    let stem = |path: &Path| path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let loras: Vec<_> = first.loras.iter().map(|l| l.name.as_str()).collect();
    NameParts {
        file: stem(Path::new(&*line.place().file)),
        line: line.place().line,
        number,
        seed: s.seed,
        subseed: s.subseed,
        steps: s.steps,
        cfg_scale: s.cfg_scale,
        width: s.width,
        height: s.height,
        sampler: s.sampler.label().to_owned(),
        schedule_type: s.schedule_type.label().to_owned(),
        model_name: stem(&line.model.checkpoint),
        model_hash,
        lora: loras.join("+"),
        prompt: first.prompt.clone(),
        negative_prompt: first.negative_prompt.clone(),
    }
}

/// A file that this batch did not make is not written over.
fn refuse_foreign_files(location: &dyn Location, jobs: &[Job], old: Option<&Manifest>) -> Result<()> {
    let known: HashSet<&str> = old.iter().flat_map(|manifest| manifest.files()).collect();
    let files = jobs.iter().map(|job| job.file.as_str());
    let foreign: Vec<_> = files.filter(|file| !known.contains(file) && location.has(file)).collect();
    let Some(first) = foreign.first() else { return Ok(()) };
    let (folder, others) = (location.path(""), foreign.len() - 1);
    let folder = folder.display();
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
    Err(Error::file(code::WOULD_OVERWRITE, message).help(say!(
        "choose another folder with -o; if manifest.jsonl was removed or cut short, bring it back or move the pictures away",
        "-o で別のフォルダーを指定してください。manifest.jsonl が消えたか途中で切れた場合は、元に戻すか画像を別の場所へ移してください"
    )))
}
