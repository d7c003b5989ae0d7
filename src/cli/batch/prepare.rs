//! Everything before the first picture: files are read, every line is planned, every name is looked up.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::painters::Painters;
use super::{BatchArgs, event};
use crate::batch::{Entry, Form, Options, Problem};
use crate::cli::exit::Failure;
use crate::cli::files::{Files, ModelFiles};
use crate::cli::modules::LoraModules;
use crate::cli::report;
use crate::cli::request::{Asked, read_text, request};
use crate::cli::settings::without_size;
use crate::diagnostic::{Code, Diagnostic, Said, Severity, Text};
use crate::engine::{check_limits, embedded};
use crate::image_io;
use crate::infotext::{self, Infotext, Pasted, Why};
use crate::plan::{Plan, Request, Settings};
use crate::say;

/// So many notes with one code are said in full; a long file would bury its errors under them.
const NOTES_SAID: usize = 3;

/// One picture that is to be drawn.
pub struct Planned {
    pub plan: Plan,
    pub source: String,
    pub line: usize,
    pub model: ModelFiles,
    /// What its drawn seed depends on, where the line leaves the seed open: the line's text, how often it came before, and the
    /// number of the image within the line.
    pub open_seed: Option<(String, u64)>,
}

/// The files of a pasted model and VAE, or why there are none.
type Models = HashMap<(Option<String>, Option<String>), Result<ModelFiles, String>>;

/// A batch that has been read and checked.
pub struct Prepared {
    sources: Rc<Asked>,
    pub painters: Painters,
    pub names: Vec<String>,
    pub jobs: Vec<Planned>,
    pub lines: usize,
    problems: Vec<Problem>,
    found: Vec<(String, usize, Diagnostic)>,
}

pub fn prepare(args: &BatchArgs) -> Result<Prepared, Failure> {
    let options = Options { defaults: args.defaults.options(), webui_quirks: args.webui_quirks };
    let (mut entries, mut problems, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for input in &args.inputs {
        let name = input.display().to_string();
        if input.is_dir() {
            read_images(input, &options, &mut entries, &mut problems)?;
        } else {
            let text = read_text(input)?;
            let form = args.form.map_or_else(|| Form::of(&name, &text), Form::from);
            let read = form.read(&name, &text, &options);
            entries.extend(read.entries);
            problems.extend(read.problems);
        }
        names.push(name);
    }
    let sources = Rc::new(Asked::nothing(&args.files, None)?);
    let painters = Painters::new(&args.engine, sources.clone());
    let (jobs, found, lines) = (Vec::new(), Vec::new(), entries.len());
    let mut prepared = Prepared { sources, painters, names, jobs, lines, problems, found };
    prepared.lines += prepared.wrong_lines();
    let mut models = Models::new();
    let mut repeats: HashMap<String, u64> = HashMap::new();
    let sources: &Asked = &prepared.sources.clone();
    let read: Vec<_> = entries.par_iter().map(|entry| read_settings(sources, entry)).collect();
    let asked = entries.iter().zip(read).filter_map(|(entry, read)| prepared.ask(args, entry, read, &mut models));
    let asked: Vec<_> = asked.collect();
    let lower =
        |modules: &mut LoraModules<'_>, line: &Line<'_>| sources.lower_images(&line.first, line.entry.images, modules);
    let lowered: Vec<_> = asked.par_iter().map_init(|| LoraModules::new(&sources.loras), lower).collect();
    for (line, (plans, found)) in asked.into_iter().zip(lowered) {
        prepared.plan(args, line, plans, found, &mut repeats);
    }
    Ok(prepared)
}

/// A line that could be read.
struct Line<'a> {
    entry: &'a Entry,
    pasted: Pasted,
    /// Its first picture.
    first: Request,
    model: ModelFiles,
    /// Whether nothing is wrong with its settings.
    good: bool,
}

/// What an entry says about its pictures.
fn read_settings(sources: &Asked, entry: &Entry) -> Result<(Pasted, Settings), infotext::Problem> {
    let mut settings = without_size();
    sources.files.config.apply(&mut settings);
    Ok((entry.infotext.apply(&mut settings)?, settings))
}

