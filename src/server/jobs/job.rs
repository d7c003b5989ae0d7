//! One request on its way: what is to be done, how far it is, what came of it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::Value;
use tokio::sync::watch;

use crate::app::api::Drawing;
use crate::app::{Error, Stop, analyze, atlas, batch, tune};
use crate::server::lock::lock;

/// What is to be done.
pub enum Work {
    /// Pictures, or the grids of a script.
    Draw(Box<Drawing>),
    /// An analysis with its report.
    Analyze(Box<Drawing>, Box<analyze::Wish>),
    /// A search for weights; each drawing has another prompt.
    Tune(Vec<Drawing>, Box<tune::Wish>),
    /// What each block does; each drawing has another prompt.
    Atlas(Vec<Drawing>, Box<atlas::Wish>),
    /// A prompt file.
    Batch(Box<Batch>),
}

/// A prompt file that is drawn.
pub struct Batch {
    /// The file and how it is drawn.
    pub wish: batch::Wish,
    /// Where its pictures go.
    pub folder: PathBuf,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It waits.
    Queued,
    /// It is drawn.
    Running,
    /// Its pictures are there, as far as nobody interrupted it.
    Done,
    /// It could not be drawn.
    Failed,
    /// Nobody wants it any more.
    Cancelled,
}

impl Status {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Status::Queued => "queued",
            Status::Running => "running",
            Status::Done => "done",
            Status::Failed => "failed",
            Status::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more happens.
    pub fn is_over(self) -> bool {
        !matches!(self, Status::Queued | Status::Running)
    }
}

/// A finished picture as it is sent.
#[derive(Debug)]
pub struct Sent {
    /// The file.
    pub bytes: Vec<u8>,
    /// `image/png` and its like.
    pub media: &'static str,
    /// The infotext.
    pub infotext: String,
    /// The seed it was drawn with.
    pub seed: u64,
}

/// How far it is and what came of it.
#[derive(Debug)]
pub struct State {
    pub status: Status,
    /// When it began, and webui's word for that.
    pub started: Option<Instant>,
    pub timestamp: String,
    /// Passes of all pictures, and how many are done.
    pub passes: usize,
    pub pass: usize,
    /// Pictures that are wanted, and the one that is drawn, from 0.
    pub images: usize,
    pub image: usize,
    /// Steps of this pass, and how many are done.
    pub steps: usize,
    pub step: usize,
    /// The latest preview, counted, as PNG.
    pub preview: Option<(u64, Arc<Vec<u8>>)>,
    pub sent: Vec<Arc<Sent>>,
    /// webui's `info`, once it is over.
    pub info: Option<Arc<Value>>,
    /// What an analysis or a batch has found.
    pub result: Option<Arc<Value>>,
    pub error: Option<Arc<Error>>,
    pub is_skipped: bool,
}

/// A request on its way.
pub struct Job {
    /// Known to us alone.
    pub id: String,
    /// The client's own name for it, or one that was drawn.
    pub task: String,
    /// `txt2img`, `img2img`, …
    pub kind: &'static str,
    /// The fields as they were read, for whoever wants to use them again.
    pub request: Value,
    /// What is to be done, until it is begun.
    pub work: Mutex<Option<Work>>,
    pub state: Mutex<State>,
    wanted: AtomicU8,
    skip: AtomicBool,
    over: watch::Sender<bool>,
}

impl Job {
    pub fn new(id: String, task: String, kind: &'static str, request: Value, work: Work) -> Self {
        let state = State {
            status: Status::Queued,
            started: None,
            timestamp: "0".to_owned(),
            passes: 0,
            pass: 0,
            images: 0,
            image: 0,
            steps: 0,
            step: 0,
            preview: None,
            sent: Vec::new(),
            info: None,
            result: None,
            error: None,
            is_skipped: false,
        };
        let (wanted, skip) = (AtomicU8::new(0), AtomicBool::new(false));
        let work = Mutex::new(Some(work));
        Job { id, task, kind, request, work, state: Mutex::new(state), wanted, skip, over: watch::channel(false).0 }
    }

    /// Puts a preview in the place of the last one; its number.
    pub fn put_preview(&self, png: Vec<u8>) -> u64 {
        self.change(|state| {
            let number = state.preview.as_ref().map_or(0, |(number, _)| number + 1);
            state.preview = Some((number, Arc::new(png)));
            number
        })
    }

    /// Keeps a picture for those who ask for it; its number. The oldest are given up where all take more than `most` bytes.
    pub fn push(&self, sent: Sent, most: usize) -> usize {
        self.change(|state| {
            state.sent.push(Arc::new(sent));
            let mut bytes: usize = state.sent.iter().map(|sent| sent.bytes.len()).sum();
            let last = state.sent.len() - 1;
            for sent in &mut state.sent[..last] {
                if bytes <= most {
                    break;
                }
                bytes -= sent.bytes.len();
                *sent = Arc::new(Sent { bytes: Vec::new(), infotext: sent.infotext.clone(), ..**sent });
            }
            last
        })
    }

    /// Reads the state.
    pub fn state<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&lock(&self.state))
    }

    /// Changes the state.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut lock(&self.state))
    }

    /// Ends the job with what there is.
    pub fn interrupt(&self) {
        self.wanted.fetch_max(1, Ordering::SeqCst);
    }

    /// Ends the job: nobody wants it.
    pub fn give_up(&self) {
        self.wanted.fetch_max(2, Ordering::SeqCst);
    }

    /// Ends the picture that is drawn now.
    pub fn skip(&self) {
        self.change(|state| state.is_skipped = true);
        self.skip.store(true, Ordering::SeqCst);
    }

    /// What is wanted of the whole job.
    pub fn wanted(&self) -> Stop {
        match self.wanted.load(Ordering::SeqCst) {
            0 => Stop::No,
            1 => Stop::Keep,
            _ => Stop::GiveUp,
        }
    }

    /// What is wanted of the picture that is drawn now.
    pub fn wanted_of_picture(&self) -> Stop {
        match self.wanted() {
            Stop::No if self.skip.load(Ordering::SeqCst) => Stop::Keep,
            wanted => wanted,
        }
    }

    /// The next picture begins: it is not the one that was to be skipped.
    pub fn next_picture(&self) {
        self.skip.store(false, Ordering::SeqCst);
        self.change(|state| state.is_skipped = false);
    }

    /// Tells those who wait that it is over.
    pub fn end(&self) {
        self.over.send_replace(true);
    }

    /// Waits until it is over.
    pub async fn over(&self) {
        let mut over = self.over.subscribe();
        // The sender lives as long as the job.
        let _ = over.wait_for(|over| *over).await;
    }
}

impl State {
    /// webui's measure: 0 where nothing runs, else 0.01 and more.
    pub fn progress(&self) -> f64 {
        match self.status {
            Status::Running => {
                let passes = self.passes.max(1) as f64;
                let of_pass = if self.steps == 0 { 0.0 } else { self.step.min(self.steps) as f64 / self.steps as f64 };
                (0.01 + self.pass as f64 / passes + of_pass / passes).min(1.0)
            }
            Status::Done => 1.0,
            _ => 0.0,
        }
    }

    /// Seconds that are likely left.
    pub fn eta(&self) -> f64 {
        let (progress, started) = (self.progress(), self.started.filter(|_| self.status == Status::Running));
        let elapsed = started.map_or(0.0, |started| started.elapsed().as_secs_f64());
        if progress > 0.0 { (elapsed / progress - elapsed).max(0.0) } else { 0.0 }
    }
}
