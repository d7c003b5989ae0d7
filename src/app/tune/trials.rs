//! Vectors that are tried: drawn with few steps on a few scenes, measured, and counted against what the work may cost.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use image::RgbImage;
use image::imageops::{FilterType, resize};

use super::Wish;
use crate::app::draw::Event;
use crate::app::easel::{Easel, missing};
use crate::app::error::{Error, Result};
use crate::app::folder::Folder;
use crate::app::scene::{Scene, Version, Working, say_of_steps, that_matter};
use crate::app::store::read_cell;
use crate::app::subject::{Subject, name_of};
use crate::diagnostic::{Diagnostic, code};
use crate::image_io::{Rgb, read_picture};
use crate::say;
use crate::study::tune::{
    Alone, Beside, Look, Reading, Report, Room, Scale, Score, TRIALS, Thirds, Trial, Tried, Weights,
};
use crate::study::words::Idle;

/// Whole pictures of each scene that the verification compares with: base and whole LoRA.
pub const REFERENCES: usize = 2;
/// Whole pictures that the verification of one scene takes: those and three variants.
const FOR_ONE_SCENE: u32 = 5;
/// Scenes that the verification needs.
const VERIFIED: u32 = 3;

pub struct Trials<'a> {
    pub easel: Easel<'a>,
    pub subject: &'a Subject,
    pub wish: &'a Wish,
    pub folder: &'a Folder,
    /// Steps of the pictures that are searched with.
    pub quick: u32,
    /// Steps that were drawn, here or before.
    steps: u64,
    /// Steps that the search may draw.
    most: u64,
    /// What the pictures of each scene and number of steps are compared with.
    beside: HashMap<(String, i64, u32), Beside>,
    targets: Vec<Look>,
    /// Scenes that were verified on.
    pub verified: Vec<(String, i64)>,
    /// Pictures that the checkpoint looked at.
    pub looked: usize,
}

impl<'a> Trials<'a> {
    pub fn new(easel: Easel<'a>, subject: &'a Subject, wish: &'a Wish, folder: &'a Folder) -> Result<Self> {
        let whole = subject.whole_steps();
        let quick = (whole / 4).max(4).min(whole);
        let (beside, verified, targets) = Default::default();
        let (steps, most, looked) = (0, 0, 0);
        let mut trials = Trials { easel, subject, wish, folder, quick, steps, most, beside, targets, verified, looked };
        let settings = &subject.request.settings;
        for path in wish.goals.pictures() {
            let picture = target(path, settings.width.min(settings.height))?;
            let look = trials.look(&picture)?;
            trials.targets.push(look);
        }
        Ok(trials)
    }

    /// Of the rooms, those of the blocks in which the LoRA does anything at all; and says which bounds are those of others.
    pub fn rooms_that_matter(&mut self, rooms: &[Room], few: &[Scene]) -> Result<Vec<Room>> {
        let Some(scene) = few.first() else { return Ok(Vec::new()) };
        let (subject, lora, steps) = (self.subject, self.lora(), self.quick);
        let blocks = rooms.iter().map(|room| (room.block, room.whole));
        let plan = |vector: &str| scene.plan(subject, lora, Version::Vector(vector), steps);
        let Working { blocks, idle } = that_matter(&mut self.easel, subject, blocks, plan)?;
        say_of_steps(self.easel.sink, subject, lora, few, steps)?;
        self.say_of_bounds(&idle);
        Ok(rooms.iter().filter(|room| blocks.contains(&room.block)).copied().collect())
    }

    /// Says which bounds are those of blocks in which the LoRA does nothing.
    fn say_of_bounds(&mut self, idle: &[(usize, Idle)]) {
        let blocks = self.subject.blocks();
        for bound in &self.wish.bounds {
            let why = idle.iter().find(|(block, _)| bound.block.eq_ignore_ascii_case(blocks[*block]));
            let Some((_, why)) = why else { continue };
            let (block, why) = (&bound.block, why.said());
            let message = say!(
                "--fix {block} has no effect: {why}",
                "--fix {block} に効果はありません。{why}",
                with why
            );
            self.easel.sink.event(Event::Found(&Diagnostic::new(code::WITHOUT_EFFECT, message)));
        }
    }