/// The infotexts of the images in a folder, in the order of their names.
fn read_images(
    folder: &Path,
    options: &Options,
    entries: &mut Vec<Entry>,
    problems: &mut Vec<Problem>,
) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::file(format!("{}: {e}", folder.display()));
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    let is_image = |p: &PathBuf| {
        p.extension().is_some_and(|e| ["png", "jpg", "jpeg", "webp"].iter().any(|i| e.eq_ignore_ascii_case(i)))
    };
    for path in paths.into_iter().filter(is_image) {
        let name = path.display().to_string();
        let problem = |message: Text| Problem { file: name.clone(), line: 1, message, is_error: true };
        match image_io::read_text(&path) {
            Ok(text) => match text.parameters {
                Some(parameters) => {
                    let read = Form::Infotexts.read(&name, &format!("{parameters}\n"), options);
                    entries.extend(read.entries);
                    problems.extend(read.problems);
                }
                None => problems.push(problem(say!("the image has no infotext", "画像に生成情報がありません"))),
            },
            Err(error) => problems.push(problem(error.said())),
        }
    }
    Ok(())
}

impl Prepared {
    /// What a line asks for, unless it cannot be read.
    fn ask<'a>(
        &mut self,
        args: &BatchArgs,
        entry: &'a Entry,
        read: Result<(Pasted, Settings), infotext::Problem>,
        models: &mut Models,
    ) -> Option<Line<'a>> {
        let (mut pasted, mut settings) = match read {
            Ok(read) => read,
            Err(error) => {
                self.wrong(entry, error.said(), true);
                return None;
            }
        };
        let mut good = true;
        for said in &pasted.not_understood {
            // What the user wrote here must be understood; what another program wrote into an image may be passed over.
            let is_error = !is_pasted(&entry.infotext) && matches!(said.why, Why::Unknown | Why::NotA(_) | Why::Empty);
            good &= !is_error;
            self.wrong(entry, said.said(), is_error);
        }
        let model = models.entry((pasted.model.clone(), pasted.vae.clone())).or_insert_with(|| {
            let mut files = Files::resolve(&args.files, pasted.model.as_deref()).map_err(|e| e.message)?;
            let vae = pasted.vae.as_deref().filter(|_| args.files.vae.is_none());
            vae.into_iter().for_each(|name| files.paste_vae(name));
            files.model().map_err(|e| e.message)
        });
        let model = match model {
            Ok(model) => model.clone(),
            Err(message) => {
                let message = Text::same(message);
                self.wrong(entry, message, true);
                return None;
            }
        };
        let side = if self.sources.files.is_embedded() { embedded::SIZE } else { Settings::default().width };
        for size in [&mut settings.width, &mut settings.height] {
            *size = if *size == 0 { side } else { *size };
        }
        self.sources.files.config.finish(&mut pasted, &mut settings);
        let first = request(&pasted, settings, &entry_name(entry));
        Some(Line { entry, pasted, first, model, good })
    }

    /// Takes the plans of a line's pictures, unless something is wrong with them.
    fn plan(
        &mut self,
        args: &BatchArgs,
        line: Line<'_>,
        plans: Vec<Plan>,
        found: Vec<Diagnostic>,
        repeats: &mut HashMap<String, u64>,
    ) {
        let Line { entry, pasted, model, mut good, .. } = line;
        good &= !report::refuses(&found, args.strict);
        self.found.extend(found.into_iter().map(|d| (entry.file.clone(), entry.line, d)));
        if let Some(error) = plans.iter().find_map(|plan| check_limits(plan).err()) {
            self.wrong(entry, error.said(), true);
            return;
        }
        if !good {
            return;
        }
        let text = line_text(&entry.infotext, &pasted);
        let repeat = repeats.entry(text.clone()).or_default();
        *repeat += 1;
        for (image, plan) in (0..).zip(plans) {
            let open_seed = (!pasted.has_seed).then(|| (format!("{text}\0{repeat}"), image));
            let (source, line, model) = (entry.file.clone(), entry.line, model.clone());
            self.jobs.push(Planned { plan, source, line, model, open_seed });
        }
    }

    fn wrong(&mut self, entry: &Entry, message: Text, is_error: bool) {
        self.problems.push(Problem { file: entry.file.clone(), line: entry.line, message, is_error });
    }

    /// Opens the checkpoints and LoRA files. Jobs whose files are of no use are taken out, and their lines are wrong.
    pub fn check_files(&mut self) {
        for job in std::mem::take(&mut self.jobs) {
            let checked = self.painters.get(&job.model).and_then(|p| p.check_loras(std::slice::from_ref(&job.plan)));
            let Err(failure) = checked else {
                self.jobs.push(job);
                continue;
            };
            // The images of a line come one after another.
            let is_said = self.problems.last().is_some_and(|p| p.file == job.source && p.line == job.line);
            if !is_said {
                let (file, line, message) = (job.source, job.line, Text::same(failure.message));
                self.problems.push(Problem { file, line, message, is_error: true });
            }
        }
    }

    /// Says everything that was found, in the order of the files.
    pub fn say(&self) {
        report::diagnostics(&self.sources.found);
        type Found<'a> = (Vec<&'a Problem>, Vec<&'a Diagnostic>);
        let mut all: BTreeMap<(usize, usize), Found<'_>> = BTreeMap::new();
        let mut notes = BTreeMap::new();
        let order = |file: &str| self.names.iter().position(|n| n == file).unwrap_or(self.names.len());
        for problem in &self.problems {
            all.entry((order(&problem.file), problem.line)).or_default().0.push(problem);
        }
        for (file, line, diagnostic) in &self.found {
            all.entry((order(file), *line)).or_default().1.push(diagnostic);
        }
        for (problems, diagnostics) in all.values() {
            for problem in problems {
                match problem.is_error {
                    true => report::error(&problem.to_string()),
                    false => report::warning(&problem.to_string()),
                }
            }
            for diagnostic in diagnostics.iter().filter(|d| is_said(d, &mut notes)) {
                report::diagnostic(diagnostic);
            }
        }
        for (code, count) in notes {
            if let Some(more @ 1..) = count.checked_sub(NOTES_SAID) {
                report::note(&format!("{more} more like the note {code} above; `lbw explain {code}` tells about it"));
            }
        }
    }

    /// Lines from which nothing is drawn.
    pub fn wrong_lines(&self) -> usize {
        let problems = self.problems.iter().filter(|p| p.is_error).map(|p| (p.file.as_str(), p.line));
        let found = self.found.iter().filter(|(.., d)| d.severity == Severity::Error).map(|(f, l, _)| (f.as_str(), *l));
        problems.chain(found).collect::<std::collections::HashSet<_>>().len()
    }

    pub fn refuses(&self, args: &BatchArgs) -> bool {
        let warned = !self.found.is_empty() || !self.problems.is_empty();
        !args.keep_going && (self.wrong_lines() > 0 || args.strict && warned)
    }

    pub fn summary(&self, json: bool) {
        let distinct = |key: &dyn Fn(&Planned) -> String| {
            self.jobs.iter().map(key).collect::<std::collections::HashSet<_>>().len()
        };
        let models = distinct(&|j| j.model.display().to_string());
        let sets = distinct(&|j| lora_key(&j.plan));
        match json {
            true => event(serde_json::json!({
                "event": "planned", "pictures": self.jobs.len(), "lines": self.lines, "checkpoints": models, "lora_sets": sets
            })),
            false => {
                let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
                report::note(&format!(
                    "{} from {}, {}, {} of LoRAs and weights",
                    plural(self.jobs.len(), "picture"),
                    plural(self.lines, "line"),
                    plural(models, "checkpoint"),
                    plural(sets, "set"),
                ));
            }
        }
    }
}

