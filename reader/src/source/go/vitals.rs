//! What a Go runtime knows of its garbage collections and its goroutines.
//!
//! Stripping takes the names of these variables and no function gives them away in the same form in
//! every version, so those about collections are found by what must stand there. What does not
//! check out is left out: no figure is better than a wrong one.
//!
//! ```text
//! statistics  0 time of the last collection, ns since 1970   8 sum of all pauses, ns
//!            16 pauses, a ring of 256   2064 their ends, a ring   4112 collections, u32
//! pacer       0 percent of growth, u32 in 8 bytes   8 memory limit   16 least goal, 4 MiB x percent
//!               the goal: 104 (1.19), 72 (since 1.21)
//! ```

#![forbid(unsafe_code)]

use std::time::{SystemTime, UNIX_EPOCH};

use crate::source::go::executable::Executable;
use crate::source::go::memory::Memory;

/// Entries of the rings.
const RING: usize = 256;

/// Bytes of the statistics, and where things are in them.
const STATISTICS_BYTES: usize = 4112 + 8;
const PAUSES: usize = 16;
const ENDS: usize = PAUSES + 8 * RING;
const COLLECTIONS: usize = ENDS + 8 * RING;

/// Bytes of the pacer that are looked at.
const PACER_BYTES: usize = 112;

/// The goal of a heap that hardly has anything in it, at a growth of 100 percent.
const LEAST_GOAL: u64 = 4 << 20;

/// Without a limit, the word of the limit is the largest there is.
const NO_LIMIT: u64 = i64::MAX as u64;

/// More percent of growth than anybody sets.
const PERCENT_MAX: u64 = 100_000;

/// A pause that is none, and a heap that is none.
const PAUSE_MAX_NS: u64 = 600_000_000_000;
const GOAL_MAX: u64 = 1 << 47;

/// The time of a collection is not older than any machine has run.
const AGE_MAX_NS: u64 = 10 * 365 * 86_400 * 1_000_000_000;

/// Bytes of writable data that are searched; the runtime's own come before the program's.
const SEARCHED_MAX: u64 = 4 << 20;

/// Goroutines and processors that a runtime may have.
const GOROUTINES_MAX: u64 = 1 << 26;
const PROCESSORS_MAX: u64 = 1 << 12;

/// What the runtime says of itself; 0 where it is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Garbage collections so far.
    pub collections: u64,
    /// How long the last one stopped the program, ns.
    pub last_pause_ns: u64,
    /// How long all of them did.
    pub pauses_ns: u64,
    /// When the last one ended, ns since 1970.
    pub last_unix_ns: u64,
    /// The heap at which the next one is due, bytes.
    pub goal_bytes: u64,
    /// Goroutines, without those of the runtime itself.
    pub goroutines: u64,
}

/// Where the figures are, once that is known.
#[derive(Debug, Default)]
pub struct Finder {
    statistics: Option<u64>,
    pacer: Option<u64>,
}

impl Finder {
    /// Reads what can be read now.
    pub fn read(&mut self, memory: &mut Memory, executable: &Executable, bias: u64) -> Vitals {
        if self.statistics.is_none() {
            self.search(memory, executable, bias);
        }
        let mut vitals = Vitals::default();
        let mut bytes = [0; STATISTICS_BYTES];
        if let Some(address) = self.statistics
            && memory.copy_now(address, &mut bytes)
        {
            note_collections(&bytes, now_unix_ns(), &mut vitals);
        }
        let mut bytes = [0; PACER_BYTES];
        if let Some(address) = self.pacer
            && memory.copy_now(address, &mut bytes)
        {
            vitals.goal_bytes = goal(&bytes, executable.version).unwrap_or(0);
        }
        vitals.goroutines = goroutines(memory, executable, bias).unwrap_or(0);
        vitals
    }

    /// Looks for both in what the program may write to. The statistics are there only after the
    /// first collection; the pacer is there from the start, if it is one that is known.
    fn search(&mut self, memory: &mut Memory, executable: &Executable, bias: u64) {
        let now_ns = now_unix_ns();
        let mut left = SEARCHED_MAX;
        for load in executable.loads.iter().filter(|load| load.is_writable) {
            let len = load.memory_bytes.min(left);
            left -= len;
            let start = load.address.wrapping_add(bias);
            let mut bytes = vec![0; len as usize];
            if !memory.copy_now(start, &mut bytes) {
                continue;
            }
            let skipped = (start.next_multiple_of(8) - start) as usize;
            for at in (skipped..bytes.len()).step_by(8) {
                let rest = &bytes[at..];
                let address = start + at as u64;
                if self.pacer.is_none() && goal(rest, executable.version).is_some() {
                    self.pacer = Some(address);
                }
                if self.statistics.is_none()
                    && note_collections(rest, now_ns, &mut Vitals::default())
                {
                    self.statistics = Some(address);
                }
            }
        }
    }
}

