//! All processes there are, each at a glance, with what changed since the last looks.

#![forbid(unsafe_code)]

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};

use crate::analysis::glance::{Glance, Reading, noted_before};
use crate::history::State;
use crate::source::Segment;
use crate::source::directory::{Name, Users};
use crate::source::go::preloaded::{beside_c, find_others, label};

/// Rates are those of so long, ns: short enough to be of now, long enough to be steady.
const WINDOW_NS: u64 = 10_000_000_000;

/// The processes of some users, looked at again and again.
pub struct Processes {
    users: Users,
    known: HashMap<PathBuf, Known>,
}

/// A process with its rates.
#[derive(Debug, Clone, PartialEq)]
pub struct Followed {
    /// The process as it was looked at last.
    pub glance: Glance,
    /// How much more is live each second, over the last ten or so; `None` where it is gone.
    pub change_per_second: Option<f64>,
    /// What it asks for each second, likewise.
    pub allocated_per_second: Option<f64>,
}

struct Known {
    glance: Glance,
    /// The latest last; all but the first are younger than the window.
    readings: VecDeque<Reading>,
}

impl Processes {
    /// Nobody was looked at yet.
    pub fn new(all_users: bool) -> Processes {
        let users = match all_users {
            true => Users::All,
            false => Users::Own,
        };
        Processes {
            users,
            known: HashMap::new(),
        }
    }

    /// Looks at every other process, by process id; one whose segment cannot be read is left out.
    pub fn look(&mut self) -> Vec<Followed> {
        let found = find_others(self.users).into_iter();
        let paths: Vec<PathBuf> = found.map(|found| found.path).collect();
        self.known.retain(|path, _| paths.contains(path));
        let mut all: Vec<Followed> = paths.iter().filter_map(|path| self.look_at(path)).collect();
        let name = |one: &Followed| one.glance.path.file_name().and_then(Name::parse);
        let read = all.iter();
        let beside = beside_c(read.filter_map(|one| Some((name(one)?, &*one.glance.program))));
        for one in &mut all {
            let is_beside = name(one).is_some_and(|name| beside.contains_key(&name));
            one.glance.program = label(&one.glance.program, is_beside).into_owned();
        }
        all
    }

    fn look_at(&mut self, path: &Path) -> Option<Followed> {
        // What is over does not change any more, and there may be many of it.
        let is_over = |known: &&Known| {
            let state = known.glance.state;
            !known.glance.is_alive && !matches!(state, State::Running | State::Unknown)
        };
        if let Some(known) = self.known.get(path).filter(is_over) {
            return Some(known.followed());
        }
        let segment = Segment::open(path).ok()?;
        let glance = Glance::of(&segment);
        let reading = glance.reading;
        let known = self.known.entry(path.to_path_buf()).or_insert_with(|| {
            let before = noted_before(&segment, &reading, WINDOW_NS);
            Known {
                glance: glance.clone(),
                readings: VecDeque::from([before]),
            }
        });
        known.glance = glance;
        known.note(reading);
        Some(known.followed())
    }
}

impl Known {
    /// Adds a reading and forgets those that are too old, but for the youngest of these.
    fn note(&mut self, reading: Reading) {
        self.readings.push_back(reading);
        let is_old = |at: Option<&Reading>| {
            at.is_some_and(|at| at.age_ns.saturating_add(WINDOW_NS) <= reading.age_ns)
        };
        while is_old(self.readings.get(1)) {
            self.readings.pop_front();
        }
    }

    fn followed(&self) -> Followed {
        let ends = self.readings.front().zip(self.readings.back());
        let is_running = self.glance.state == State::Running;
        let ends = ends.filter(|(first, last)| is_running && first.age_ns < last.age_ns);
        let rate = |of: fn(&Reading) -> u64| {
            let (first, last) = ends?;
            let seconds = (last.age_ns - first.age_ns) as f64 / 1e9;
            Some((of(last) as f64 - of(first) as f64) / seconds)
        };
        Followed {
            glance: self.glance.clone(),
            change_per_second: rate(|reading| reading.live_bytes),
            allocated_per_second: rate(|reading| reading.asked_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Interval;
    use crate::source::fixture::segment;

    /// A running process that was looked at at these ages in seconds, when so much was live.
    fn check(readings: &[(u64, u64)], expected: Option<f64>) {
        let bytes = segment(Interval::EXACT);
        let segment = Segment::from_bytes(Path::new("1-1-0.seg"), &bytes).expect("a good header");
        let mut known = Known {
            glance: Glance {
                state: State::Running,
                ..Glance::of(&segment)
            },
            readings: VecDeque::new(),
        };
        for (age, live_bytes) in readings {
            known.note(Reading {
                age_ns: age * 1_000_000_000,
                live_bytes: *live_bytes,
                asked_bytes: 0,
            });
        }
        assert_eq!(known.followed().change_per_second, expected, "{readings:?}");
    }

    #[test]
    fn rates_are_of_the_last_ten_seconds() {
        check(&[(0, 0), (90, 1_000), (100, 2_000)], Some(100.0));
        check(&[(0, 0), (95, 1_000), (100, 2_000)], Some(20.0));
        check(&[(90, 0), (95, 1_000), (100, 500)], Some(50.0));
    }

    #[test]
    fn one_look_has_no_rate() {
        check(&[(100, 2_000)], None);
        check(&[(100, 2_000), (100, 3_000)], None);
    }

    #[test]
    fn a_process_that_is_gone_has_no_rate() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("1073741824-1-0.seg");
        std::fs::write(&path, segment(Interval::EXACT)).expect("a file");
        let mut processes = Processes::new(false);
        let looks = [processes.look_at(&path), processes.look_at(&path)];
        for followed in looks {
            let followed = followed.expect("a readable segment");
            assert!(!followed.glance.is_alive);
            assert_eq!(followed.change_per_second, None);
        }
    }
}