impl Planned {
    /// Puts in the seed of a line that leaves it open. The same folder and line give the same seed, so a second run finds
    /// its pictures.
    pub fn draw_seed(&mut self, base: u64) {
        if let Some((text, image)) = &self.open_seed {
            let digest = Sha256::digest([&base.to_le_bytes()[..], text.as_bytes()].concat());
            let drawn = digest.iter().take(4).fold(0u64, |seed, byte| seed << 8 | u64::from(*byte));
            // webui draws below 2³²; the images of a line count up.
            self.plan.settings.seed = drawn + image * u64::from(self.plan.settings.subseed_strength == 0.0);
        }
    }
}

/// What the weights of the model depend on.
pub fn lora_key(plan: &Plan) -> String {
    serde_json::to_string(&plan.loras).unwrap_or_default()
}

/// A number nobody can guess, for the seeds of a new batch.
pub fn new_seed_base() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

/// Whether `diagnostic` is said: all warnings and errors, but of the notes with one code only the first.
fn is_said(diagnostic: &Diagnostic, notes: &mut BTreeMap<Code, usize>) -> bool {
    if diagnostic.severity > Severity::Note {
        return true;
    }
    let count = notes.entry(diagnostic.code).or_default();
    *count += 1;
    *count <= NOTES_SAID
}

fn entry_name(entry: &Entry) -> String {
    format!("{}:{}", entry.file, entry.line)
}

fn line_text(infotext: &Infotext, pasted: &Pasted) -> String {
    let fields = serde_json::to_string(&infotext.fields).unwrap_or_default();
    format!("{}\0{}\0{fields}", pasted.prompt, pasted.negative_prompt)
}

/// Whether another program wrote the settings: those come with a sampler and a seed.
fn is_pasted(infotext: &Infotext) -> bool {
    infotext.fields.contains_key("Version") || infotext.fields.contains_key("Model hash")
}
