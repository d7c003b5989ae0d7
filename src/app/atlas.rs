//! What each block of a LoRA does on a checkpoint, alone and in each third of the steps: drawn and measured, without a goal.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::draw::{Event, Sink};
use super::easel::{Easel, missing};
use super::error::{Error, Result};
use super::folder::Folder;
use super::lora;
use super::renderer::Renderer;
use super::scene::{Scene, Version, Working, one_setting, say_of_steps, that_matter};
use super::session::{Asked, Session};
use super::store::read_cell;
use super::subject::{BASE, Subject};
use crate::diagnostic::{Diagnostic, Language, code};
use crate::files;
use crate::files::limits::TEXT;
use crate::lora::LoraHashes;
use crate::say;
use crate::study::analyzer_prompt::tags_behind;
pub use crate::study::atlas::{Atlas, compare};
use crate::study::atlas::{Block, Measure, Named, PARTS, read};
use crate::study::tune::{Attribute, Look};
use crate::study::words::Idle;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The LoRA, where none is marked lbw=XYZ.
    pub lora: Option<String>,
    /// How many seeds, counting up, every prompt is drawn with.
    pub seeds: usize,
    /// Whether with all steps, and not with a quarter of them.
    pub whole: bool,
    /// The folder of the pictures and the atlas; a run that was stopped goes on in it.
    pub output: PathBuf,
    /// The language of the page.
    pub language: Language,
}

/// What is asked for, in words: what `lbw atlas` has flags for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fields {
    /// The LoRA, where none is marked lbw=XYZ.
    pub lora: Option<String>,
    /// How many seeds every prompt is drawn with.
    pub seeds: Option<usize>,
    /// Prompts to draw beside the first.
    pub prompts: Vec<String>,
    /// Whether with all steps.
    pub whole: bool,
    /// The name of the folder.
    pub folder: Option<String>,
}

impl Fields {
    /// The wish, with its pictures in the folder `output`.
    pub fn wish(&self, output: PathBuf, language: Language) -> Wish {
        Wish { lora: self.lora.clone(), seeds: self.seeds.unwrap_or(SEEDS), whole: self.whole, output, language }
    }
}

/// Seeds of each prompt where nothing is said.
pub const SEEDS: usize = 2;

/// The most pictures that an atlas of so many scenes may draw: each block over all steps and in each part of them, and two to compare with.
pub fn most_pictures(scenes: usize) -> usize {
    const BLOCKS: usize = 17;
    scenes.saturating_mul(2 + BLOCKS * (1 + PARTS as usize))
}

/// The atlas, and the page that shows it.
pub struct Drawn {
    /// What the blocks do.
    pub atlas: Atlas,
    /// `atlas.html`.
    pub page: PathBuf,
}

/// Draws each block alone, measures, and writes the atlas.
pub fn atlas(
    session: Arc<Session>,
    asked: Vec<Asked>,
    wish: &Wish,
    renderer: &mut dyn Renderer,
    sink: &mut dyn Sink,
) -> Result<Drawn> {
    let lora = wish.lora.as_deref();
    let (mut subject, texts, found) = checked(session, asked, wish)?;
    for found in &found {
        sink.event(Event::Found(found));
    }
    let (steps, parts) = wish.steps(&subject)?;
    let folder = Folder::open(&wish.output, &json!({ "atlas": texts }), &mut subject, sink)?;
    let seed = |n: usize| subject.seed().saturating_add(i64::try_from(n).unwrap_or(i64::MAX));
    let scene = |text: &String, n| Scene { prompt: text.clone(), seed: seed(n) };
    let scenes = texts.iter().flat_map(|text| (0..wish.seeds).map(move |n| scene(text, n))).collect();
    let easel = Easel::new(renderer, &subject.model, folder.cells(), sink);
    let mut easel = Drawing { easel, subject: &subject, lora, scenes, steps, parts };
    let atlas = folder.outcome(easel.draw(&folder, wish.language))?;
    folder.write("atlas", &atlas, &atlas.page(&mut |name| read_cell(&folder.path(name)))?)?;
    Ok(Drawn { atlas, page: folder.path("atlas.html") })
}

