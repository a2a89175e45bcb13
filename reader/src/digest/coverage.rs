//! How much of a window was recorded, and when nobody looked.

#![forbid(unsafe_code)]

use crate::digest::window::Window;
use crate::recording::Recording;

/// Time without a look that is no gap, ns: a recorder that starts again takes as long.
const USUAL_NS: u64 = 120_000_000_000;

/// A gap is this many times longer than the usual time between two looks.
const USUAL_LOOKS: u64 = 4;

/// Time in which nobody recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The last that was recorded before it, ns since the Unix epoch.
    pub since_unix_ns: u64,
    /// The first after it.
    pub until_unix_ns: u64,
    /// Whether another recorder made the end of it.
    pub is_restart: bool,
}

impl Gap {
    /// How long it was, ns.
    pub fn ns(&self) -> u64 {
        self.until_unix_ns - self.since_unix_ns
    }
}

/// What of a window was recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Time with a recorder, ns.
    pub covered_ns: u64,
    /// The rest, the earliest first.
    pub gaps: Vec<Gap>,
}

/// The moments at which a recorder surely looked, each with the recorder's start where it is known.
///
/// Rotation leaves only the last look in a file, so the snapshots count as well.
fn looks(recording: &Recording) -> Vec<(u64, Option<u64>)> {
    let mut looks = Vec::new();
    for file in &recording.files {
        let index = &file.index;
        looks.push((index.began_unix_ns, None));
        looks.extend(index.entries.iter().map(|entry| (entry.unix_ns, None)));
        looks.extend(index.rounds.iter().map(|round| (round.unix_ns, None)));
        let last = index.last_round.as_ref();
        looks.extend(last.map(|round| (round.unix_ns, Some(round.started_unix_ns))));
    }
    looks.sort_unstable();
    looks
}

/// Finds the gaps of a window.
///
/// A program that does nothing leaves no snapshot, and of old files the looks are gone: within one
/// file of a recorder only what is longer than an hour, in which another file would have begun, is
/// called a gap.
pub fn of(recording: &Recording, window: Window) -> Coverage {
    const FILE_NS: u64 = 3_600_000_000_000;
    let looks = looks(recording);
    let steps = looks.windows(2).map(|pair| pair[1].0 - pair[0].0);
    let mut steps: Vec<u64> = steps.filter(|step| *step > 0).collect();
    steps.sort_unstable();
    let usual_ns = steps.get(steps.len() / 2).copied().unwrap_or(0);
    let least_ns = (usual_ns.saturating_mul(USUAL_LOOKS)).max(USUAL_NS);
    let mut gaps = Vec::new();
    let starts: Vec<u64> = looks.iter().filter_map(|(_, start)| *start).collect();
    for pair in looks.windows(2) {
        let ((since, _), (until, _)) = (pair[0], pair[1]);
        let is_restart = starts.iter().any(|start| since < *start && *start <= until);
        let longest = if is_restart {
            least_ns
        } else {
            least_ns.max(FILE_NS + USUAL_NS)
        };
        let since = since.max(window.since_unix_ns);
        let until = until.min(window.until_unix_ns);
        if until > since && until - since > longest {
            gaps.push(Gap {
                since_unix_ns: since,
                until_unix_ns: until,
                is_restart,
            });
        }
    }
    let first = looks.first().map_or(window.until_unix_ns, |look| look.0);
    let begin = first.clamp(window.since_unix_ns, window.until_unix_ns);
    let missing: u64 = gaps.iter().map(Gap::ns).sum();
    Coverage {
        covered_ns: (window.until_unix_ns - begin).saturating_sub(missing),
        gaps,
    }
}
