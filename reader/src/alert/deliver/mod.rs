//! Telling: hands notices to commands and webhooks, and never waits for them.
//!
//! Each action has a queue of its own with an end, and threads of its own that empty it: what
//! hangs delays nothing but itself, and a recorder that ends gives it some seconds and no more.

#![forbid(unsafe_code)]

mod command;
mod webhook;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::alert::notice::{News, Notice};
use crate::run::say;

/// Notices that wait for one action; more than that are dropped and counted.
const QUEUE: usize = 64;

/// How often those who wait look whether they should stop.
const ATTENTION: Duration = Duration::from_millis(20);

const HOUR_NS: u64 = 3_600_000_000_000;

/// Whom to tell, or by what.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// What rules call it.
    pub name: String,
    /// How it is done.
    pub means: Means,
    /// How long one telling may take, ns.
    pub timeout_ns: u64,
    /// How many commands may run at once.
    pub at_once: usize,
    /// How much is told in an hour at most, the ends of alerts not counted.
    pub per_hour: u64,
}

/// How something is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Means {
    /// A program and its arguments.
    Command(Vec<String>),
    /// A URL that takes JSON.
    Webhook(String),
}

impl Action {
    /// How long one telling may take where nothing else is said, ns.
    pub const TIMEOUT_NS: u64 = 30_000_000_000;
    /// How many commands run at once where nothing else is said.
    pub const AT_ONCE: usize = 2;
    /// How much is told in an hour where nothing else is said.
    pub const PER_HOUR: u64 = 60;
}

/// What became of an action's notices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// The action's name.
    pub action: String,
    /// Notices that arrived.
    pub told: u64,
    /// Notices that did not, whatever was tried.
    pub failed: u64,
    /// Notices that found the queue full.
    pub dropped: u64,
    /// Notices beyond what an hour may have.
    pub held_back: u64,
    /// Why the last one failed; empty where it arrived.
    pub trouble: String,
}

/// All actions of a file of rules, with threads at work.
pub struct Delivery {
    lanes: Vec<Lane>,
    ending: Arc<Ending>,
}

/// One action.
struct Lane {
    action: Action,
    queue: Option<SyncSender<Arc<Notice>>>,
    tally: Arc<Mutex<Tally>>,
    threads: Vec<thread::JoinHandle<()>>,
    /// When notices were handed over in the last hour, ns since the Unix epoch.
    lately: VecDeque<u64>,
}

/// Whether it is time to come to an end.
#[derive(Default)]
struct Ending {
    /// Nothing is tried again.
    soon: AtomicBool,
    /// What runs is killed.
    now: AtomicBool,
}

impl Ending {
    fn is_soon(&self) -> bool {
        // Relaxed: nothing else is published with it; so for the other.
        self.soon.load(Ordering::Relaxed)
    }

    fn is_now(&self) -> bool {
        self.now.load(Ordering::Relaxed)
    }
}

impl Delivery {
    /// Starts the threads of all actions.
    pub fn begin(actions: &[Action]) -> Delivery {
        let ending = Arc::new(Ending::default());
        let lanes = actions.iter().map(|it| Lane::begin(it, &ending)).collect();
        Delivery { lanes, ending }
    }

    /// Hands a notice to the actions in these places; waits for nobody.
    pub fn hand(&mut self, notice: &Arc<Notice>, actions: &[usize]) {
        for place in actions {
            if let Some(lane) = self.lanes.get_mut(*place) {
                lane.hand(notice);
            }
        }
    }

    /// What became of the notices of each action.
    pub fn tallies(&self) -> Vec<Tally> {
        self.lanes.iter().map(|lane| lane.tally().clone()).collect()
    }

    /// Goes on counting where another recorder ended.
    pub fn go_on_from(&mut self, tallies: &[Tally]) {
        for lane in &self.lanes {
            let mut tally = lane.tally();
            if let Some(before) = tallies.iter().find(|it| it.action == tally.action) {
                *tally = before.clone();
            }
        }
    }