    /// Sees that the work can be done at all, and leaves as much of it for the verification as that needs.
    pub fn share_out(&mut self, blocks: usize, few: usize, others: usize) -> Result<()> {
        let whole = u64::from(self.subject.whole_steps().max(1));
        let scenes = u64::from(VERIFIED).min(others as u64);
        let verification = scenes * u64::from(FOR_ONE_SCENE) * whole;
        // Base, whole LoRA, each block alone, and all that seem guilty together: without that nothing can be said.
        let search = (few * (3 + blocks)) as u64 * u64::from(self.quick);
        let (budget, least) = (self.wish.budget, (verification + search).div_ceil(whole));
        if u64::from(budget) < least {
            let message = say!(
                "--budget {budget}: this takes at least {least} whole pictures",
                "--budget {budget}: 少なくとも {least} 枚分の描画が要ります"
            );
            let help = say!(
                "write `--budget {least}` or more, or fewer prompts",
                "`--budget {least}` 以上にするか、プロンプトを減らしてください"
            );
            return Err(Error::words(code::STUDY, message).help(help));
        }
        self.most = u64::from(budget) * whole - verification;
        self.easel.expect(few * (REFERENCES + blocks + TRIALS) + (scenes * u64::from(FOR_ONE_SCENE)) as usize);
        Ok(())
    }

    /// Whole pictures that what was drawn is worth.
    pub fn spent(&self) -> f64 {
        self.steps as f64 / f64::from(self.subject.whole_steps().max(1))
    }