/// What is drawn, its prompts, and what is to be said of them before.
fn checked(session: Arc<Session>, asked: Vec<Asked>, wish: &Wish) -> Result<(Subject, Vec<String>, Vec<Diagnostic>)> {
    if wish.seeds == 0 {
        let message = say!("--seeds 0: at least one seed is needed", "--seeds 0: シードは一つ以上要ります");
        return Err(Error::words(code::STUDY, message));
    }
    let lora = wish.lora.as_deref();
    let (first, texts) = one_setting(asked, lora)?;
    let subject = Subject::new(session, first, lora, ["0".to_owned(), "1".to_owned()])?;
    let found = subject.check(lora, &texts)?;
    wish.steps(&subject)?;
    let thirds = say!("an atlas looks at each third of the steps", "アトラスはステップを三つに分けて調べます");
    subject.refuse_windows(lora, &texts, &thirds)?;
    Ok((subject, texts, found))
}

/// What is wrong or surprising about an atlas that is not drawn yet.
pub fn check(session: Arc<Session>, asked: Vec<Asked>, wish: &Wish) -> Result<Vec<Diagnostic>> {
    checked(session, asked, wish).map(|(_, _, found)| found)
}

/// Reads an atlas: its file, or the folder that it lies in.
pub fn open(path: &Path) -> Result<Atlas> {
    let file = if path.is_dir() { path.join("atlas.json") } else { path.to_owned() };
    if path.is_dir() && !file.exists() && path.join("request.json").exists() {
        let path = path.display();
        let message = say!("{path}: the atlas there is not finished", "{path}: アトラスがまだ完成していません");
        return Err(Error::file(code::UNUSABLE_FILE, message)
            .help(say!("the same `lbw atlas` goes on with it", "同じ `lbw atlas` で続きから描けます")));
    }
    let text = files::read(&file, TEXT).map_err(|e| Error::reading(&file, &e))?;
    let atlas: Atlas = serde_json::from_slice(&text).map_err(|e| {
        let file = file.display();
        let message = say!("{file}: this is no atlas: {e}", "{file}: アトラスではありません: {e}");
        Error::file(code::UNUSABLE_FILE, message)
            .help(say!("`lbw atlas` makes one: atlas.json", "`lbw atlas` が作る atlas.json を指定してください"))
    })?;
    if !atlas.is_sound() {
        let file = file.display();
        let message = say!(
            "{file}: an atlas of another lbw, or one that was changed",
            "{file}: ほかの版の lbw のアトラスか、書き換えられたアトラスです"
        );
        return Err(Error::file(code::UNUSABLE_FILE, message)
            .help(say!("`lbw atlas` makes it anew", "`lbw atlas` で作り直してください")));
    }
    Ok(atlas)
}

impl Wish {
    /// The steps of each picture, and their parts.
    fn steps(&self, subject: &Subject) -> Result<(u32, Vec<[u32; 2]>)> {
        const LEAST: u32 = 6;
        let whole = subject.whole_steps();
        let steps = if self.whole { whole } else { (whole / 4).max(LEAST).min(whole) };
        match Atlas::parts_of(steps) {
            Some(parts) => Ok((steps, parts)),
            None => {
                let message = say!(
                    "--steps {whole}: an atlas needs at least {LEAST}, two for each third",
                    "--steps {whole}: アトラスには少なくとも {LEAST} ステップ (3 分の 1 ごとに 2) が要ります"
                );
                Err(Error::words(code::STUDY, message))
            }
        }
    }
}

struct Drawing<'a> {
    easel: Easel<'a>,
    subject: &'a Subject,
    lora: Option<&'a str>,
    scenes: Vec<Scene>,
    steps: u32,
    parts: Vec<[u32; 2]>,
}

