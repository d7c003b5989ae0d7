//! Everything before the first picture: files are read, every line is planned, every name is looked up.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::app::catalogue::ModelFiles;
use crate::app::error::{Error, Result, refuses};
use crate::app::renderer::Renderer;
use crate::app::session::{Asked, Session};
use crate::app::source::{self, Reading};
use crate::batch::{Entry, Finding, Pattern, Place, Shard};
use crate::diagnostic::{Code, Diagnostic, Severity, code};
use crate::infotext::Pasted;
use crate::plan::Plan;
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

/// One picture that is to be drawn.
pub struct Planned {
    /// What is drawn; its seed is settled by [`Planned::draw_seed`].
    pub plan: Plan,
    /// Where it was asked for.
    pub place: Place,
    /// With which files.
    pub model: ModelFiles,
    /// What an infotext says about its files.
    pub pasted: Option<Arc<Pasted>>,
    /// What its drawn seed depends on, where the line leaves the seed open: the line's text, how often it came before, and the
    /// number of the image within the line.
    open_seed: Option<(String, u64)>,
}

/// A batch that has been read and checked.
pub struct Batch {
    /// The files, as they were called.
    pub names: Vec<String>,
    /// The pictures, in the order of the files.
    pub jobs: Vec<Planned>,
    /// Lines that ask for something.
    pub lines: usize,
    found: Vec<Finding>,
}

impl Batch {
    /// Reads and plans all lines.
    pub fn prepare(session: &Session, wish: &Wish) -> Result<Self> {
        let sources = source::files(&wish.inputs, wish.reading)?;
        let wrong: HashSet<&Place> = errors(&sources.found).collect();
        let mut batch = Batch {
            lines: sources.entries.len() + wrong.len(),
            names: sources.names,
            jobs: Vec::new(),
            found: Vec::new(),
        };
        batch.found = sources.found;
        let room = Room { most: wish.most, taken: AtomicU64::new(0) };
        let lines: Vec<_> = sources.entries.into_par_iter().map(|entry| Line::new(session, entry, &room)).collect();
        let mut repeats: HashMap<String, u64> = HashMap::new();
        for line in lines {
            batch.take(line, &mut repeats);
        }
        Ok(batch)
    }

    fn take(&mut self, line: Line, repeats: &mut HashMap<String, u64>) {
        let Line { place, text, found, asked, plans } = line;
        self.found.extend(found.into_iter().map(|diagnostic| Finding { place: place.clone(), diagnostic }));
        let Some(asked) = asked else { return };
        let repeat = repeats.entry(text.clone()).or_default();
        *repeat += 1;
        let pasted = asked.pasted.map(|pasted| Arc::new(*pasted));
        for (image, plan) in (0..).zip(plans) {
            let open_seed = asked.open_seed.then(|| (format!("{text}\0{repeat}"), image));
            let (place, model, pasted) = (place.clone(), asked.model.clone(), pasted.clone());
            self.jobs.push(Planned { plan, place, model, pasted, open_seed });
        }
    }