    fn lora(&self) -> Option<&'a str> {
        self.wish.lora.as_deref()
    }

    /// Draws one version of some scenes; gives the files.
    pub fn draw(&mut self, scenes: &[Scene], version: Version<'_>, name: &str, steps: u32) -> Result<Vec<PathBuf>> {
        let mut plans = Vec::new();
        for scene in scenes {
            plans.push((format!("{}-{name}", scene.seed), scene.plan(self.subject, self.lora(), version, steps)?));
        }
        self.steps += plans.len() as u64 * u64::from(steps);
        self.easel.draw(plans)
    }

    fn looks(&mut self, files: &[PathBuf]) -> Result<Vec<Look>> {
        files.iter().map(|file| self.look(&read_cell(file)?)).collect()
    }

    fn look(&mut self, picture: &RgbImage) -> Result<Look> {
        let look = self.easel.look(picture, self.wish.goals.need_seeing())?;
        self.looked += usize::from(look.seen.is_some());
        Ok(look)
    }

    /// Draws the base model's and the whole LoRA's pictures of some scenes; gives the files of each.
    pub fn references(&mut self, scenes: &[Scene], steps: u32) -> Result<[Vec<PathBuf>; 2]> {
        let reference = self.subject.reference.clone();
        let files = [
            self.draw(scenes, Version::Base, "base", steps)?,
            self.draw(scenes, Version::Vector(&reference), "full", steps)?,
        ];
        let looks = self.looks(&files[0])?.into_iter().zip(self.looks(&files[1])?);
        for (scene, (base, full)) in scenes.iter().zip(looks) {
            self.beside.insert(key(scene, steps), Beside { base, full, others: None });
        }
        Ok(files)
    }

    /// What the references say; once it is known what the others draw, next to that.
    pub fn scale(&self, scenes: &[Scene], steps: u32) -> Result<Scale> {
        let (mut base, mut full) = (Vec::new(), Vec::new());
        for scene in scenes {
            let beside = self.beside(scene, steps)?;
            base.push(self.wish.goals.read(&beside.base, beside, &self.targets));
            full.push(self.wish.goals.read(&beside.full, beside, &self.targets));
        }
        Ok(Scale::new(&self.wish.goals, &base, &full))
    }

    fn beside(&self, scene: &Scene, steps: u32) -> Result<&Beside> {
        self.beside.get(&key(scene, steps)).ok_or_else(missing)
    }

    /// What pictures say, one of each scene.
    fn readings(&self, scenes: &[Scene], looks: &[Rc<Look>], steps: u32) -> Result<Vec<Reading>> {
        let read = |(scene, look): (&Scene, &Rc<Look>)| {
            Ok(self.wish.goals.read(look, self.beside(scene, steps)?, &self.targets))
        };
        scenes.iter().zip(looks).map(read).collect()
    }

    /// Measures several vectors' pictures of the same scenes. The last vector, if none was before, tells what is drawn by the others than
    /// the guilty blocks.
    pub fn measure(
        &mut self,
        scenes: &[Scene],
        vectors: &[Vec<PathBuf>],
        steps: u32,
    ) -> Result<(Scale, Vec<Vec<Reading>>)> {
        let mut looks = Vec::new();
        for files in vectors {
            looks.push(self.looks(files)?.into_iter().map(Rc::new).collect::<Vec<_>>());
        }
        for (scene, look) in scenes.iter().zip(looks.last().into_iter().flatten()) {
            if let Some(beside) = self.beside.get_mut(&key(scene, steps)) {
                beside.others.get_or_insert_with(|| look.clone());
            }
        }
        let readings = looks.iter().map(|looks| self.readings(scenes, looks, steps)).collect::<Result<_>>()?;
        Ok((self.scale(scenes, steps)?, readings))
    }

    /// What a block does alone on the base model, with few steps.
    pub fn alone(&mut self, scale: &Scale, room: Room, scenes: &[Scene]) -> Result<Alone> {
        let blocks = self.subject.blocks();
        let vector = self.subject.alone(room.block, room.whole)?;
        let name = format!("{}-alone", blocks[room.block]);
        let files = self.draw(scenes, Version::Alone(&vector, None), &name, self.quick)?;
        let looks: Vec<Rc<Look>> = self.looks(&files)?.into_iter().map(Rc::new).collect();
        Ok(scale.alone(room, &self.readings(scenes, &looks, self.quick)?))
    }

    /// Tries weights on some scenes with few steps; nothing where that would cost too much.
    pub fn score(&mut self, weights: &Weights, thirds: Thirds, scenes: &[Scene]) -> Result<Option<Score>> {
        // What is found in time is one vector more to verify.
        let more = if thirds.is_all() { 0 } else { u64::from(VERIFIED * self.subject.whole_steps()) };
        if self.steps + more + scenes.len() as u64 * u64::from(self.quick) > self.most {
            return Ok(None);
        }
        let blocks = self.subject.blocks();
        let named: Vec<(&str, f64)> = weights.iter().map(|(block, weight)| (blocks[*block], *weight)).collect();
        let vector = self.subject.over_time(&named, thirds, |vector| Ok(vector.to_owned()))?;
        let files = self.draw(scenes, Version::Vector(&vector), &name_in_time(&named, thirds), self.quick)?;
        let (scale, readings) = self.measure(scenes, &[files], self.quick)?;
        Ok(readings.first().map(|readings| scale.score(readings)))
    }

    /// A trial with the names of its blocks.
    pub fn named(&self, trial: &Trial) -> Tried {
        let blocks = self.subject.blocks();
        let weights = trial.weights.iter().map(|(block, weight)| (blocks[*block].to_owned(), *weight)).collect();
        Tried { weights, thirds: trial.thirds, score: trial.score }
    }

    /// A report without results.
    pub fn report(&self, few: &[Scene]) -> Report {
        Report {
            language: self.wish.language,
            loras: self.subject.marked.names.clone(),
            goals: self.wish.goals.clone(),
            bounds: self.wish.bounds.clone(),
            search: few.iter().map(|scene| (scene.prompt.clone(), scene.seed)).collect(),
            steps: self.subject.whole_steps(),
            quick_steps: self.quick,
            ..Report::default()
        }
    }
}

/// A name for a picture with these weights in some thirds of the steps.
pub fn name_in_time(weights: &[(&str, f64)], thirds: Thirds) -> String {
    let name = name_of(weights.iter().copied());
    match thirds.is_all() {
        true => name,
        false => format!("{name}@{}", thirds.numbers().iter().map(usize::to_string).collect::<Vec<_>>().join("+")),
    }
}

fn key(scene: &Scene, steps: u32) -> (String, i64, u32) {
    (scene.prompt.clone(), scene.seed, steps)
}

/// A picture that a goal names, no larger than those that are drawn: what it is made of is compared, and that has a size.
fn target(path: &Path, side: u32) -> Result<RgbImage> {
    let Rgb { width, height, bytes } = read_picture(path)?;
    let picture = RgbImage::from_raw(width as u32, height as u32, bytes).unwrap_or_default();
    let (width, height) = picture.dimensions();
    let shrunk =
        |length: u32| (u64::from(length) * u64::from(side) / u64::from(width.min(height).max(1))).max(1) as u32;
    match width.min(height) > side {
        true => Ok(resize(&picture, shrunk(width), shrunk(height), FilterType::Triangle)),
        false => Ok(picture),
    }
}
