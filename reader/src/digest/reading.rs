//! What two snapshots of one process tell about the time between them.

#![forbid(unsafe_code)]

use std::thread;

use crate::analysis::span::{self, Spanned};
use crate::digest::window::{Trace, Window};
use crate::error::Error;
use crate::history::{History, State};
use crate::source::{Origin, Subject};

/// Processes whose snapshots are unpacked: those that hold and grow most; of all others the index
/// tells.
pub const READ_MAX: usize = 1_000;

/// A fork that lives for less than this is taken for one that left by _exit, ns.
const FORK_NS: u64 = 60_000_000_000;

/// One process as its last snapshot shows it.
pub struct Reading {
    /// The build-id of its executable in hexadecimal; empty where it has none.
    pub build_id: String,
    /// Where it was in its life.
    pub state: State,
    /// When it started, ns since the Unix epoch.
    pub started_unix_ns: u64,
    /// The most that was live in the window, bytes.
    pub peak_bytes: u64,
    /// What it lost, counted.
    pub losses: u64,
    /// Processor time that memshim took, and that it used itself, seconds.
    pub cost_seconds: (f64, f64),
    /// Bytes that it might still use.
    pub left_bytes: Option<u64>,
    /// The time that growth is counted over, ns; `None` where there is only one snapshot.
    pub span_ns: Option<u64>,
    /// The sites that changed or leak.
    pub sites: Vec<Spanned>,
}

impl Reading {
    /// Unpacks the snapshots at the two ends.
    ///
    /// # Errors
    ///
    /// Those of [`crate::recording::reader::Place::segment`].
    fn of(trace: &Trace<'_>, window: Window) -> Result<Reading, Error> {
        let last = trace.last().expect("a trace has a snapshot");
        let later = History::of(&last.segment()?);
        let base = trace.base();
        let earlier = base.map(|place| place.segment()).transpose()?;
        let earlier = earlier.map(|segment| History::of(&segment));
        let mut sites = span::of(earlier.as_ref(), &later);
        if earlier.is_none() {
            // Of one snapshot nobody knows what is new in it.
            sites.retain(Spanned::is_leak);
            for site in &mut sites {
                (site.gained, site.lost) = Default::default();
            }
        }
        let peak_unix_ns = later.clock.unix_ns(later.peak.ticks);
        let peak = peak_unix_ns.filter(|unix_ns| window.has(*unix_ns));
        let identity = &later.process.identity;
        let modules = later.modules.all.iter();
        let mut executables = modules.filter(|module| *module.path == *identity.executable);
        let losses = later.counters.iter();
        let losses = losses.filter(|counter| counter.subject == Subject::Loss);
        let losses = losses.filter(|counter| !counter.name.ends_with("_bytes"));
        Ok(Reading {
            build_id: executables
                .next()
                .map_or_else(String::new, |module| hex(&module.build_id)),
            state: match is_brief_fork(&later) {
                true => State::Exited,
                false => later.process.state,
            },
            started_unix_ns: later.clock.start_unix_ns,
            peak_bytes: peak
                .map_or(0, |_| later.peak.bytes)
                .max(trace.peak_live_bytes()),
            losses: losses.map(|counter| counter.value).sum(),
            cost_seconds: (
                later.cost.cost_ns as f64 / 1e9,
                later.cost.cpu_ns as f64 / 1e9,
            ),
            left_bytes: later.process.left_bytes,
            span_ns: base.map(|base| last.entry.unix_ns - base.entry.unix_ns),
            sites,
        })
    }
}

/// Whether it is a fork that was gone soon: such leave by _exit, of which nothing is to be seen, and
/// a server that forks for each request would else be a massacre.
fn is_brief_fork(history: &History) -> bool {
    let is_fork = history.process.identity.origin == Origin::Forked;
    let age_ns = history.age_ns(history.clock.start_ticks);
    is_fork
        && history.process.state == State::Killed
        && age_ns.is_some_and(|age_ns| age_ns < FORK_NS)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The reading of each trace, in their order; `None` beyond [`READ_MAX`] and where a snapshot cannot
/// be read, with the reasons of the latter.
pub fn read_all(traces: &[Trace<'_>], window: Window) -> (Vec<Option<Reading>>, Vec<Error>) {
    let mut order: Vec<usize> = (0..traces.len()).collect();
    order.sort_by_key(|place| std::cmp::Reverse(traces[*place].peak_live_bytes()));
    order.truncate(READ_MAX);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = order.len().div_ceil(threads).max(1);
    let read = |places: &[usize]| -> Vec<(usize, Result<Reading, Error>)> {
        let one = |place: &usize| (*place, Reading::of(&traces[*place], window));
        places.iter().map(one).collect()
    };
    let found: Vec<_> = thread::scope(|scope| {
        let parts = order.chunks(share);
        let parts: Vec<_> = parts
            .map(|places| scope.spawn(move || read(places)))
            .collect();
        let joined = parts.into_iter().map(|part| part.join());
        joined
            .flat_map(|part| part.expect("reading does not panic"))
            .collect()
    });
    let mut readings: Vec<Option<Reading>> = traces.iter().map(|_| None).collect();
    let mut errors = Vec::new();
    for (place, reading) in found {
        match reading {
            Ok(reading) => readings[place] = Some(reading),
            Err(error) => errors.push(error),
        }
    }
    (readings, errors)
}
