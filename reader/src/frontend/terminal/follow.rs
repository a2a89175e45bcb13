//! The thread that reads segments: all of them at a glance, and in full what is looked at.
//!
//! A glance costs a tenth of a millisecond and a full reading as much as the segment is large. So a
//! full reading is followed by a pause that is a multiple of what it took: however many and large
//! the processes are, the share of a core stays bounded, and what suffers is how new figures are.

#![forbid(unsafe_code)]

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use crate::analysis::watch::{Watch, Watched};
use crate::frontend::terminal::Settings;
use crate::frontend::terminal::news::{Leaks, News, ProcessRow, SiteRow, Sites, Wish};
use crate::frontend::terminal::order::SiteOrder;
use crate::session::{Followed, Processes, Request, Session, Unnamed};

/// Pauses after a full reading, in multiples of what it took: those for the column of leaks come
/// by themselves and may cost half a percent, the one that a person looks at two.
const PAUSES_IN_TURN: u32 = 200;
const PAUSES_OPENED: u32 = 50;

/// Verdicts change slowly: nobody's is looked at more often than this for the list.
const VERDICT_LASTS: Duration = Duration::from_secs(15);

/// Call stacks that are shown in each order; nobody scrolls further, and each needs names.
const ROWS_MAX: usize = 200;

/// What the thread knows.
pub(super) struct Follower {
    settings: Settings,
    news: Sender<News>,
    names: Sender<Unnamed>,
    processes: Processes,
    last: Vec<Followed>,
    leaks: HashMap<PathBuf, (Instant, Leaks)>,
    opened: Option<PathBuf>,
    /// Rows of the opened process whose stacks have gone to get names.
    named: BTreeSet<u64>,
    is_paused: bool,
    next_look: Instant,
    next_full: Instant,
}

impl Follower {
    pub(super) fn new(settings: Settings, news: Sender<News>, names: Sender<Unnamed>) -> Follower {
        let now = Instant::now();
        Follower {
            processes: Processes::new(settings.all_users),
            settings,
            news,
            names,
            last: Vec::new(),
            leaks: HashMap::new(),
            opened: None,
            named: BTreeSet::new(),
            is_paused: false,
            next_look: now,
            next_full: now,
        }
    }

    /// Reads until the screen is gone.
    pub(super) fn run(mut self, wishes: &Receiver<Wish>) {
        loop {
            let next = self.next_look.min(self.next_full);
            let wish = match self.is_paused {
                true => wishes.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => wishes.recv_deadline(next),
            };
            let is_heard = match wish {
                Ok(wish) => self.grant(wish),
                Err(RecvTimeoutError::Timeout) => self.read(),
                Err(RecvTimeoutError::Disconnected) => false,
            };
            if !is_heard {
                return;
            }
        }
    }

    /// Does what the screen asks for; says whether it is still there.
    fn grant(&mut self, wish: Wish) -> bool {
        let now = Instant::now();
        match wish {
            Wish::Open(path) => {
                self.named.clear();
                self.next_full = now;
                self.opened = Some(path.clone());
                if self.is_paused {
                    // What was never read cannot be shown as it was.
                    let news = self.read_opened(&path);
                    return self.news.send(news).is_ok();
                }
            }
            Wish::Close => self.opened = None,
            Wish::Pause(is_paused) => {
                self.is_paused = is_paused;
                self.next_look = now;
            }
        }
        true
    }

    /// Reads what is due; says whether anybody is still there to hear of it.
    fn read(&mut self) -> bool {
        let begin = Instant::now();
        if begin >= self.next_look {
            self.last = self.processes.look();
            self.next_look = begin + self.settings.every;
            if self.news.send(News::Processes(self.rows())).is_err() {
                return false;
            }
        }
        let begin = Instant::now();
        if begin < self.next_full {
            return true;
        }
        match self.opened.clone() {
            Some(path) => {
                let news = self.read_opened(&path);
                let took = begin.elapsed();
                self.next_full = begin + self.settings.every.max(took * PAUSES_OPENED);
                self.news.send(news).is_ok()
            }
            None => {
                self.read_in_turn(begin);
                let took = begin.elapsed();
                self.next_full = begin + (self.settings.every / 4).max(took * PAUSES_IN_TURN);
                true
            }
        }
    }

