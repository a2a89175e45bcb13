//! Marks for what is live: watches between two looks, and says who passes one.
//!
//! Watching costs a look at the header and the threads of each segment a second; the snapshot that
//! is taken then is what matters, since a heap that passed a mark may be gone at the next look.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::str::FromStr;
use std::time::Duration;

use crate::output::format;
use crate::quantity;
use crate::source::Segment;
use crate::source::directory::{Found, Name};
use crate::source::limit::{self, Limit};
use crate::source::process::{Liveness, liveness, resident_bytes};

const SECOND_NS: u64 = 1_000_000_000;

/// How often marks are looked at.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// The least time between two snapshots because of the same mark of the same process.
const AGAIN_NS: u64 = 600 * SECOND_NS;

/// How often the kernel is asked for a process's limit, which seldom changes.
const LIMIT_NS: u64 = 30 * SECOND_NS;

/// The part of a mark that a process must fall below before it can pass it again.
const BELOW: f64 = 0.9;

/// How much may be live before it is worth a snapshot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mark {
    /// Bytes.
    Bytes(u64),
    /// Of 100, of the memory that the process may use; resident memory counts too.
    Share(f64),
}

impl FromStr for Mark {
    type Err = String;

    fn from_str(text: &str) -> Result<Mark, String> {
        let share = text.trim().strip_suffix('%').map(str::trim_end);
        let share = share.and_then(|text| text.parse::<f64>().ok());
        match share {
            Some(share) if share > 0.0 && share <= 100.0 => Ok(Mark::Share(share)),
            _ => match quantity::bytes(text) {
                Ok(bytes @ 1..) => Ok(Mark::Bytes(bytes)),
                _ => Err(format!("{text:?} is no mark; write 512MiB or 80%")),
            },
        }
    }
}

/// The marks, and who is above which.
pub(crate) struct Guard {
    marks: Vec<Mark>,
    known: HashMap<Name, Known>,
}

/// One process.
#[derive(Default)]
struct Known {
    limit: Option<(u64, Option<Limit>)>,
    /// By mark: whether it is above, and when that was worth a snapshot last.
    above: Vec<(bool, Option<u64>)>,
}

/// A process that passed a mark.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Passing {
    /// Its segment.
    pub(crate) found: Found,
    /// The mark, bytes.
    pub(crate) mark_bytes: u64,
    /// What is live, bytes.
    pub(crate) live_bytes: u64,
    /// What happened, as a phrase.
    pub(crate) detail: String,
}

/// What is known of a process at one moment.
#[derive(Debug, Clone, Copy)]
struct Use {
    live_bytes: u64,
    resident_bytes: u64,
    limit_bytes: Option<u64>,
}

impl Guard {
    /// Watches these marks.
    pub(crate) fn new(marks: &[Mark]) -> Guard {
        Guard {
            marks: marks.to_vec(),
            known: HashMap::new(),
        }
    }

    /// Whether there is nothing to watch.
    pub(crate) fn is_idle(&self) -> bool {
        self.marks.is_empty()
    }

    /// Who of these passed a mark since the last time.
    pub(crate) fn watch(&mut self, found: &[Found], now_unix_ns: u64) -> Vec<Passing> {
        let mut passing = Vec::new();
        let mut known = HashMap::new();
        for found in found {
            let mut one = self.known.remove(&found.name).unwrap_or_default();
            if let Some(use_now) = self.use_of(found, &mut one, now_unix_ns) {
                passing.extend(self.passed(found, &mut one, use_now, now_unix_ns));
                known.insert(found.name, one);
            }
        }
        self.known = known;
        passing
    }

    fn use_of(&self, found: &Found, known: &mut Known, now: u64) -> Option<Use> {
        let (pid, start_time) = (found.name.pid, found.name.start_time);
        if liveness(pid, start_time) != Liveness::Alive {
            return None;
        }
        let live_bytes = Segment::open(&found.path).ok()?.live_bytes();
        let needs_limit = self.marks.iter().any(|it| matches!(it, Mark::Share(_)));
        let resident = needs_limit.then(|| resident_bytes(pid)).flatten();
        let is_old = known
            .limit
            .is_none_or(|(asked, _)| now.saturating_sub(asked) >= LIMIT_NS);
        if needs_limit && is_old {
            known.limit = Some((now, limit::of(pid)));
        }
        let limit = known.limit.and_then(|(_, limit)| limit);
        Some(Use {
            live_bytes,
            resident_bytes: resident.unwrap_or(0),
            limit_bytes: limit.map(|limit| limit.limit_bytes),
        })
    }