    /// Waits until all is told, `grace` at most, and kills what still runs then.
    pub fn end(&mut self, grace: Duration) {
        let deadline = Instant::now() + grace;
        for lane in &mut self.lanes {
            lane.queue = None;
        }
        let is_done = |lanes: &[Lane]| {
            let mut threads = lanes.iter().flat_map(|lane| &lane.threads);
            threads.all(thread::JoinHandle::is_finished)
        };
        while !is_done(&self.lanes) && Instant::now() < deadline {
            thread::sleep(ATTENTION);
        }
        // Relaxed: see `Ending`.
        self.ending.soon.store(true, Ordering::Relaxed);
        self.ending.now.store(true, Ordering::Relaxed);
        let deadline = Instant::now() + Duration::from_secs(1);
        while !is_done(&self.lanes) && Instant::now() < deadline {
            thread::sleep(ATTENTION);
        }
    }
}

impl Lane {
    fn begin(action: &Action, ending: &Arc<Ending>) -> Lane {
        let (queue, notices) = sync_channel(QUEUE);
        let notices = Arc::new(Mutex::new(notices));
        let tally = Arc::new(Mutex::new(Tally {
            action: action.name.clone(),
            ..Tally::default()
        }));
        let count = match &action.means {
            Means::Command(_) => action.at_once,
            // One after the other, so that an end never overtakes its beginning.
            Means::Webhook(_) => 1,
        };
        let threads = (0..count).map(|_| {
            let (action, notices) = (action.clone(), notices.clone());
            let (tally, ending) = (tally.clone(), ending.clone());
            thread::spawn(move || work(&action, &notices, &tally, &ending))
        });
        Lane {
            action: action.clone(),
            queue: Some(queue),
            threads: threads.collect(),
            tally,
            lately: VecDeque::new(),
        }
    }

    fn hand(&mut self, notice: &Arc<Notice>) {
        let now = notice.unix_ns;
        while self
            .lately
            .front()
            .is_some_and(|it| it.saturating_add(HOUR_NS) <= now)
        {
            self.lately.pop_front();
        }
        if notice.state == News::Firing {
            if self.lately.len() as u64 >= self.action.per_hour {
                self.count("it has told its share of this hour", |it| it.held_back += 1);
                return;
            }
            self.lately.push_back(now);
        }
        let Some(queue) = &self.queue else {
            return;
        };
        if let Err(TrySendError::Full(_)) = queue.try_send(notice.clone()) {
            self.count("too much waits for it already", |it| it.dropped += 1);
        }
    }

    /// Counts what is not told, and says so the first time.
    fn count(&self, reason: &str, change: impl FnOnce(&mut Tally)) {
        let mut tally = self.tally();
        change(&mut tally);
        if tally.trouble != reason {
            reason.clone_into(&mut tally.trouble);
            say(&format!(
                "action {} is left out: {reason}",
                self.action.name
            ));
        }
    }

    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        // Numbers are never half changed, whoever panicked.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells one notice after the other until there will be no more.
fn work(
    action: &Action,
    notices: &Mutex<Receiver<Arc<Notice>>>,
    tally: &Mutex<Tally>,
    ending: &Ending,
) {
    loop {
        let next = notices
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(notice) = next else {
            return;
        };
        let timeout = Duration::from_nanos(action.timeout_ns);
        let outcome = match &action.means {
            Means::Command(words) => command::run(words, timeout, &notice, ending),
            Means::Webhook(url) => webhook::post(url, timeout, &notice, ending),
        };
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(()) => {
                tally.told += 1;
                tally.trouble.clear();
            }
            Err(trouble) => {
                tally.failed += 1;
                // The same every time is said once.
                if tally.trouble != trouble {
                    say(&format!(
                        "action {} failed to tell of {}: {trouble}",
                        action.name, notice.alert
                    ));
                    tally.trouble = trouble;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
