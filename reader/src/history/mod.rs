//! The model: all that a segment tells about one process, in terms of the program.
//!
//! It is one fold over the tables, which are the truth, with the ring as history beside it.
//! Damaged input is data: what cannot be right is left out and noted in [`History::issues`].

#![forbid(unsafe_code)]

mod blocks;
mod counts;
mod intervals;
mod lives;
mod modules;
mod part;
mod process;
mod sites;
mod sum;
mod timeline;

use std::path::PathBuf;

use crate::event::{Kept, Ring};
use crate::history::blocks::Slots;
use crate::moment::{self, Moment};
use crate::source::timeline::Point as Noted;
use crate::source::{Clock, Cost, Counter, Issue, Issues, Peak, Segment, Thread};

pub use blocks::Block;
pub use counts::Counts;
pub use intervals::Intervals;
pub use lives::{Life, Lives};
pub use modules::Modules;
pub use part::Part;
pub use process::{Process, State};
pub use sites::{Site, SiteIndex, Sites};
pub use sum::Sum;
pub use timeline::Point;

/// Everything known about one process.
pub struct History {
    /// The file it was read from.
    pub path: PathBuf,
    /// Bytes that the file takes.
    pub stored_bytes: u64,
    /// Who it is and how it is doing.
    pub process: Process,
    /// How ticks become time.
    pub clock: Clock,
    /// How finely it was sampled.
    pub intervals: Intervals,
    /// What the shim counted: activity, losses and its own cost.
    pub counters: Vec<Counter>,
    /// What sampling may cost and did cost.
    pub cost: Cost,
    /// What was loaded.
    pub modules: Modules,
    /// Who ran.
    pub threads: Vec<Thread>,
    /// Who allocated.
    pub sites: Sites,
    /// The sampled blocks that are alive, with known sites.
    pub blocks: Vec<Block>,
    /// The sampled blocks that died last.
    pub lives: Lives,
    /// The heap at its largest.
    pub peak: Peak,
    /// The heap over time: from the start, when nothing was live, by way of the peak to the end.
    pub timeline: Vec<Point>,
    /// The moments, in ticks, of which it is known what garbage collections had left alive at each
    /// site; only of a Go runtime.
    pub moments: Vec<u64>,
    /// What is known of the events of late.
    pub events: Kept,
    /// The part of the blocks that it is the history of; `None` for all.
    pub part: Option<Part>,
    /// What was found wrong on the way.
    pub issues: Issues,
}

impl History {
    /// Folds a segment.
    ///
    /// The blocks are read before the sites, so that every block's site is there even while the
    /// program goes on.
    pub fn of(segment: &Segment) -> History {
        let mut issues = Issues::default();
        let process = Process::of(segment, &mut issues);
        if process.is_gone {
            segment.rest();
        }
        let ring = Ring::of(segment, &mut issues);
        let mut slots = Slots::of(segment, &mut issues);
        let mut sites = Sites::of(segment, &slots, &mut issues);
        let modules = Modules::new(segment.modules(&mut issues));
        sites.merge_twins(&modules, !process.is_alive(), &mut issues);
        let lives = Lives::of(&ring, slots.take_dead(), |row| sites.index_of_row(row));
        let (blocks, lost) = slots.into_blocks(|row| sites.index_of_row(row));
        issues.add(Issue::BlockWithoutSite, lost);
        let noted = segment.timeline(&mut issues);
        let mut history = History {
            path: segment.path.clone(),
            stored_bytes: segment.stored_bytes,
            process,
            clock: segment.clock(),
            intervals: Intervals::of(segment),
            counters: segment.counters(),
            cost: segment.cost(),
            modules,
            threads: segment.threads(&mut issues),
            sites,
            blocks,
            lives,
            peak: segment.peak(),
            timeline: Vec::new(),
            moments: segment.go_moments().unwrap_or_default(),
            events: ring.kept,
            part: None,
            issues,
        };
        history.timeline = history.points(&noted);
        history
    }

    /// The heap over time, of which the sites know the last moment and the peak best.
    fn points(&self, noted: &[Noted]) -> Vec<Point> {
        let sites = self.sites.all.iter();
        let latest_ticks = noted.last().map_or(0, |point| point.ticks);
        let end = Point {
            ticks: self.now_ticks().max(self.peak.ticks).max(latest_ticks),
            live: sites.clone().map(Site::live).sum(),
            asked_bytes: Some(self.threads.iter().map(|thread| thread.bytes).sum()),
        };
        let mut at_peak: Sum = sites.map(Site::at_peak).sum();
        at_peak.bytes = self.peak.bytes.into();
        let peak = (self.peak.ticks > 0).then_some(Point {
            ticks: self.peak.ticks,
            live: at_peak,
            asked_bytes: None,
        });
        let start_ticks = self.clock.start_ticks;
        timeline::points(noted, start_ticks, peak, end, &self.intervals)
    }

    /// One counter by its stable name; 0 where it is not known.
    pub fn counter(&self, name: &str) -> u64 {
        let found = self.counters.iter().find(|counter| counter.name == name);
        found.map_or(0, |counter| counter.value)
    }

    /// The moment that the answer is about, in ticks: now, the end, or the last that was heard.
    pub fn now_ticks(&self) -> u64 {
        let identity = &self.process.identity;
        match self.process.state {
            State::Running => self.clock.now_ticks.unwrap_or(identity.heartbeat_ticks),
            State::Exited | State::Replaced => identity.end_ticks.max(identity.heartbeat_ticks),
            State::Killed | State::Unknown => identity.heartbeat_ticks,
        }
    }

    /// The last moment that something is known of, in ticks.
    pub fn end_ticks(&self) -> u64 {
        let last = self.timeline.last();
        last.map_or(self.now_ticks(), |point| point.ticks)
    }

    /// A moment in ticks; `None` when the clock is unknown.
    pub fn ticks_at(&self, moment: Moment) -> Option<u64> {
        let clock = &self.clock;
        let life = moment::Life {
            start_unix_ns: clock.start_unix_ns,
            age_ns: clock.ns(self.end_ticks().saturating_sub(clock.start_ticks))?,
        };
        let age_ticks = clock.ticks(moment.age_ns(life))?;
        Some(clock.start_ticks.saturating_add(age_ticks))
    }

    /// How long ago a moment was, ns; `None` when the clock is unknown.
    pub fn age_ns(&self, ticks: u64) -> Option<u64> {
        self.clock.ns(self.now_ticks().saturating_sub(ticks))
    }

    /// The places of the modules that the addresses of a site's stack lay in when it was walked,
    /// leaf first; addresses in none are left out.
    pub fn modules_of(&self, site: &Site) -> impl Iterator<Item = usize> {
        let known = site.identity.modules;
        let frames = self.sites.frames(site).iter();
        frames.filter_map(move |address| self.modules.find(*address, known))
    }
}
