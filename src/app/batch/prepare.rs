//! Everything before the first picture: files are read, every line is planned, every name is looked up.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::app::catalogue::ModelFiles;
use crate::app::error::{Error, Result, refuses};
use crate::app::memory::Memory;
use crate::app::prompts::no_plan;
use crate::app::renderer::Renderer;
use crate::app::session::{Asked, Pictures, Session};
use crate::app::source::{self, Reading, Sources};
use crate::batch::{Entry, Finding, Pattern, Place, Shard};
use crate::diagnostic::{Code, Diagnostic, Severity, code};
use crate::files::limits::{BATCH_PLANS, BATCH_PROMPTS};
use crate::infotext::Pasted;
use crate::plan::{Plan, Request};
use crate::say;

/// So many notes with one code are said in full; a long file would bury its errors under them.
const NOTES_SAID: usize = 3;

/// How a batch is drawn.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Prompt files and folders.
    pub inputs: Vec<PathBuf>,
    /// How they are read.
    pub reading: Reading,
    /// Names of the pictures.
    pub name: Option<Pattern>,
    /// Draw the good lines where others are wrong.
    pub keep_going: bool,
    /// Warnings refuse, too.
    pub strict: bool,
    /// Draw one part of several.
    pub shard: Option<Shard>,
    /// Share the folder with other workers.
    pub claim: bool,
    /// The most pictures that are planned for somebody else.
    pub most: Option<u64>,
}

/// A line whose pictures are to be drawn. Its plans are made when they are needed: with a long negative prompt for all lines they would
/// take a hundred times what the lines do.
pub struct Line {
    entry: Entry,
    /// Its pictures, kept as long as there is room.
    kept: Option<Pictures>,
    /// With which files.
    pub model: ModelFiles,
    /// What an infotext says about its files.
    pub pasted: Option<Arc<Pasted>>,
    /// How many pictures.
    pub images: u64,
    size: (u32, u32),
    /// The seeds of the first.
    seeds: [u64; 2],
    /// How often the line came before, where it leaves the seed open: its seed depends on that and on its text.
    open_seed: Option<u64>,
    /// How many sets of LoRAs and weights its pictures have, and what tells the first from those of other lines.
    sets: (u64, u64),
}

impl Line {
    /// Where it stands.
    pub fn place(&self) -> &Place {
        &self.entry.place
    }

    /// The size of its pictures.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Its pictures, where seeds that are left open are drawn from `base`. The same folder and line give the same seed, so a second
    /// run finds its pictures.
    pub(super) fn pictures(&self, session: &Session, base: u64) -> Result<Cow<'_, Pictures>> {
        let [mut seed, subseed] = self.seeds;
        if let Some(repeat) = self.open_seed {
            let text = format!("{}\0{repeat}", text_of(&self.entry));
            let digest = Sha256::digest([&base.to_le_bytes()[..], text.as_bytes()].concat());
            // webui draws below 2³²; the images of a line count up.
            seed = digest.iter().take(4).fold(0, |seed, byte| seed << 8 | u64::from(*byte));
        }
        match &self.kept {
            Some(kept) if seed == self.seeds[0] => return Ok(Cow::Borrowed(kept)),
            Some(kept) if kept.are_alike() => return Ok(Cow::Owned(kept.clone().with_seed(seed))),
            _ => {}
        }
        let mut found = Vec::new();
        let mut asked = session.ask(self.entry.clone(), &mut found)?;
        let settings = &mut asked.request.settings;
        (settings.seed, settings.subseed) = (seed, subseed);
        Ok(Cow::Owned(session.pictures(&asked, &session.presets).0.ok_or_else(no_plan)?))
    }
}

/// A batch that has been read and checked.
pub struct Batch<'s> {
    pub(super) session: &'s Session,
    /// The files, as they were called.
    pub names: Vec<String>,
    /// Lines with pictures, in the order of the files.
    pub drawn: Vec<Line>,
    /// Lines that ask for something.
    pub lines: usize,
    found: Vec<Finding>,
}