/// The figures of collections, if these bytes are where they stand.
fn note_collections(bytes: &[u8], now_ns: u64, vitals: &mut Vitals) -> bool {
    let Some(last_unix_ns) = word(bytes, 0) else {
        return false;
    };
    // Nearly every word fails here.
    if last_unix_ns > now_ns || now_ns - last_unix_ns > AGE_MAX_NS {
        return false;
    }
    let collections = word(bytes, COLLECTIONS).map(|word| word & u64::from(u32::MAX));
    let (Some(collections @ 1..), Some(pauses_ns)) = (collections, word(bytes, 8)) else {
        return false;
    };
    let last = (collections as usize + RING - 1) % RING;
    let ring = |start: usize| (0..RING).filter_map(move |index| word(bytes, start + 8 * index));
    let known = (collections as usize).min(RING);
    let sum = ring(PAUSES).try_fold(0_u64, u64::checked_add);
    let last_pause_ns = word(bytes, PAUSES + 8 * last).unwrap_or(u64::MAX);
    let fits = word(bytes, ENDS + 8 * last) == Some(last_unix_ns)
        && sum.is_some_and(|sum| sum <= pauses_ns)
        && last_pause_ns <= PAUSE_MAX_NS
        && ring(ENDS).filter(|end| *end != 0).count() == known
        && ring(ENDS).all(|end| end <= last_unix_ns);
    if fits {
        *vitals = Vitals {
            collections,
            last_pause_ns,
            pauses_ns,
            last_unix_ns,
            ..*vitals
        };
    }
    fits
}

/// The heap at which the next collection is due, if these bytes are the pacer and it goes by growth
/// alone.
fn goal(bytes: &[u8], version: Option<(u32, u32)>) -> Option<u64> {
    let percent = word(bytes, 0).filter(|percent| (1..=PERCENT_MAX).contains(percent))?;
    let least = LEAST_GOAL * percent / 100;
    if word(bytes, 8)? != NO_LIMIT || word(bytes, 16)? != least {
        return None;
    }
    let place = match version? {
        (19, _) => 104,
        (21..=27, _) => 72,
        _ => return None,
    };
    word(bytes, place).filter(|goal| (least..GOAL_MAX).contains(goal))
}

/// Where a version keeps what goroutines are counted by.
struct Places {
    /// In the scheduler: the runtime's own goroutines, i32.
    own: usize,
    /// In the scheduler: lists of goroutines that ended; each its head and its length.
    ended: &'static [(usize, usize)],
    /// In each processor: the same.
    ended_here: (u64, u64),
}

impl Places {
    fn of((minor, _): (u32, u32)) -> Option<Places> {
        let (own, ended, ended_here): (_, &[_], _) = match minor {
            19 => (72, &[(160, 176)], (2464, 2472)),
            21 | 22 => (72, &[(168, 184)], (2464, 2472)),
            23 | 24 => (72, &[(168, 184)], (2456, 2464)),
            25 => (80, &[(176, 184), (192, 200)], (2456, 2464)),
            26 | 27 => (96, &[(192, 200), (208, 216)], (2464, 2472)),
            _ => return None,
        };
        Some(Places {
            own,
            ended,
            ended_here,
        })
    }
}