    /// Opens the checkpoints and LoRA files. Jobs whose files are of no use are taken out, and their lines are wrong.
    pub fn check_files(&mut self, renderer: &mut dyn Renderer) {
        for job in std::mem::take(&mut self.jobs) {
            match renderer.check(&job.plan, &job.model) {
                Ok(found) => {
                    let place = job.place.clone();
                    self.found.extend(found.into_iter().map(|diagnostic| Finding { place: place.clone(), diagnostic }));
                    self.jobs.push(job);
                }
                Err(error) => {
                    // The images of a line come one after another.
                    let is_said = self
                        .found
                        .last()
                        .is_some_and(|last| last.place == job.place && error.findings.contains(&last.diagnostic));
                    if !is_said {
                        let place = job.place;
                        let all = error.findings.into_iter();
                        self.found.extend(all.map(|diagnostic| Finding { place: place.clone(), diagnostic }));
                    }
                }
            }
        }
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
        if !found || (wish.keep_going && !self.jobs.is_empty()) {
            let message = say!("the files ask for no picture", "ファイルには描くものがありません");
            return self.jobs.is_empty().then(|| Error::words(code::BAD_LINE, message));
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
    pub fn summary(&self) -> [usize; 4] {
        let models: HashSet<_> = self.jobs.iter().map(|job| &job.model).collect();
        let sets: HashSet<_> = self.jobs.iter().map(|job| lora_key(&job.plan)).collect();
        [self.jobs.len(), self.lines, models.len(), sets.len()]
    }
}

fn errors(found: &[Finding]) -> impl Iterator<Item = &Place> {
    found.iter().filter(|f| f.diagnostic.severity == Severity::Error).map(|f| &f.place)
}

/// A finding that says where it belongs, also where it points into no text.
fn placed(found: &Diagnostic, place: &Place) -> Diagnostic {
    match &found.source {
        Some(_) => found.clone(),
        None => found.clone().note(say!("at {place}", "場所: {place}")),
    }
}

/// A line with its plans; none where something is wrong with it.
struct Line {
    place: Place,
    /// What the seeds it leaves open are drawn from.
    text: String,
    found: Vec<Diagnostic>,
    asked: Option<Asked>,
    plans: Vec<Plan>,
}

/// How many pictures there may be, and are.
struct Room {
    most: Option<u64>,
    taken: AtomicU64,
}

impl Room {
    /// Takes room for some pictures; an error where there is none.
    fn take(&self, images: u64) -> Result<()> {
        let Some(most) = self.most else { return Ok(()) };
        let taken = self.taken.fetch_add(images, Ordering::Relaxed).saturating_add(images);
        if taken <= most {
            return Ok(());
        }
        let message = say!("the file asks for more than {most} pictures", "ファイルの画像が {most} 枚を超えています");
        Err(Error::words(code::OUT_OF_LIMITS, message))
    }
}

impl Line {
    fn new(session: &Session, entry: Entry, room: &Room) -> Self {
        let (place, text) = (entry.place.clone(), text_of(&entry));
        let mut found = Vec::new();
        let asked = session.ask(entry, &mut found).and_then(|asked| room.take(asked.images).map(|()| asked));
        let asked = match asked {
            Ok(asked) => asked,
            Err(error) => {
                found.extend(error.findings);
                return Line { place, text, found, asked: None, plans: Vec::new() };
            }
        };
        let (plans, said) = session.plan(&asked);
        found.extend(said);
        Line { place, text, found, asked: Some(asked).filter(|_| !plans.is_empty()), plans }
    }
}

/// What an entry says, without where.
fn text_of(entry: &Entry) -> String {
    let fields = entry.patch.iter().map(|(setting, value)| format!("{}={value}", setting.name));
    fields.collect::<Vec<_>>().join("\0")
}

impl Planned {
    /// Puts in the seed of a line that leaves it open. The same folder and line give the same seed, so a second run finds
    /// its pictures.
    pub(super) fn draw_seed(&mut self, base: u64) {
        if let Some((text, image)) = &self.open_seed {
            let digest = Sha256::digest([&base.to_le_bytes()[..], text.as_bytes()].concat());
            let drawn = digest.iter().take(4).fold(0u64, |seed, byte| seed << 8 | u64::from(*byte));
            let varies = self.plan.settings().subseed_strength == 0.0;
            // webui draws below 2³²; the images of a line count up.
            let seed = drawn + image * u64::from(varies);
            self.plan.first.settings.seed = seed;
            self.plan.later.iter_mut().for_each(|pass| pass.settings.seed = seed);
        }
    }
}

/// What the weights of the model depend on.
pub(super) fn lora_key(plan: &Plan) -> String {
    plan.passes().map(|pass| serde_json::to_string(&pass.loras).unwrap_or_default()).collect()
}