impl<'s> Batch<'s> {
    /// Reads and plans all lines.
    pub fn prepare(session: &'s Session, wish: &Wish) -> Result<Self> {
        Batch::of(session, source::files(&wish.inputs, wish.reading)?, wish)
    }

    /// The same with a piece of a prompt file of this name, whose first line has this number in it.
    pub fn of_text(session: &'s Session, name: &str, text: &str, first_line: usize, wish: &Wish) -> Result<Self> {
        Batch::of(session, source::text(name, text, first_line, wish.reading), wish)
    }

    fn of(session: &'s Session, sources: Sources, wish: &Wish) -> Result<Self> {
        let wrong: HashSet<&Place> = errors(&sources.found).collect();
        let mut batch = Batch {
            session,
            lines: sources.entries.len() + wrong.len(),
            names: sources.names,
            drawn: Vec::new(),
            found: Vec::new(),
        };
        batch.found = sources.found;
        let shared =
            session.caller.patch.iter().map(|(_, value)| value.as_str().map_or(0, str::len) as u64).sum::<u64>();
        if shared.saturating_mul(sources.entries.len() as u64) > BATCH_PROMPTS {
            return Err(too_much());
        }
        let room = Room { most: wish.most, ..Room::default() };
        let lines: Vec<_> = sources.entries.into_par_iter().map(|entry| planned(session, entry, &room)).collect();
        let mut repeats: HashMap<[u8; 32], u64> = HashMap::new();
        for (line, found) in lines {
            batch.found.extend(found);
            let Some(mut line) = line else { continue };
            let repeat = repeats.entry(Sha256::digest(text_of(&line.entry)).into()).or_default();
            *repeat += 1;
            line.open_seed = line.open_seed.map(|_| *repeat);
            batch.drawn.push(line);
        }
        Ok(batch)
    }

    /// Opens the checkpoints and LoRA files. Lines whose files are of no use are taken out, and are wrong.
    pub fn check_files(&mut self, renderer: &mut dyn Renderer) {
        for line in std::mem::take(&mut self.drawn) {
            let place = line.place().clone();
            let said = line.pictures(self.session, 0).and_then(|all| renderer.check(all.first(), &line.model));
            let (found, is_good) = match said {
                Ok(found) => (found, true),
                Err(error) => (error.findings, false),
            };
            self.found.extend(found.into_iter().map(|diagnostic| Finding { place: place.clone(), diagnostic }));
            self.drawn.extend(Some(line).filter(|_| is_good));
        }
    }

    /// Whether the pictures of each line fit into the memory they may take. What is saved is said once.
    pub fn check_memory(&mut self, memory: &Memory) {
        let mut saved = Vec::new();
        for line in &self.drawn {
            let Ok(pictures) = line.pictures(self.session, 0) else { continue };
            for diagnostic in memory.check(pictures.first(), &line.model) {
                if diagnostic.severity != Severity::Error {
                    if saved.contains(&diagnostic) {
                        continue;
                    }
                    saved.push(diagnostic.clone());
                }
                self.found.push(Finding { place: line.place().clone(), diagnostic });
            }
        }
    }

    /// The plans of all pictures, one after the other, each with its line, with seeds that are left open drawn from `base`.
    pub fn planned(&self, base: u64) -> impl Iterator<Item = Result<(&Line, Plan)>> {
        let of_line = move |line| {
            let all = Line::pictures(line, self.session, base).map(Cow::into_owned);
            (0..line.images).map(move |image| match &all {
                Ok(all) => {
                    let plan = all.plan(self.session, &self.session.presets, image);
                    plan.map(|plan| (line, plan)).ok_or_else(no_plan)
                }
                Err(error) => Err(error.clone()),
            })
        };
        self.drawn.iter().flat_map(of_line)
    }

    /// [`Batch::planned`] without the lines.
    pub fn plans(&self, base: u64) -> impl Iterator<Item = Result<Plan>> {
        self.planned(base).map(|planned| planned.map(|(_, plan)| plan))
    }

