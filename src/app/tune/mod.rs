//! From a wish to weights: what should change about a LoRA's pictures, searched for with few of them and verified on others.

mod fields;
mod scenes;
mod trials;
mod verify;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use super::draw::{Event, Sink};
use super::easel::Easel;
use super::error::{Error, Result};
use super::folder::Folder;
use super::renderer::Renderer;
use super::saved_preset::SavedPreset;
use super::scene::one_setting;
use super::session::{Asked, Session};
use super::store::read_cell;
use super::subject::{BASE, Subject, twice};
use crate::diagnostic::{Diagnostic, Language, Text, code};
use crate::say;
use crate::study::tune::{Alone, Block, Report, Room, search};
pub use crate::study::tune::{Bound, Goals};
pub use fields::Fields;
use scenes::{SEEDS, Scenes};
use trials::Trials;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The LoRA under test, where none is marked lbw=XYZ.
    pub lora: Option<String>,
    /// What should change and what should not.
    pub goals: Goals,
    /// What the weights of some blocks may be; of the others from 0 to 1.
    pub bounds: Vec<Bound>,
    /// How many seeds, counting up, the prompts are searched with in turn; more than three are not needed.
    pub seeds: usize,
    /// Prompts to verify on; where there are none, common ones.
    pub verify_prompts: Vec<String>,
    /// How many whole pictures the work may be worth.
    pub budget: u32,
    /// The name of a preset for the result.
    pub save_preset: Option<String>,
    /// The folder of the pictures and the report; a run that was stopped goes on in it.
    pub output: PathBuf,
    /// The language of the report.
    pub language: Language,
}

impl Default for Wish {
    fn default() -> Self {
        Wish {
            lora: None,
            goals: Goals::default(),
            bounds: Vec::new(),
            seeds: 2,
            verify_prompts: Vec::new(),
            budget: 40,
            save_preset: None,
            output: PathBuf::from("lbw-tune"),
            language: Language::default(),
        }
    }
}

/// What came of it, and the page that shows it.
pub struct Tuned {
    /// Everything that was found.
    pub report: Report,
    /// `tune.html`.
    pub page: PathBuf,
}

/// Searches, verifies, and writes the report.
pub fn tune(
    session: Arc<Session>,
    asked: Vec<Asked>,
    wish: &Wish,
    renderer: &mut dyn Renderer,
    sink: &mut dyn Sink,
) -> Result<Tuned> {
    wish.refuse_unseen(renderer)?;
    let (mut subject, texts, found) = checked(session, asked, wish)?;
    for found in &found {
        sink.event(Event::Found(found));
    }
    let preset = wish.save_preset.as_deref().map(|name| SavedPreset::new(name, &subject, &wish.output)).transpose()?;
    // Weights over the steps are lbw's own notation: other hosts do not read it.
    let in_steps = renderer.studios().is_some();
    let rooms = wish.rooms(&subject, in_steps)?;
    let changed = rooms.iter().filter(|room| room.whole != 1.0);
    let blocks = subject.blocks();
    subject.reference = subject.vector(changed.map(|room| (blocks[room.block], room.whole)))?;
    let folder = Folder::open(&wish.output, &json!({ "prompts": texts }), &mut subject, sink)?;
    let scenes = Scenes::new(&subject, &texts, wish.seeds, &wish.verify_prompts);
    let easel = Easel::new(renderer, &subject.model, folder.cells(), sink);
    let mut trials = folder.outcome(Trials::new(easel, &subject, wish, &folder))?;
    let mut report = folder.outcome(run(&mut trials, &scenes, &rooms, in_steps))?;
    let Trials { easel, .. } = trials;
    report.work = easel.work;
    folder.write("tune", &report, &report.page(&mut |name| read_cell(&folder.path(name)))?)?;
    if let Some(preset) = preset {
        let is_level = report.suggested().is_none_or(|variant| variant.thirds.is_all());
        let vector = report.level().map(|variant| variant.vector.as_str());
        let saved = if is_level { preset.save(vector)? } else { preset.save_level(vector)? };
        sink.event(Event::Found(&saved));
    }
    Ok(Tuned { report, page: folder.path("tune.html") })
}

/// What is searched with, its prompts, and what is to be said of them before anything is drawn.
fn checked(session: Arc<Session>, asked: Vec<Asked>, wish: &Wish) -> Result<(Subject, Vec<String>, Vec<Diagnostic>)> {
    wish.check()?;
    let lora = wish.lora.as_deref();
    let (first, texts) = one_setting(asked, lora)?;
    let subject = Subject::new(session, first, lora, ["0".to_owned(), "1".to_owned()])?;
    let others = [texts.as_slice(), &wish.verify_prompts].concat();
    let found = [subject.check(lora, &others)?, twice(&wish.verify_prompts), wish.said_of_seeds()].concat();
    let fewer = say!(
        "the search draws with fewer steps, where it would be another",
        "探索は少ないステップで描くので、範囲がずれてしまいます"
    );
    subject.refuse_windows(lora, &others, &fewer)?;
    wish.rooms(&subject, true)?;
    Ok((subject, texts, found))
}