    fn rows(&self) -> Vec<ProcessRow> {
        let leaks = |path: &Path| self.leaks.get(path).map(|(_, leaks)| *leaks);
        let row = |followed: &Followed| ProcessRow {
            leaks: leaks(&followed.glance.path),
            followed: followed.clone(),
        };
        self.last.iter().map(row).collect()
    }

    /// Reads the process in full whose verdicts are oldest, if they are old.
    fn read_in_turn(&mut self, now: Instant) {
        let known = |path: &Path| self.leaks.get(path).map(|(when, _)| *when);
        let running = self.last.iter().filter(|row| row.glance.is_alive);
        let oldest = running.min_by_key(|row| known(&row.glance.path));
        let Some(path) = oldest.map(|row| row.glance.path.clone()) else {
            return;
        };
        if known(&path).is_some_and(|when| now.duration_since(when) < VERDICT_LASTS) {
            return;
        }
        // One that cannot be read has no verdicts, and must not be tried again and again.
        let session = open(&path, &self.settings.request);
        let leaks = session.map_or(Leaks::default(), |session| {
            leaks(&Watch::of(session.history()).sites)
        });
        self.leaks.insert(path, (now, leaks));
        let last = &self.last;
        let is_listed = |path: &PathBuf| last.iter().any(|row| row.glance.path == *path);
        self.leaks.retain(|path, _| is_listed(path));
    }

    /// Reads the process that is open, and sends the stacks without names to get some.
    fn read_opened(&mut self, path: &Path) -> News {
        let session = match open(path, &self.settings.request) {
            Ok(session) => session,
            Err(error) => {
                return News::Unreadable {
                    path: path.to_path_buf(),
                    why: crate::cli::one_line(&error),
                };
            }
        };
        let watch = Watch::of(session.history());
        let leaks = leaks(&watch.sites);
        self.leaks
            .insert(path.to_path_buf(), (Instant::now(), leaks));
        let sites = sites(&session, watch);
        let is_new = |row: &&SiteRow| !self.named.contains(&row.row);
        let new: Vec<&SiteRow> = sites.rows.iter().filter(is_new).collect();
        let places: Vec<usize> = new.iter().map(|row| row.watched.site).collect();
        let request = &self.settings.request;
        if !places.is_empty()
            && self
                .names
                .try_send(session.unnamed(&places, request))
                .is_ok()
        {
            self.named.extend(new.iter().map(|row| row.row));
        }
        News::Sites(Box::new(sites))
    }
}

/// Reads a segment in full, without names.
fn open(path: &Path, request: &Request) -> Result<Session, crate::error::Error> {
    let request = Request {
        without_symbols: true,
        ..request.clone()
    };
    Session::open(path, &request)
}

/// What leaks among these call stacks.
pub(super) fn leaks(sites: &[Watched]) -> Leaks {
    let leaking = || sites.iter().filter(|site| site.is_leak());
    Leaks {
        sites: leaking().count(),
        bytes_per_second: leaking()
            .filter_map(|site| site.leak)
            .map(|leak| leak.value)
            .sum(),
    }
}

/// A process in full, as the screen needs it.
pub(super) fn sites(session: &Session, watch: Watch) -> Sites {
    let history = session.history();
    let clock = &history.clock;
    let seconds = |ticks: u64| {
        let age_ns = clock.ns(ticks.saturating_sub(clock.start_ticks))?;
        Some(age_ns as f64 / 1e9)
    };
    let points = history.timeline.iter();
    let curve = points.filter_map(|point| Some((seconds(point.ticks)?, point.live.bytes as f64)));
    let all = watch.sites.len();
    let row = |watched: Watched| SiteRow {
        row: history.sites.all[watched.site].row,
        watched,
    };
    Sites {
        path: history.path.clone(),
        curve: curve.collect(),
        window_seconds: watch.window_ns.map(|ns| ns as f64 / 1e9),
        is_complete: watch.is_complete,
        rows: largest(watch.sites).into_iter().map(row).collect(),
        all,
    }
}

/// The call stacks that are among the first in one order or another.
fn largest(mut sites: Vec<Watched>) -> Vec<Watched> {
    let mut chosen = BTreeSet::new();
    for order in SiteOrder::ALL {
        sites.sort_by(|left, right| order.compare(left, right));
        chosen.extend(sites.iter().take(ROWS_MAX).map(|site| site.site));
    }
    sites.retain(|site| chosen.contains(&site.site));
    sites
}
