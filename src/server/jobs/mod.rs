//! The queue: one job at a time, first come first served; orders to the engine go before the next job.

mod events;
mod job;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};
use tokio::sync::oneshot;

pub use events::Events;
pub use job::{Batch, Job, Sent, Status, Work};

use super::lock::lock;
use crate::app::{Error, new_id};

/// Jobs that are over are kept for clients who ask for them later: so many, and so many bytes of pictures.
const KEPT: usize = 64;
const KEPT_BYTES: usize = 256 << 20;

/// What the engine is told between two jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Give the weights back.
    Unload,
    /// Read the weights that are used.
    Load,
    /// The files may have changed.
    Refresh,
}

/// Who waits for an order, and for what came of it.
pub type Obeyed = oneshot::Sender<Result<(), Error>>;

/// What the engine does next.
pub enum Turn {
    /// An order, and who waits for it.
    Order(Order, Obeyed),
    /// A job.
    Job(Arc<Job>),
}

/// Why there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// As many wait as may.
    Full,
    /// The server ends.
    Ending,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Arc<Job>>,
    running: Option<Arc<Job>>,
    over: VecDeque<Arc<Job>>,
    orders: VecDeque<(Order, Obeyed)>,
    is_ending: bool,
}

/// All jobs.
pub struct Jobs {
    inner: Mutex<Inner>,
    wake: Condvar,
    room: usize,
    /// What happens to them.
    pub events: Events,
}

impl Jobs {
    /// As many as `room` may wait.
    pub fn new(room: usize) -> Self {
        Jobs { inner: Mutex::default(), wake: Condvar::new(), room, events: Events::new() }
    }

    /// Puts a job at the end of the queue. Looking for room and taking it are one step.
    pub fn submit(
        &self,
        kind: &'static str,
        task: Option<String>,
        request: Value,
        work: Work,
    ) -> Result<Arc<Job>, NoRoom> {
        let mut inner = lock(&self.inner);
        if inner.is_ending {
            return Err(NoRoom::Ending);
        }
        if inner.waiting.len() >= self.room && inner.running.is_some() {
            return Err(NoRoom::Full);
        }
        let id = new_id();
        let task = task.unwrap_or_else(|| format!("task({kind}-{id})"));
        let job = Arc::new(Job::new(id, task, kind, request, work));
        inner.waiting.push_back(job.clone());
        self.events.send("queued", &job.id, json!({ "position": inner.waiting.len(), "kind": kind }));
        drop(inner);
        self.wake.notify_all();
        Ok(job)
    }

    /// Tells the engine something; the answer comes when it is done.
    pub fn order(&self, order: Order) -> oneshot::Receiver<Result<(), Error>> {
        let (done, wait) = oneshot::channel();
        lock(&self.inner).orders.push_back((order, done));
        self.wake.notify_all();
        wait
    }

    /// Waits for the next thing to do. Nothing at the end.
    pub fn next(&self) -> Option<Turn> {
        let mut inner = lock(&self.inner);
        loop {
            if inner.is_ending {
                return None;
            }
            if let Some((order, done)) = inner.orders.pop_front() {
                return Some(Turn::Order(order, done));
            }
            if let Some(job) = inner.waiting.pop_front() {
                inner.running = Some(job.clone());
                return Some(Turn::Job(job));
            }
            inner = self.wake.wait(inner).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    /// The running job is over.
    pub fn finish(&self, job: &Arc<Job>, status: Status) {
        let mut inner = lock(&self.inner);
        inner.running = None;
        self.put_away(&mut inner, job, status);
    }

    fn put_away(&self, inner: &mut Inner, job: &Arc<Job>, status: Status) {
        job.change(|state| {
            state.status = status;
            // Whoever was told where a preview lies may come for it late: a picture takes its place, where there is one.
            state.preview.take_if(|_| !state.sent.is_empty());
        });
        lock(&job.work).take();
        inner.over.push_back(job.clone());
        let bytes = |job: &Arc<Job>| {
            job.state(|s| {
                let preview = s.preview.as_ref().map_or(0, |(_, png)| png.len());
                preview + s.sent.iter().map(|sent| sent.bytes.len()).sum::<usize>()
            })
        };
        let mut all: usize = inner.over.iter().map(bytes).sum();
        // The last one is kept, whatever it weighs.
        while inner.over.len() > 1 && (inner.over.len() > KEPT || all > KEPT_BYTES) {
            if let Some(oldest) = inner.over.pop_front() {
                all -= bytes(&oldest);
            }
        }
        let more = job.state(|state| {
            let error = state.error.as_ref().map(|error| error.message().to_string());
            json!({ "images": state.sent.len(), "error": error })
        });
        self.events.send(status.name(), &job.id, more);
        job.end();
    }

    /// The job that is drawn now.
    pub fn running(&self) -> Option<Arc<Job>> {
        lock(&self.inner).running.clone()
    }

    /// Those that wait, in their order.
    pub fn waiting(&self) -> Vec<Arc<Job>> {
        lock(&self.inner).waiting.iter().cloned().collect()
    }

    /// How many wait.
    pub fn waiting_count(&self) -> usize {
        lock(&self.inner).waiting.len()
    }

    /// All jobs: those that are over, the one that is drawn, those that wait.
    pub fn all(&self) -> Vec<Arc<Job>> {
        let inner = lock(&self.inner);
        inner.over.iter().chain(&inner.running).chain(&inner.waiting).cloned().collect()
    }

    /// The job of this id.
    pub fn get(&self, id: &str) -> Option<Arc<Job>> {
        self.all().into_iter().find(|job| job.id == id)
    }

    /// The latest job that its client calls `task`.
    pub fn of_task(&self, task: &str) -> Option<Arc<Job>> {
        self.all().into_iter().rev().find(|job| job.task == task)
    }

    /// The place of a waiting job, from 1.
    pub fn position(&self, job: &Job) -> Option<usize> {
        lock(&self.inner).waiting.iter().position(|other| other.id == job.id).map(|at| at + 1)
    }

    /// Takes a job out of the queue, or ends it where it is; nothing happens to one that is over.
    pub fn cancel(&self, job: &Arc<Job>) {
        let mut inner = lock(&self.inner);
        match inner.waiting.iter().position(|other| other.id == job.id) {
            Some(at) => {
                inner.waiting.remove(at);
                job.give_up();
                self.put_away(&mut inner, job, Status::Cancelled);
            }
            None => job.give_up(),
        }
    }

    /// The end: nobody comes in any more, who waits is told, the running job is ended.
    pub fn close(&self) {
        let mut inner = lock(&self.inner);
        inner.is_ending = true;
        while let Some(job) = inner.waiting.pop_front() {
            job.give_up();
            self.put_away(&mut inner, &job, Status::Cancelled);
        }
        if let Some(job) = &inner.running {
            job.interrupt();
        }
        inner.orders.clear();
        drop(inner);
        self.wake.notify_all();
    }

    /// Whether the end has come.
    pub fn is_ending(&self) -> bool {
        lock(&self.inner).is_ending
    }
}