/// What is wrong or surprising about a search that is not drawn yet.
pub fn check(session: Arc<Session>, asked: Vec<Asked>, wish: &Wish) -> Result<Vec<Diagnostic>> {
    checked(session, asked, wish).map(|(_, _, found)| found)
}

fn run(trials: &mut Trials, scenes: &Scenes, rooms: &[Room], in_steps: bool) -> Result<Report> {
    let few = &scenes.search;
    let mut report = trials.report(few);
    report.level_only = !in_steps;
    let mut rooms = trials.rooms_that_matter(rooms, few)?;
    rooms.retain(|room| room.least < room.most);
    trials.share_out(rooms.len(), few.len(), scenes.others.len())?;
    trials.references(few, trials.quick)?;
    let scale = trials.scale(few, trials.quick)?;
    report.is_idle = scale.is_idle();
    if !report.is_idle {
        let blocks = trials.subject.blocks();
        let mut alone = Vec::new();
        for room in &rooms {
            alone.push(match room.least < room.whole {
                true => trials.alone(&scale, *room, few)?,
                false => Alone { room: *room, does: 0.0, keeps: 0.0, guilt: 0.0 },
            });
        }
        let able = alone.iter().filter(|one| one.room.least < one.room.whole);
        report.blocks = able.map(|one| Block::new(blocks[one.room.block], one)).collect();
        report.blocks.sort_by(|p, q| q.guilt.total_cmp(&p.guilt));
        let found = search(&alone, &mut |weights, thirds| trials.score(weights, thirds, few))?;
        report.keeps_nothing = trials.scale(few, trials.quick)?.keeps_nothing();
        report.trials = found.as_ref().map_or(&[][..], |found| &found.trials).iter().map(|t| trials.named(t)).collect();
        if let Some(found) = found {
            report.guilty = found.guilty.iter().map(|block| blocks[*block].to_owned()).collect();
            (report.variants, report.is_idle_elsewhere) = verify::variants(trials, scenes, &rooms, &found)?;
        }
    }
    (report.pictures, report.looked) = (trials.spent(), trials.looked);
    report.verification = trials.verified.clone();
    report.conclude();
    Ok(report)
}

impl Wish {
    fn check(&self) -> Result<()> {
        if self.goals.toward.is_empty() && self.goals.away.is_empty() {
            let message = say!(
                "nothing is to change: say it with --toward or --away",
                "変えたいことがありません。--toward か --away で指定してください"
            );
            return Err(wrong(message));
        }
        if self.seeds == 0 {
            return Err(wrong(say!("--seeds 0: at least one seed is needed", "--seeds 0: シードは一つ以上要ります")));
        }
        Ok(())
    }

    /// An error where the checkpoint's own eyes are needed, and another host has it.
    fn refuse_unseen(&self, renderer: &mut dyn Renderer) -> Result<()> {
        if self.goals.need_seeing() && renderer.studios().is_none() {
            let message = say!(
                "styles, kept compositions and pictures are compared with the checkpoint's own eyes, and another host has it",
                "画風・残す構図・画像の比較にはチェックポイント自身の目を使いますが、それは別のホストにあります"
            );
            return Err(wrong(message).help(say!(
                "with --via keep the motif, colors or lines, toward base-colors, base-lines or base-composition",
                "--via では --keep に motif・colors・lines、--toward に base-colors・base-lines・base-composition を指定してください"
            )));
        }
        Ok(())
    }

    /// That more seeds were asked for than a search takes.
    fn said_of_seeds(&self) -> Vec<Diagnostic> {
        let seeds = self.seeds;
        if seeds <= SEEDS {
            return Vec::new();
        }
        let message = say!(
            "--seeds {seeds}: a search takes {SEEDS} at most; more prompts tell it more",
            "--seeds {seeds}: 探索に使うのは {SEEDS} までです。プロンプトを増やすほうが多くのことが分かります"
        );
        vec![Diagnostic::new(code::WITHOUT_EFFECT, message)]
    }

    /// What the weights of each block may be.
    fn rooms(&self, subject: &Subject, in_steps: bool) -> Result<Vec<Room>> {
        let blocks = subject.blocks();
        let mut rooms: Vec<Room> = (0..blocks.len())
            .map(|block| Room { block, whole: 1.0, least: 0.0, most: 1.0, in_steps: in_steps && blocks[block] != BASE })
            .collect();
        for bound in &self.bounds {
            let Some(at) = blocks.iter().position(|block| block.eq_ignore_ascii_case(&bound.block)) else {
                let (block, known) = (&bound.block, Text::list(&blocks));
                let message = say!(
                    "{block}: there is no such block; there are {known}",
                    "{block}: そのブロックはありません。あるのは {known} です",
                    with known
                );
                return Err(Error::words(code::BOUND, message));
            };
            if self.bounds.iter().filter(|other| other.block.eq_ignore_ascii_case(&bound.block)).count() > 1 {
                let block = blocks[at];
                let message = say!("--fix {block} is given twice", "--fix {block} が二度あります");
                return Err(Error::words(code::BOUND, message));
            }
            let whole = 1f64.clamp(bound.least, bound.most);
            rooms[at] = Room { whole, least: bound.least, most: bound.most, ..rooms[at] };
        }
        Ok(rooms)
    }
}

fn wrong(message: Text) -> Error {
    Error::words(code::GOAL, message)
}