    /// How many pictures there are.
    pub fn pictures(&self) -> u64 {
        self.drawn.iter().fold(0, |all, line| all.saturating_add(line.images))
    }

    /// What was found, with its places, as it was found.
    pub fn found(&self) -> &[Finding] {
        &self.found
    }

    /// Everything that was found, in the order of the files; of the notes with one code only the first ones.
    pub fn findings(&self) -> Vec<Diagnostic> {
        let order = |place: &Place| {
            (self.names.iter().position(|n| **n == *place.file).unwrap_or(self.names.len()), place.line)
        };
        let mut all: Vec<&Finding> = self.found.iter().collect();
        all.sort_by_key(|found| order(&found.place));
        let mut notes: BTreeMap<Code, usize> = BTreeMap::new();
        let mut said: Vec<Diagnostic> = Vec::new();
        for Finding { place, diagnostic } in all {
            if diagnostic.severity == Severity::Note {
                let count = notes.entry(diagnostic.code).or_default();
                *count += 1;
                if *count > NOTES_SAID {
                    continue;
                }
            }
            said.push(placed(diagnostic, place));
        }
        for (code, count) in notes {
            if let Some(more @ 1..) = count.checked_sub(NOTES_SAID) {
                let message = say!(
                    "{more} more like the note {code} above; `lbw explain {code}` tells about it",
                    "上の注意 {code} と同じものがほかに {more} 件あります。`lbw explain {code}` に説明があります"
                );
                said.push(Diagnostic::new(code::MORE_FINDINGS, message));
            }
        }
        said
    }

    /// Lines from which nothing is drawn.
    pub fn wrong_lines(&self) -> usize {
        errors(&self.found).collect::<HashSet<_>>().len()
    }

    /// Why nothing is drawn, if nothing is.
    pub fn refusal(&self, wish: &Wish) -> Option<Error> {
        let found = self.found.iter().any(|f| refuses(std::slice::from_ref(&f.diagnostic), wish.strict));
        if !found || (wish.keep_going && !self.drawn.is_empty()) {
            let names = self.names.join(", ");
            let message = say!("{names}: nothing is asked for", "{names}: 描くものがありません");
            return self.drawn.is_empty().then(|| Error::words(code::BAD_LINE, message));
        }
        let (wrong, lines) = (self.wrong_lines(), self.lines);
        let message = say!(
            "nothing was drawn: {wrong} of {lines} lines are wrong",
            "何も描いていません: {lines} 行のうち {wrong} 行に誤りがあります"
        );
        let found = self.found.iter().map(|found| found.diagnostic.clone()).collect();
        let error = Error::new(Error::refused(found).kind, code::BAD_LINE, message);
        Some(if wish.keep_going {
            error
        } else {
            error.help(say!("--keep-going draws the good lines", "--keep-going を付けると正しい行を描きます"))
        })
    }

    /// What will be drawn: pictures, lines, checkpoints, sets of LoRAs and weights.
    pub fn summary(&self) -> [u64; 4] {
        let models: HashSet<_> = self.drawn.iter().map(|line| &line.model).collect();
        let sets: HashMap<u64, u64> = self.drawn.iter().map(|line| (line.sets.1, line.sets.0)).collect();
        [self.pictures(), self.lines as u64, models.len() as u64, sets.values().sum()]
    }
}

fn errors(found: &[Finding]) -> impl Iterator<Item = &Place> {
    found.iter().filter(|f| f.diagnostic.severity == Severity::Error).map(|f| &f.place)
}

/// A finding that says where it belongs, also where it points into no text.
fn placed(found: &Diagnostic, place: &Place) -> Diagnostic {
    match &found.source {
        Some(_) if !found.labels.is_empty() => found.clone(),
        _ => found.clone().note(say!("at {place}", "場所: {place}")),
    }
}

/// How many pictures there may be, and are; and how much text all lines have with what is laid beneath them.
#[derive(Default)]
struct Room {
    most: Option<u64>,
    taken: AtomicU64,
    text: AtomicU64,
    plans: AtomicU64,
}