/// Goroutines as runtime.NumGoroutine counts them: all that ever were, without those that ended
/// and wait to be used again, and without the runtime's own.
fn goroutines(memory: &mut Memory, executable: &Executable, bias: u64) -> Option<u64> {
    let places = Places::of(executable.version?)?;
    let symbol = |name| Some(executable.symbol(name)?.wrapping_add(bias));
    let (all, scheduler) = (symbol("runtime.allglen")?, symbol("runtime.sched")?);
    let processors = symbol("runtime.allp")?;
    let all = memory
        .word_now(all)
        .filter(|all| (1..GOROUTINES_MAX).contains(all))?;
    let mut bytes = [0; 256];
    memory.copy_now(scheduler, &mut bytes).then_some(())?;
    let count = |word: u64| Some(word & u64::from(u32::MAX)).filter(|count| *count <= all);
    let mut others = count(word(&bytes, places.own)?)?;
    let is_list = places.ended.len() > 1;
    for (head, len) in places.ended {
        let len = count(word(&bytes, *len)?)?;
        // Up to 1.24 one length is that of two lists, whose heads lie beside each other.
        let second = if is_list { 0 } else { word(&bytes, head + 8)? };
        let is_empty = word(&bytes, *head)? == 0 && second == 0;
        (is_empty == (len == 0)).then_some(())?;
        others += len;
    }
    let processor_count = memory.word_now(processors + 8)?;
    (1..=PROCESSORS_MAX)
        .contains(&processor_count)
        .then_some(())?;
    let list = memory.word_now(processors)?;
    for id in 0..processor_count {
        let processor = memory.word_now(list.checked_add(8 * id)?)?;
        let mut field = |at: u64| memory.word_now(processor.checked_add(at)?);
        let (head, len) = places.ended_here;
        let (own_id, head, len) = (field(0)?, field(head)?, count(field(len)?)?);
        let is_processor = own_id & u64::from(u32::MAX) == id && (head == 0) == (len == 0);
        is_processor.then_some(())?;
        others += len;
    }
    all.checked_sub(others).filter(|count| *count > 0)
}

fn now_unix_ns() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.map_or(0, |time| time.as_nanos() as u64)
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_NS: u64 = 1_700_000_000_000_000_000;

    /// Statistics after so many collections, each a second after the other and with a pause of
    /// its number in microseconds.
    fn statistics(collections: u64) -> Vec<u8> {
        let mut words = vec![0_u64; STATISTICS_BYTES / 8];
        for number in 0..collections {
            let place = number as usize % RING;
            words[0] = NOW_NS - (collections - number) * 1_000_000_000;
            words[1] += number * 1_000;
            words[PAUSES / 8 + place] = number * 1_000;
            words[ENDS / 8 + place] = words[0];
        }
        words[COLLECTIONS / 8] = collections;
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn statistics_are_known_by_what_must_stand_there() {
        for collections in [1, 7, 256, 1_000] {
            let mut vitals = Vitals::default();
            assert!(note_collections(
                &statistics(collections),
                NOW_NS,
                &mut vitals
            ));
            let last_pause_ns = (collections - 1) * 1_000;
            assert_eq!(
                (vitals.collections, vitals.last_pause_ns),
                (collections, last_pause_ns)
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let check = |place: usize, value: u64| {
            let mut bytes = statistics(300);
            bytes[place..place + 8].copy_from_slice(&value.to_le_bytes());
            let mut vitals = Vitals::default();
            let is_taken = note_collections(&bytes, NOW_NS, &mut vitals);
            assert!(!is_taken && vitals == Vitals::default(), "{place}");
        };
        check(0, NOW_NS + 1);
        check(0, NOW_NS - 2);
        check(8, 5);
        check(COLLECTIONS, 299);
        check(PAUSES + 8 * 40, u64::MAX);
        assert!(!note_collections(
            &statistics(3)[8..],
            NOW_NS,
            &mut Vitals::default()
        ));
        assert!(!note_collections(
            &[0; STATISTICS_BYTES],
            NOW_NS,
            &mut Vitals::default()
        ));
    }

    #[test]
    fn a_goal_is_that_of_a_heap_without_a_limit() {
        let check = |percent: u64, limit: u64, least: u64, minor: u32, expected: Option<u64>| {
            let mut words = [0_u64; PACER_BYTES / 8];
            (words[0], words[1], words[2]) = (percent, limit, least);
            (words[9], words[13]) = (9 << 20, 13 << 20);
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            assert_eq!(
                goal(&bytes, Some((minor, 0))),
                expected,
                "{percent} {limit} {minor}"
            );
        };
        check(100, NO_LIMIT, 4 << 20, 27, Some(9 << 20));
        check(100, NO_LIMIT, 4 << 20, 19, Some(13 << 20));
        check(50, NO_LIMIT, 2 << 20, 21, Some(9 << 20));
        check(100, NO_LIMIT, 4 << 20, 28, None);
        check(100, 1 << 30, 4 << 20, 27, None);
        check(100, NO_LIMIT, 5 << 20, 27, None);
        check(u64::from(u32::MAX), NO_LIMIT, 4 << 20, 27, None);
    }
}