impl Drawing<'_> {
    fn draw(&mut self, folder: &Folder, language: Language) -> Result<Atlas> {
        let subject = self.subject;
        let first = self.scenes.first().cloned().ok_or_else(missing)?;
        let names = subject.blocks();
        let all = (0..names.len()).map(|block| (block, 1.0));
        let (lora, steps) = (self.lora, self.steps);
        let plan = |vector: &str| first.plan(subject, lora, Version::Vector(vector), steps);
        let Working { blocks: matter, idle } = that_matter(&mut self.easel, subject, all, plan)?;
        say_of_steps(self.easel.sink, subject, lora, &self.scenes, steps)?;
        let mut versions =
            vec![("base".to_owned(), Version::Base), ("full".to_owned(), Version::Vector(&subject.reference))];
        let vectors = matter.iter().map(|block| subject.alone(*block, 1.0)).collect::<Result<Vec<_>>>()?;
        for (block, vector) in matter.iter().zip(&vectors) {
            let name = names[*block];
            versions.push((name.to_owned(), Version::Alone(vector, None)));
            for [from, to] in self.parts_of(name) {
                versions.push((format!("{name}-{from}-{to}"), Version::Alone(vector, Some([*from, *to]))));
            }
        }
        let mut plans = Vec::new();
        for (name, version) in &versions {
            for scene in &self.scenes {
                let plan = scene.plan(subject, self.lora, *version, self.steps)?;
                plans.push((format!("{}-{name}", scene.seed), plan));
            }
        }
        let files = self.easel.draw(plans)?;
        let mut looks = Vec::new();
        for files in files.chunks(self.scenes.len()) {
            looks.push(files.iter().map(|file| self.easel.look(&read_cell(file)?, true)).collect::<Result<Vec<_>>>()?);
        }
        let (loras, model) = self.named()?;
        let picture = |version: usize| folder.relative(&files[version * self.scenes.len()]);
        let attributes = attributes(&looks);
        let (base, full) = (&looks[0], &looks[1]);
        let readings = |version: &Vec<Look>| -> Vec<Vec<f64>> {
            let scenes = base.iter().zip(full).zip(version);
            scenes.map(|((base, full), look)| read(&attributes, base, full, look)).collect()
        };
        let whole = readings(full);
        let mut measures = looks.iter().map(|version| Measure::all(&attributes, &readings(version), &whole)).skip(1);
        let mut next = || measures.next().ok_or_else(missing);
        let (of_whole, mut at, mut blocks) = (next()?, 2, Vec::new());
        for block in &matter {
            let (name, always) = (names[*block], next()?);
            let parts: Vec<_> = self.parts_of(name).iter().map(|_| next()).collect::<Result<_>>()?;
            blocks.push(Block { id: name.to_owned(), always, picture: picture(at), parts });
            at += 1 + self.parts_of(name).len();
        }
        let because = |is_why: fn(Idle) -> bool| -> Vec<String> {
            let of = idle.iter().filter(|(_, why)| is_why(*why));
            of.map(|(block, _)| names[*block].to_owned()).collect()
        };
        let vector = vec!["1"; names.len()].join(",");
        Ok(Atlas {
            format: Atlas::FORMAT,
            language,
            model,
            loras,
            tags: tags_behind("", &subject.marked.with(&vector, &subject.complement(&subject.reference)?))
                .trim()
                .to_owned(),
            scenes: self.scenes.iter().map(|scene| (scene.prompt.clone(), scene.seed)).collect(),
            steps: self.steps,
            parts: self.parts.clone(),
            attributes,
            whole: of_whole,
            blocks,
            idle: because(|why| why == Idle::Absent),
            off: because(|why| why != Idle::Absent),
            references: [picture(0), picture(1)],
            work: self.easel.work,
        })
    }

    /// The parts in which a block is drawn: BASE acts on the prompt, before all of them.
    fn parts_of(&self, name: &str) -> &[[u32; 2]] {
        if name == BASE { &[] } else { &self.parts }
    }

    fn named(&mut self) -> Result<(Vec<Named>, Named)> {
        let subject = self.subject;
        let mut loras = Vec::new();
        for name in &subject.marked.names {
            // Where another host draws, the file may be there alone.
            let hash = match lora::find(name, &subject.session) {
                Ok(path) => Some(LoraHashes::of_file(&path)?.sha256),
                Err(_) => None,
            };
            loras.push(Named { name: name.clone(), hash });
        }
        let stem = subject.model.checkpoint.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let hash = self.easel.renderer.model_hash(&subject.model)?;
        Ok((loras, Named { name: stem.unwrap_or_default(), hash: Some(hash) }))
    }
}

/// What can be measured: styles only where the checkpoint has looked.
fn attributes(looks: &[Vec<Look>]) -> Vec<Attribute> {
    let sees = looks.iter().flatten().all(|look| look.seen.is_some());
    let all = [Attribute::Colors, Attribute::Lines, Attribute::Composition, Attribute::Motif, Attribute::Style];
    all.into_iter().filter(|attribute| sees || *attribute != Attribute::Style).collect()
}
