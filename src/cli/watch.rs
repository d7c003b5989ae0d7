//! Watching pictures being drawn: findings and progress on standard error, results on standard output, Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::exit::{CommandResult, Failure};
use super::progress::Progress;
use super::terminal::Terminal;
use crate::app::{Event, Flow, Sink};
use crate::diagnostic::{Diagnostic, code};
use crate::say;

/// What is printed when a picture is there.
type OnDone = fn(&Event<'_>) -> Option<String>;

/// Shows what happens; the flow it gives follows Ctrl-C.
pub struct Watch {
    terminal: Terminal,
    progress: Progress,
    interrupts: Arc<AtomicUsize>,
    on_done: OnDone,
    /// Whether a failed picture is an event on standard output.
    json: bool,
    /// What became of standard output.
    printed: CommandResult,
}

impl Watch {
    /// Watches without progress if `json`. `on_done` gives what is printed for a picture.
    pub fn new(terminal: Terminal, json: bool, on_done: OnDone) -> Self {
        let interrupts = interrupts(terminal);
        let progress = Progress::new(terminal, json || terminal.quiet);
        Watch { terminal, progress, interrupts, on_done, json, printed: Ok(()) }
    }

    /// What becomes of `result`: a closed pipe ends quietly, everything else as it is.
    pub fn end<T>(self, result: crate::app::Result<T>) -> Result<T, Failure> {
        self.progress.finish();
        self.printed?;
        Ok(result?)
    }

    fn flow(&self) -> Flow {
        match self.interrupts.load(Ordering::SeqCst) {
            _ if self.printed.is_err() => Flow::Stop,
            0 => Flow::Go,
            1 => Flow::Finish,
            _ => Flow::Stop,
        }
    }
}

impl Sink for Watch {
    fn event(&mut self, event: Event<'_>) -> Flow {
        match &event {
            Event::Found(found) => self.progress.aside(|| self.terminal.say(found)),
            Event::Failed { job, error, .. } => {
                let name = &job.name;
                let why = error.message();
                let message = say!("{name}: {why}", "{name}: {why}", with why);
                let found = Diagnostic::new(code::PICTURE_FAILED, message);
                match (self.json, &job.file) {
                    (true, Some(file)) => {
                        let line = json!({ "event": "failed", "file": file, "id": job.id, "error": &*error.message() });
                        self.print(line.to_string());
                    }
                    _ => self.progress.aside(|| self.terminal.say(&found)),
                }
            }
            _ => {}
        }
        self.progress.on(&event);
        if let Some(line) = (self.on_done)(&event) {
            self.print(line);
        }
        self.flow()
    }
}

impl Watch {
    fn print(&mut self, line: String) {
        if self.printed.is_ok() {
            let terminal = self.terminal;
            let mut printed = Ok(());
            self.progress.aside(|| printed = terminal.line(&line));
            self.printed = printed;
        }
    }
}

/// The file's name on a line.
pub fn file_name(event: &Event<'_>) -> Option<String> {
    match event {
        Event::Done { kept, .. } => Some(kept.file.display().to_string()),
        _ => None,
    }
}

/// Nothing: what is printed comes at the end.
pub fn nothing(_: &Event<'_>) -> Option<String> {
    None
}

/// File, id, seed and infotext as a line of JSON.
pub fn file_as_json(event: &Event<'_>) -> Option<String> {
    match event {
        Event::Done { job, kept, picture, .. } => {
            let seed = job.plan.settings().seed;
            let value: Value =
                json!({ "file": kept.file, "id": job.id, "seed": seed, "parameters": picture.parameters });
            Some(value.to_string())
        }
        _ => None,
    }
}

/// Ctrl-C: the first one lets the picture be finished, the second one stops it where it is.
pub fn interrupts(terminal: Terminal) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = count.clone();
    let set = ctrlc::set_handler(move || {
        if seen.fetch_add(1, Ordering::SeqCst) == 0 {
            let said = say!(
                "\ninterrupted: this picture is finished first; once more stops now",
                "\n中断します: この画像を描き終えてから止まります。もう一度押すとすぐに止まります"
            );
            terminal.talk(terminal.words(&said));
        }
    });
    // Without a handler Ctrl-C stops at once, and what is finished is whole all the same.
    if set.is_err() {
        count.store(0, Ordering::SeqCst);
    }
    count
}
