//! Hosts at work: each takes the next task, what fails is given to the next one, and a host that went away is asked again later.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::host::Host;
use super::http::Fault;
use super::work::{Drawn, Task};
use crate::app::renderer::Sign;
use crate::diagnostic::{Diagnostic, Text, code};
use crate::say;

/// A task that every host has failed at so often is given up.
const ATTEMPTS: usize = 4;
/// How long a host is left alone after its first fault; doubled with each, up to the last.
const REST: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(15)];
/// How often whoever waits is asked whether to go on.
const TURN: Duration = Duration::from_millis(100);

/// The hosts and their threads.
pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// How long nobody may answer before a task is given up.
    patience: Duration,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Arc<Task>>,
    running: HashMap<String, Running>,
    done: HashMap<String, Result<Drawn, Text>>,
    attempts: HashMap<String, usize>,
    /// Since when no host has answered.
    silent: Option<Instant>,
    /// What is to be said.
    found: Vec<Diagnostic>,
    /// Hosts that are there.
    hosts: usize,
    ends: bool,
}

struct Running {
    host: Arc<Host>,
    task: Arc<Task>,
    /// Whether nobody wants it any more.
    is_dropped: bool,
}

impl Pool {
    /// A thread for each host.
    pub fn new(hosts: Vec<Arc<Host>>, patience: Duration) -> Self {
        let state = State { hosts: hosts.len(), ..State::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), patience });
        let thread = |host: Arc<Host>| {
            let shared = shared.clone();
            std::thread::spawn(move || work(&shared, &host))
        };
        let threads = hosts.into_iter().map(thread).collect();
        Pool { shared, threads }
    }

    /// Whether a task of this id is known.
    pub fn knows(&self, id: &str) -> bool {
        let state = self.shared.lock();
        state.running.contains_key(id) || state.done.contains_key(id) || state.waiting.iter().any(|task| task.id == id)
    }

    /// Puts a task behind the others, or in front of them.
    pub fn add(&self, task: Task, is_urgent: bool) {
        let mut state = self.shared.lock();
        match is_urgent {
            true => state.waiting.push_front(Arc::new(task)),
            false => state.waiting.push_back(Arc::new(task)),
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Waits for a task's picture; `go_on` is asked meanwhile, and where it says no, the host is told to stop and nothing is given.
    pub fn wait(&self, id: &str, mut go_on: impl FnMut(Sign<'_>) -> bool) -> Option<Result<Drawn, Text>> {
        let (mut asked, mut last) = (Instant::now(), 0);
        loop {
            let mut state = self.shared.lock();
            let found = std::mem::take(&mut state.found);
            if let Some(done) = state.done.remove(id) {
                state.attempts.remove(id);
                drop(state);
                // Whoever waits says below whether to go on.
                found.iter().for_each(|found| {
                    go_on(Sign::Found(found));
                });
                return Some(done);
            }
            let host = state.running.get(id).map(|running| running.host.clone());
            let (state, _) = self.shared.changed.wait_timeout(state, TURN).unwrap_or_else(|e| e.into_inner());
            drop(state);
            // Whoever waits says below whether to go on.
            found.iter().for_each(|found| {
                go_on(Sign::Found(found));
            });
            // The host is asked less often than whoever waits.
            let share = match host.filter(|_| asked.elapsed() > 10 * TURN) {
                Some(host) => {
                    asked = Instant::now();
                    super::work::share(&host)
                }
                None => None,
            };
            last = share.unwrap_or(last);
            if !go_on(Sign::Elsewhere(share.unwrap_or(last))) {
                self.stop();
                return None;
            }
        }
    }

    /// Nothing is drawn any more; hosts that draw are told.
    pub fn stop(&self) {
        let mut state = self.shared.lock();
        state.waiting.clear();
        let hosts: Vec<Arc<Host>> = state
            .running
            .values_mut()
            .map(|running| {
                running.is_dropped = true;
                running.host.clone()
            })
            .collect();
        drop(state);
        hosts.iter().for_each(|host| super::work::interrupt(host));
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.stop();
        self.shared.lock().ends = true;
        self.shared.changed.notify_all();
        // A host that is slow to answer does not hold the program up; its thread ends with it.
        for thread in self.threads.drain(..).filter(JoinHandle::is_finished) {
            drop(thread.join());
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The next task for a host; nothing where the work is over.
    fn next(&self, host: &Arc<Host>) -> Option<Arc<Task>> {
        let mut state = self.lock();
        loop {
            if state.ends {
                return None;
            }
            if let Some(task) = state.waiting.pop_front() {
                let running = Running { host: host.clone(), task: task.clone(), is_dropped: false };
                state.running.insert(task.id.clone(), running);
                return Some(task);
            }
            state = self.changed.wait(state).unwrap_or_else(|e| e.into_inner());
        }
    }

    /// Takes what became of a task. Gives how long the host is to be left alone.
    fn take(&self, host: &Host, task: &Task, result: Result<Drawn, Fault>, faults: &mut u32) -> Duration {
        let mut state = self.lock();
        let was = state.running.remove(&task.id);
        let Some(running) = was.filter(|running| !running.is_dropped) else { return Duration::ZERO };
        let rest = match result {
            Ok(drawn) => {
                *faults = 0;
                state.silent = None;
                state.done.insert(task.id.clone(), Ok(drawn));
                Duration::ZERO
            }
            Err(fault) if !fault.may_pass() => {
                state.silent = None;
                let (place, why) = (host.place(), fault.text());
                let text = say!("{place}: {why}", "{place}: {why}", with why);
                state.done.insert(task.id.clone(), Err(text));
                Duration::ZERO
            }
            Err(fault) => self.again(&mut state, host, running.task, &fault, faults),
        };
        drop(state);
        self.changed.notify_all();
        rest
    }

    /// A task that failed goes to whoever is free next, or is given up.
    fn again(&self, state: &mut State, host: &Host, task: Arc<Task>, fault: &Fault, faults: &mut u32) -> Duration {
        let (place, why) = (host.place(), fault.text());
        // Who answers wrongly is there; who does not answer may come back.
        let is_away = matches!(fault, Fault::Away(_));
        if is_away {
            state.silent.get_or_insert_with(Instant::now);
        } else {
            state.silent = None;
            *state.attempts.entry(task.id.clone()).or_default() += 1;
        }
        let attempts = state.attempts.get(&task.id).copied().unwrap_or_default();
        let waited = state.silent.map_or(Duration::ZERO, |since| since.elapsed());
        if attempts >= ATTEMPTS || waited > self.patience {
            let text = say!("{place}: {why}", "{place}: {why}", with why);
            state.done.insert(task.id.clone(), Err(text));
        } else {
            state.waiting.push_front(task);
            if *faults == 0 {
                let message = say!(
                    "{place}: {why}; the picture is tried again",
                    "{place}: {why}。もう一度試します",
                    with why
                );
                state.found.push(Diagnostic::new(code::HOST_RETRIED, message));
            }
        }
        let rest = REST[0].saturating_mul(2u32.saturating_pow(*faults)).min(REST[1]);
        *faults = faults.saturating_add(1);
        rest
    }

    /// Lets a host rest, unless everything ends.
    fn rest(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut state = self.lock();
        while !state.ends {
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return;
            };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(|e| e.into_inner()).0;
        }
    }
}

/// A host's thread.
fn work(shared: &Shared, host: &Arc<Host>) {
    let mut faults = 0;
    while let Some(task) = shared.next(host) {
        let result = super::work::draw(host, &task, faults > 0);
        if let Err(Fault::Refused(why)) = &result
            && faults > 0
            && super::work::is_another(host)
        {
            gone(shared, host, &task, why);
            return;
        }
        let rest = shared.take(host, &task, result, &mut faults);
        shared.rest(rest);
    }
}

/// Another program answers at the address now: its pictures would not be the same.
fn gone(shared: &Shared, host: &Host, task: &Arc<Task>, why: &Text) {
    let mut state = shared.lock();
    let running = state.running.remove(&task.id);
    let place = host.place();
    let message = say!(
        "{place}: {why}; it gets no more pictures to draw",
        "{place}: {why}。もう描かせません",
        with why
    );
    state.found.push(Diagnostic::new(code::HOSTS_DIFFER, message));
    state.hosts -= 1;
    if running.is_some_and(|running| !running.is_dropped) {
        match state.hosts {
            0 => drop(state.done.insert(task.id.clone(), Err(why.clone()))),
            _ => state.waiting.push_front(task.clone()),
        }
    }
    if state.hosts == 0 {
        let left = std::mem::take(&mut state.waiting);
        left.into_iter().for_each(|task| drop(state.done.insert(task.id.clone(), Err(why.clone()))));
    }
    drop(state);
    shared.changed.notify_all();
}
