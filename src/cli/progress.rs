//! Progress on standard error: a bar on a terminal, a plain line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::engine::Event;

/// Shows the steps of one image.
pub struct Progress {
    bar: Option<ProgressBar>,
    plain: bool,
    started: Option<Instant>,
    last_line: Instant,
}

/// Plain lines come no faster than this.
const LINE_EVERY: Duration = Duration::from_secs(10);

impl Progress {
    /// Shows nothing if `quiet`.
    pub fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Progress { bar: None, plain: !quiet && !terminal, started: None, last_line: Instant::now() }
            .with_bar(!quiet && terminal)
    }

    fn with_bar(mut self, show: bool) -> Self {
        if show {
            let bar = ProgressBar::new(0);
            if let Ok(style) = ProgressStyle::with_template("{bar:32} {pos}/{len} steps, {msg}ETA {eta}") {
                bar.set_style(style);
            }
            self.bar = Some(bar);
        }
        self
    }

    pub fn on(&mut self, event: &Event<'_>) {
        let Event::Step { index, steps, .. } = event else { return };
        let (index, steps) = (*index, *steps);
        let started = *self.started.get_or_insert_with(Instant::now);
        let per_step = (index > 0).then(|| started.elapsed().as_secs_f64() / index as f64);
        if let Some(bar) = &self.bar {
            bar.set_length(steps as u64);
            bar.set_position(index as u64);
            bar.set_message(per_step.map_or(String::new(), |s| format!("{s:.2} s/step, ")));
        } else if self.plain && (index == 0 || self.last_line.elapsed() >= LINE_EVERY) {
            self.last_line = Instant::now();
            let eta = per_step.map_or(String::new(), |s| {
                format!(", {s:.2} s/step, ETA {:.0} s", s * steps.saturating_sub(index) as f64)
            });
            eprintln!("step {}/{steps}{eta}", index + 1);
        }
    }

    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
