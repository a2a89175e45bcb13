//! How a process that left no word came to its end: how near its memory was to its limit, what
//! anybody saw, and what had grown last.

#![forbid(unsafe_code)]

use crate::analysis::{Subject, growth};
use crate::history::{History, Site, State, Sum};
use crate::output::format;
use crate::report::{Body, Fact, Section, Value};
use crate::source::limit::{self, Whose};
use crate::source::noted::Death;
use crate::source::process::boot_id;

/// From this share of its limit on memory is the likely cause of an end that nobody saw.
const NEAR: f64 = 0.85;

/// What ended the growth of the process at the latest, and how far it was then.
struct Room {
    whose: Whose,
    limit_bytes: u64,
    used_bytes: u64,
}

/// What is known of the end; nothing where the process runs, exited or became another program.
pub(crate) fn sections(subject: &Subject<'_>) -> Vec<Section> {
    let history = subject.history;
    if history.process.state != State::Killed {
        return Vec::new();
    }
    let facts = facts(history);
    vec![
        Section::new("death", "Its end", Body::Facts(facts)),
        growth::last(subject),
    ]
}

fn facts(history: &History) -> Vec<Fact> {
    let noted = &history.process.noted;
    let room = room(history);
    let mut facts = vec![Fact::new(
        "end",
        "what is known",
        Value::Text(sentence(history, room.as_ref())),
    )];
    if let Some(bytes) = noted.resident_bytes {
        let title = "in memory at the last look";
        facts.push(Fact::new("resident_bytes", title, Value::Bytes(bytes)));
    }
    if let Some(room) = room {
        let share = room.used_bytes as f64 / room.limit_bytes.max(1) as f64 * 100.0;
        facts.extend([
            Fact::new("limit_whose", "limit", Value::text(whose(room.whose))),
            Fact::new("limit_bytes", "it is", Value::Bytes(room.limit_bytes)),
            Fact::new("used_bytes", "used of it", Value::Bytes(room.used_bytes)),
            Fact::new("used_percent", "that is", Value::Percent(share)),
        ]);
    }
    if let Some(death) = &history.process.death {
        let kills = Value::Count(death.oom_kills);
        facts.push(Fact::new(
            "oom_kills",
            "kills for lack of memory then",
            kills,
        ));
        if let Some(signal) = death.signal {
            facts.push(Fact::new("signal", "signal", Value::Id(signal as u64)));
        }
    }
    facts
}

/// The limit that was noted, or that of the machine where the process ran since its last start.
fn room(history: &History) -> Option<Room> {
    let (noted, identity) = (&history.process.noted, &history.process.identity);
    let live: Sum = history.sites.all.iter().map(Site::live).sum();
    let live_bytes = u64::try_from(live.bytes).unwrap_or(u64::MAX);
    let resident_bytes = noted.resident_bytes.unwrap_or(0).max(live_bytes);
    let of_limit = |(whose, limit_bytes)| Room {
        whose,
        limit_bytes,
        used_bytes: match whose {
            Whose::AddressSpace => noted.mapped_bytes.unwrap_or(0).max(live_bytes),
            Whose::ControlGroup | Whose::Machine => resident_bytes,
        },
    };
    let is_here = boot_id() == Some(identity.boot_id);
    let machine = || Some((Whose::Machine, limit::machine_bytes().filter(|_| is_here)?));
    noted.limit.or_else(machine).map(of_limit)
}

/// One sentence for people, which claims no more than is known.
fn sentence(history: &History, room: Option<&Room>) -> String {
    let at = room.map_or_else(String::new, |room| {
        format!(
            " at {} of the {} that {} may have",
            format::bytes(room.used_bytes as f64),
            format::bytes(room.limit_bytes as f64),
            whose(room.whose)
        )
    });
    let is_near = room.is_some_and(|room| room.used_bytes as f64 >= room.limit_bytes as f64 * NEAR);
    let unseen = match (room, is_near) {
        (Some(_), true) => "; memory was nearly used up, which is the likely cause",
        (Some(_), false) => "",
        (None, _) => "; its memory limit is not known",
    };
    match &history.process.death {
        Some(Death { oom_kills: 1.., .. }) => {
            let at = if at.is_empty() { at } else { format!(",{at}") };
            format!("killed by the kernel because memory was used up{at}")
        }
        Some(Death {
            signal: Some(signal),
            ..
        }) => {
            let kernel = match signal {
                9 => "; the kernel killed nobody for lack of memory, so somebody sent it",
                _ => "",
            };
            format!("ended by {}{at}{kernel}", signal_name(*signal))
        }
        _ => format!("killed, crashed or left by _exit{at}{unseen}"),
    }
}

fn whose(whose: Whose) -> &'static str {
    match whose {
        Whose::ControlGroup => "its control group",
        Whose::AddressSpace => "its address space (RLIMIT_AS)",
        Whose::Machine => "the machine",
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        15 => "SIGTERM",
        _ => return format!("signal {signal}"),
    };
    format!("signal {signal}, {name}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::source::fixture::segment;
    use crate::source::{Interval, Segment};

    const GIB: u64 = 1 << 30;

    fn check(limit: Option<(Whose, u64)>, used: u64, death: Option<Death>, expected: &str) {
        let bytes = segment(Interval::EXACT);
        let segment = Segment::from_bytes(Path::new("1-1-0.seg"), &bytes).expect("a good header");
        let mut history = History::of(&segment);
        history.process.state = State::Killed;
        history.process.noted.limit = limit;
        history.process.noted.resident_bytes = Some(used);
        history.process.death = death;
        let room = room(&history);
        assert_eq!(sentence(&history, room.as_ref()), expected);
        let sections = sections(&Subject::new(&history));
        assert_eq!(sections.len(), 2);
    }

    #[test]
    fn an_end_that_nobody_saw_is_told_by_how_near_the_limit_was() {
        let group = Some((Whose::ControlGroup, 2 * GIB));
        check(
            group,
            2 * GIB - (64 << 20),
            None,
            "killed, crashed or left by _exit at 1.9 GiB of the 2.0 GiB that its control group \
             may have; memory was nearly used up, which is the likely cause",
        );
        check(
            group,
            GIB,
            None,
            "killed, crashed or left by _exit at 1.0 GiB of the 2.0 GiB that its control group \
             may have",
        );
        check(
            None,
            GIB,
            None,
            "killed, crashed or left by _exit; its memory limit is not known",
        );
    }

    #[test]
    fn what_was_seen_is_said() {
        let group = Some((Whose::ControlGroup, 2 * GIB));
        let death = |signal, oom_kills| Some(Death { signal, oom_kills });
        check(
            group,
            2 * GIB,
            death(None, 1),
            "killed by the kernel because memory was used up, at 2.0 GiB of the 2.0 GiB that its \
             control group may have",
        );
        check(
            group,
            GIB,
            death(Some(9), 0),
            "ended by signal 9, SIGKILL at 1.0 GiB of the 2.0 GiB that its control group may \
             have; the kernel killed nobody for lack of memory, so somebody sent it",
        );
        check(None, GIB, death(Some(6), 0), "ended by signal 6, SIGABRT");
    }

    #[test]
    fn a_process_that_runs_or_exited_has_no_such_section() {
        let bytes = segment(Interval::EXACT);
        let segment = Segment::from_bytes(Path::new("1-1-0.seg"), &bytes).expect("a good header");
        let mut history = History::of(&segment);
        for state in [State::Running, State::Exited, State::Replaced] {
            history.process.state = state;
            assert!(sections(&Subject::new(&history)).is_empty());
        }
    }
}
