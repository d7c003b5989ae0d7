//! What happens, for whoever listens: kept for a while, so that a listener who was cut off misses nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::server::lock::lock;

/// Events that are kept for listeners who come back.
const KEPT: usize = 4096;

/// Something that happened.
#[derive(Debug)]
pub struct Event {
    /// Counted from 1.
    pub id: u64,
    /// The job it is about.
    pub job: String,
    /// What happened.
    pub name: &'static str,
    /// The same and more, as listeners get it.
    pub data: String,
}

/// The last events.
pub struct Events {
    kept: Mutex<VecDeque<Arc<Event>>>,
    last: watch::Sender<u64>,
}

impl Events {
    pub fn new() -> Self {
        Events { kept: Mutex::default(), last: watch::channel(0).0 }
    }

    /// Tells everybody. `more` is an object whose fields go with the event.
    pub fn send(&self, name: &'static str, job: &str, more: Value) {
        let mut data = json!({ "event": name, "job": job });
        if let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) {
            data.extend(more);
        }
        let mut kept = lock(&self.kept);
        let id = *self.last.borrow() + 1;
        kept.push_back(Arc::new(Event { id, job: job.to_owned(), name, data: data.to_string() }));
        if kept.len() > KEPT {
            kept.pop_front();
        }
        drop(kept);
        self.last.send_replace(id);
    }

    /// The number of the last event.
    pub fn last(&self) -> u64 {
        *self.last.borrow()
    }

    /// The events behind number `seen`, of one job or of all.
    pub fn behind(&self, seen: u64, job: Option<&str>) -> Vec<Arc<Event>> {
        let kept = lock(&self.kept);
        // They are in the order of their numbers: most listeners want the last few.
        let new = kept.iter().rev().take_while(|event| event.id > seen);
        let mut new: Vec<_> = new.filter(|event| job.is_none_or(|job| event.job == job)).cloned().collect();
        new.reverse();
        new
    }

    /// Wakes whenever something has happened.
    pub fn listen(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }
}