impl Room {
    /// Takes room for some pictures and their prompts; an error where there is none.
    fn take(&self, asked: &Asked) -> Result<()> {
        let refused = |message| Err(Error::words(code::OUT_OF_LIMITS, message));
        let taken = self.taken.fetch_add(asked.images, Ordering::Relaxed).saturating_add(asked.images);
        if let Some(most) = self.most.filter(|most| taken > *most) {
            return refused(say!(
                "the file asks for more than {most} pictures",
                "ファイルの画像が {most} 枚を超えています"
            ));
        }
        let length = length(&asked.request);
        if self.text.fetch_add(length, Ordering::Relaxed) + length > BATCH_PROMPTS {
            return Err(too_much());
        }
        Ok(())
    }

    /// Whether there is room to keep the plan of `request`.
    fn keeps(&self, request: &Request) -> bool {
        /// What a plan of a few words takes, and of each letter: in the request, in the plan, and in its pieces.
        const EACH: u64 = 6 << 10;
        const LETTER: u64 = 4;
        let needed = EACH + LETTER * length(request);
        self.plans.fetch_add(needed, Ordering::Relaxed) + needed <= BATCH_PLANS
    }
}

fn too_much() -> Error {
    let mib = BATCH_PROMPTS >> 20;
    let message = say!(
        "the prompts of all lines, with what is given for all of them, are longer than {mib} MiB",
        "全行のプロンプトが、共通の指定を含めて {mib} MiB を超えています"
    );
    Error::words(code::OUT_OF_LIMITS, message)
}

/// Bytes of all prompts.
fn length(request: &Request) -> u64 {
    let Request { prompt, negative_prompt, hires_prompt, hires_negative_prompt, .. } = request;
    [prompt, negative_prompt, hires_prompt, hires_negative_prompt].iter().map(|text| text.text.len() as u64).sum()
}

/// The line that `entry` is, unless something is wrong with it; and what is to be said.
fn planned(session: &Session, entry: Entry, room: &Room) -> (Option<Line>, Vec<Finding>) {
    let place = entry.place.clone();
    let mut found = Vec::new();
    let asked = session.ask(entry.clone(), &mut found).and_then(|asked| room.take(&asked).map(|()| asked));
    let line = match asked {
        Ok(asked) => {
            let (pictures, said) = session.pictures(&asked, &session.presets);
            found.extend(said);
            pictures.map(|pictures| {
                let keeps = room.keeps(&asked.request);
                Line::new(entry, asked, pictures, keeps)
            })
        }
        Err(error) => {
            found.extend(error.findings);
            None
        }
    };
    (line, found.into_iter().map(|diagnostic| Finding { place: place.clone(), diagnostic }).collect())
}

impl Line {
    fn new(entry: Entry, asked: Asked, pictures: Pictures, keeps: bool) -> Self {
        let Asked { request, images, model, pasted, open_seed, .. } = asked;
        let sets = if pictures.are_alike() { 1 } else { images };
        Line {
            // Its seed is settled, and what else was drawn.
            seeds: [request.settings.seed, request.settings.subseed],
            pasted: pasted.map(|pasted| Arc::new(*pasted)),
            open_seed: open_seed.then_some(0),
            sets: (sets, lora_key(pictures.first())),
            size: pictures.first().size(),
            kept: Some(pictures).filter(|_| keeps),
            entry,
            model,
            images,
        }
    }
}

/// What an entry says, without where.
fn text_of(entry: &Entry) -> String {
    let fields = entry.patch.iter().map(|(setting, value)| format!("{}={value}", setting.name));
    fields.collect::<Vec<_>>().join("\0")
}

/// What the weights of the model depend on.
pub(super) fn lora_key(plan: &Plan) -> u64 {
    let mut key = DefaultHasher::new();
    for pass in plan.passes() {
        // Plain data always has a JSON form.
        serde_json::to_string(&pass.loras).unwrap_or_default().hash(&mut key);
    }
    key.finish()
}
