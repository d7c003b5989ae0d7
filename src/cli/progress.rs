//! Progress on standard error: a bar on a terminal, a plain line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::terminal::Terminal;
use crate::app::{EngineEvent, Event};
use crate::diagnostic::Text;
use crate::say;

/// Plain lines come no faster than this.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows how far the pictures and their steps are.
pub struct Progress {
    terminal: Terminal,
    bars: Option<Bars>,
    plain: bool,
    /// When the picture began, and its first step.
    began: Instant,
    first_step: Option<Instant>,
    last_line: Instant,
    /// Pictures drawn here, and how long they took.
    drawn: u32,
    busy: Duration,
}

struct Bars {
    all: MultiProgress,
    batch: ProgressBar,
    picture: ProgressBar,
    /// What the picture is known by.
    name: String,
}

impl Progress {
    /// Shows nothing if `quiet`.
    pub fn new(terminal: Terminal, quiet: bool) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let now = Instant::now();
        Progress {
            terminal,
            bars: (!quiet && is_terminal).then(Bars::new),
            plain: !quiet && !is_terminal,
            began: now,
            first_step: None,
            last_line: now,
            drawn: 0,
            busy: Duration::ZERO,
        }
    }

    /// Prints something without tearing the bars.
    pub fn aside(&self, print: impl FnOnce()) {
        match &self.bars {
            Some(bars) => bars.all.suspend(print),
            None => print(),
        }
    }

    /// Follows an event.
    pub fn on(&mut self, event: &Event<'_>) {
        match event {
            Event::Begin { job, number, of, .. } => self.begin(&job.name, *number, *of),
            Event::Engine(EngineEvent::Step { index, steps, .. }) => self.step(*index, *steps),
            Event::Engine(EngineEvent::Loading { part, of } | EngineEvent::Merging { part, of }) => {
                self.phase(&say!("loading weights", "重みを読み込み中"), *part, *of);
            }
            Event::Engine(EngineEvent::Encoding { part, of }) => {
                self.phase(&say!("reading the text", "テキストを処理中"), *part, *of);
            }
            Event::Engine(EngineEvent::EncodingImage { part, of }) => {
                self.phase(&say!("reading the picture", "画像を処理中"), *part, *of);
            }
            Event::Engine(EngineEvent::Enlarging { part, of }) => {
                self.phase(&say!("enlarging", "拡大中"), *part, *of);
            }
            Event::Engine(EngineEvent::Decoding { part, of }) => {
                self.phase(&say!("decoding", "復号中"), *part, *of);
            }
            Event::Elsewhere { percent } => {
                self.phase(&say!("drawn elsewhere", "ほかのホストで描画中"), *percent, 100);
            }
            Event::There { done, of, .. } => self.place(*done, *of),
            Event::Done { done, of, .. } | Event::Failed { done, of, .. } => self.end(*done, *of),
            _ => {}
        }
    }

    fn begin(&mut self, name: &str, number: usize, of: usize) {
        (self.began, self.first_step) = (Instant::now(), None);
        if self.bars.is_some() {
            self.place(number.saturating_sub(1), of);
        }
        if let Some(bars) = &mut self.bars {
            name.clone_into(&mut bars.name);
            bars.show(0, 1, "");
        } else if self.plain && of > 1 && self.drawn == 0 {
            let said = say!("picture {number} of {of}: {name}", "画像 {number}/{of}: {name}");
            self.terminal.talk(self.terminal.words(&said));
        }
    }

    fn place(&self, done: usize, of: usize) {
        if let Some(bars) = self.bars.as_ref().filter(|_| of > 1) {
            bars.batch.set_length(of as u64);
            bars.batch.set_position(done as u64);
        }
    }

    fn step(&mut self, index: usize, steps: usize) {
        let started = *self.first_step.get_or_insert_with(Instant::now);
        let per_step = (index > 0).then(|| started.elapsed().as_secs_f64() / index as f64);
        if let Some(bars) = &self.bars {
            let eta = per_step.map_or(Text::default(), |s| {
                let left = s * steps.saturating_sub(index) as f64;
                say!(", {s:.2} s/step, ETA {left:.0} s", "、1 ステップ {s:.2} 秒、残り約 {left:.0} 秒")
            });
            let said = say!("sampling{eta}", "サンプリング中{eta}", with eta);
            bars.show(index, steps, self.terminal.words(&said));
        } else if self.plain && (index == 0 && self.drawn == 0 || self.last_line.elapsed() >= LINE_EVERY) {
            self.last_line = Instant::now();
            let eta = per_step.map_or(String::new(), |s| {
                format!(", {s:.2} s/step, ETA {:.0} s", s * steps.saturating_sub(index) as f64)
            });
            let step = index + 1;
            let said = say!("step {step}/{steps}{eta}", "ステップ {step}/{steps}{eta}");
            self.terminal.talk(self.terminal.words(&said));
        }
    }

    /// What is not a step has a share of its own.
    fn phase(&self, name: &Text, part: usize, of: usize) {
        if let Some(bars) = &self.bars {
            bars.show(part, of, self.terminal.words(name));
        }
    }

    fn end(&mut self, done: usize, of: usize) {
        self.drawn += 1;
        self.busy += self.began.elapsed();
        self.place(done, of);
        let each = self.busy / self.drawn;
        let left = (each * u32::try_from(of.saturating_sub(done)).unwrap_or(u32::MAX)).as_secs();
        let each = each.as_secs_f64();
        let eta = say!(", {each:.1} s each, ETA {left} s", "、1 枚 {each:.1} 秒、残り約 {left} 秒");
        if let Some(bars) = &self.bars {
            bars.batch.set_message(self.terminal.words(&eta).to_owned());
        } else if self.plain && of > 1 {
            let said = say!("{done}/{of}{eta}", "{done}/{of}{eta}", with eta);
            self.terminal.talk(self.terminal.words(&said));
        }
    }

    /// Takes the bars away.
    pub fn finish(&self) {
        if let Some(bars) = &self.bars {
            bars.picture.finish_and_clear();
            bars.batch.finish_and_clear();
        }
    }
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::new();
        let bar = |template: &str| {
            let bar = all.add(ProgressBar::new(1));
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        };
        let batch = bar("{bar:32} {pos}/{len}{msg}");
        let picture = bar("{bar:32} {pos}/{len} {wide_msg}");
        Bars { all, batch, picture, name: String::new() }
    }

    /// How far the picture is in what is done for it now.
    fn show(&self, part: usize, of: usize, phase: &str) {
        let between = if phase.is_empty() { "" } else { ": " };
        self.picture.update(|state| {
            state.set_len(of.max(1) as u64);
            state.set_pos(part as u64);
        });
        self.picture.set_message(format!("{}{between}{phase}", self.name));
    }
}