    /// The highest mark that was passed just now, so that one snapshot is taken of one moment.
    fn passed(
        &self,
        found: &Found,
        known: &mut Known,
        now: Use,
        now_unix_ns: u64,
    ) -> Option<Passing> {
        known.above.resize(self.marks.len(), (false, None));
        let mut highest: Option<Passing> = None;
        for (mark, (is_above, taken)) in self.marks.iter().zip(&mut known.above) {
            let Some((mark_bytes, used_bytes)) = mark.applied(now) else {
                continue;
            };
            let was_above = *is_above;
            *is_above = match was_above {
                true => used_bytes as f64 >= mark_bytes as f64 * BELOW,
                false => used_bytes >= mark_bytes,
            };
            let is_old = taken.is_none_or(|then| now_unix_ns.saturating_sub(then) >= AGAIN_NS);
            if was_above || !*is_above || !is_old {
                continue;
            }
            *taken = Some(now_unix_ns);
            if highest.as_ref().is_none_or(|it| it.mark_bytes < mark_bytes) {
                highest = Some(Passing {
                    found: found.clone(),
                    mark_bytes,
                    live_bytes: now.live_bytes,
                    detail: mark.detail(mark_bytes, now),
                });
            }
        }
        highest
    }
}

impl Mark {
    /// The mark in bytes and what counts against it; nothing where the limit is not known.
    fn applied(self, now: Use) -> Option<(u64, u64)> {
        match self {
            Mark::Bytes(bytes) => Some((bytes, now.live_bytes)),
            Mark::Share(share) => {
                let mark_bytes = (now.limit_bytes? as f64 * share / 100.0) as u64;
                Some((mark_bytes.max(1), now.live_bytes.max(now.resident_bytes)))
            }
        }
    }

    fn detail(self, mark_bytes: u64, now: Use) -> String {
        let [mark, live, resident] = [mark_bytes, now.live_bytes, now.resident_bytes]
            .map(|bytes| format::bytes(bytes as f64));
        match self {
            Mark::Bytes(_) => format!("its mark of {mark}: {live} are live"),
            Mark::Share(share) => format!(
                "{share:.0} % of its memory limit, {mark}: {live} are live, {resident} in memory"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// What is live in MiB by the second, and whether that is worth a snapshot.
    fn check(marks: &[Mark], limit_bytes: Option<u64>, looks: &[(u64, u64, Option<u64>)]) {
        let guard = Guard::new(marks);
        let name = Name {
            pid: 1,
            start_time: 2,
            number: 0,
        };
        let found = Found {
            name,
            path: "1-2-0.seg".into(),
        };
        let mut known = Known::default();
        for (second, live, expected) in looks {
            let now = Use {
                live_bytes: live * MIB,
                resident_bytes: 0,
                limit_bytes,
            };
            let passing = guard.passed(&found, &mut known, now, (1_000 + second) * SECOND_NS);
            let mark = passing.map(|it| it.mark_bytes / MIB);
            assert_eq!(mark, *expected, "after {second} s with {live} MiB");
        }
    }

    #[test]
    fn a_mark_is_passed_once_until_the_heap_was_well_below_it() {
        let marks = [Mark::Bytes(100 * MIB)];
        check(
            &marks,
            None,
            &[
                (0, 50, None),
                (1, 100, Some(100)),
                (2, 200, None),
                (3, 95, None),
                (4, 100, None),
                (5, 80, None),
                (700, 120, Some(100)),
            ],
        );
    }

    #[test]
    fn a_heap_that_swings_around_a_mark_is_not_kept_every_time() {
        let marks = [Mark::Bytes(100 * MIB)];
        let swings = [
            (0, 150, Some(100)),
            (10, 50, None),
            (20, 150, None),
            (30, 50, None),
            (610, 150, Some(100)),
        ];
        check(&marks, None, &swings);
    }

    #[test]
    fn of_several_marks_passed_at_once_the_highest_is_told() {
        let marks = [Mark::Bytes(100 * MIB), Mark::Share(80.0)];
        let looks = [(0, 120, Some(100)), (1, 900, Some(800)), (2, 950, None)];
        check(&marks, Some(1_000 * MIB), &looks);
        check(&marks, Some(1_000 * MIB), &[(0, 900, Some(800))]);
        check(&marks, None, &[(0, 900, Some(100))]);
    }

    #[test]
    fn marks_are_sizes_or_shares() {
        assert_eq!("512M".parse(), Ok(Mark::Bytes(512 * MIB)));
        assert_eq!("80%".parse(), Ok(Mark::Share(80.0)));
        for text in ["", "0", "101%", "-5%", "much", "%"] {
            assert!(text.parse::<Mark>().is_err(), "{text}");
        }
    }
}
