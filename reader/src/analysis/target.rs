//! Whom a report is about, what is missing from it, and what must be said before anything else.

#![forbid(unsafe_code)]

use crate::analysis::{Subject, cost};
use crate::history::{History, State};
use crate::report::{Body, Fact, Section, Value};
use crate::source::go::How;
use crate::source::go::vitals::Vitals;
use crate::source::{Bypass, Interval, Issue, Origin, Subject as About};

/// The process: who it is, how it is doing, how it was sampled.
pub(crate) fn facts(history: &History) -> Vec<Fact> {
    let identity = &history.process.identity;
    let now_ticks = history.now_ticks();
    let optional = |value: Option<Value>| value.unwrap_or(Value::Unknown);
    let start_ticks = history.clock.start_ticks;
    let mut facts = vec![
        Fact::new("pid", "process", Value::Id(identity.pid.into())),
        Fact::new(
            "parent_pid",
            "parent",
            Value::Id(identity.parent_pid.into()),
        ),
        Fact::new("program", "program", Value::text(identity.program())),
        Fact::new(
            "executable",
            "executable",
            Value::text(&*identity.executable),
        ),
        Fact::new(
            "command_line",
            "command",
            Value::text(quoted(&identity.command_line)),
        ),
        Fact::new("state", "state", Value::text(describe(history))),
        Fact::new(
            "started_unix_ns",
            "started",
            optional(history.clock.unix_ns(start_ticks).map(Value::Time)),
        ),
        Fact::new(
            "age_ns",
            "age",
            optional(history.age_ns(start_ticks).map(Value::Duration)),
        ),
        Fact::new(
            "as_of_unix_ns",
            "as of",
            optional(history.clock.unix_ns(now_ticks).map(Value::Time)),
        ),
        Fact::new(
            "interval",
            "interval",
            Value::text(interval_text(history.intervals.now())),
        ),
        Fact::new(
            "segment",
            "segment",
            Value::text(history.path.to_string_lossy()),
        ),
    ];
    facts.splice(10..10, cost::target_facts(history));
    if let Some(go) = &identity.go {
        let text = match go.rate_bytes {
            0 | 1 => "the Go runtime's own heap profile, of every block".to_owned(),
            rate => format!("the Go runtime's own heap profile, one sample in {rate} bytes"),
        };
        facts.push(Fact::new("source", "source", Value::Text(text)));
        facts.extend(vitals(&go.vitals));
    }
    if identity.origin == Origin::Forked {
        let text = "a fork: what the parent had allocated is not in it";
        facts.push(Fact::new("origin", "origin", Value::text(text)));
    }
    facts
}

/// What a Go runtime said of itself, as far as that is known.
fn vitals(vitals: &Vitals) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut add = |name, title, value| facts.push(Fact::new(name, title, value));
    if vitals.collections > 0 {
        let count = Value::Count(vitals.collections);
        add("go_collections", "garbage collections", count);
        let pause = Value::Duration(vitals.last_pause_ns);
        add("go_last_pause_ns", "last pause", pause);
        add(
            "go_pauses_ns",
            "all pauses",
            Value::Duration(vitals.pauses_ns),
        );
        let last = Value::Time(vitals.last_unix_ns);
        add("go_last_collection_unix_ns", "last collection", last);
    }
    if vitals.goal_bytes > 0 {
        let goal = Value::Bytes(vitals.goal_bytes);
        add("go_goal_bytes", "next collection at", goal);
    }
    if vitals.goroutines > 0 {
        let goroutines = Value::Count(vitals.goroutines);
        add("go_goroutines", "goroutines", goroutines);
    }
    facts
}

/// The mean bytes between two samples, for programs; unknown where every block is recorded.
pub(crate) fn interval_bytes(history: &History) -> Fact {
    let bytes = history.intervals.now().bytes();
    let value = bytes.map_or(Value::Unknown, Value::Bytes);
    Fact::new("interval_bytes", "interval in bytes", value)
}

/// Everything that is known to be missing, zeros included.
pub(crate) fn losses(history: &History) -> Vec<Fact> {
    let lost = history
        .counters
        .iter()
        .filter(|counter| counter.subject == About::Loss);
    let counted = lost.map(|counter| {
        let value = match counter.name.ends_with("_bytes") {
            true => Value::Bytes(counter.value),
            false => Value::Count(counter.value),
        };
        Fact::new(counter.name, format!("\u{d7} {}", counter.meaning), value)
    });
    let found = Issue::ALL.iter().map(|issue| {
        let count = Value::Count(history.issues.count(*issue));
        Fact::new(issue.name(), format!("\u{d7} {}", issue.meaning()), count)
    });
    counted.chain(found).collect()
}

/// What changes the meaning of every number below it; no section when there is nothing.
pub(crate) fn notices(subject: &Subject<'_>) -> Vec<Section> {
    let history = subject.history;
    let mut facts = Vec::new();
    let mut say = |name: &str, title: &str, text: String| {
        facts.push(Fact::new(name, title, Value::Text(text)));
    };
    if let Some(text) = bypass_text(history.process.identity.bypass) {
        say("bypass", "not seen", text.to_owned());
    }
    if let Some(text) = &history.process.go_unseen {
        say("go_unseen", "Go's heap", text.clone());
    }
    if let Some(go) = &history.process.identity.go {
        let since = history.clock.unix_ns(history.clock.start_ticks);
        say("go_heap", "Go's heap", go_text(go.how).to_owned());
        if go.how == How::SwitchedOn {
            facts.push(Fact::new(
                "go_since_unix_ns",
                "known since",
                since.map_or(Value::Unknown, Value::Time),
            ));
        }
    }
    let mut say = |name: &str, title: &str, text: String| {
        facts.push(Fact::new(name, title, Value::Text(text)));
    };
    if history.counter("untracked_bytes") > 0 {
        say(
            "live_is_lower_bound",
            "at least",
            "some blocks found no slot; what is live is a lower bound, and set MEMSHIM_MAX_SEGMENT \
             higher to track them"
                .to_owned(),
        );
    }
    if !history.cost.rejected.is_empty() {
        say(
            "settings",
            "settings",
            format!(
                "the value of {} was not understood; the default is in force",
                history.cost.rejected.join(", ")
            ),
        );
    }
    if let Some(errno) = history.process.identity.storage_errno {
        let error = std::io::Error::from_raw_os_error(errno);
        say(
            "storage",
            "storage",
            format!("the file system refused more room: {error}"),
        );
    }
    if let Some(selected) = &subject.selected {
        let all = history.sites.all.len();
        say(
            "filter",
            "filter",
            format!("{} of {all} sites", selected.len()),
        );
    }
    if history.part.is_some() {
        say("part", "part of the blocks", part_text(history));
    }
    if facts.is_empty() {
        return Vec::new();
    }
    vec![Section::new("notices", "Please note", Body::Facts(facts))]
}

/// The whole answer where it would need what a Go runtime does not tell.
pub(crate) fn not_told(what: &str) -> Section {
    let text = format!(
        "{what} not known of a Go program: its runtime keeps sums for each call stack and size, and \
         nothing of single blocks"
    );
    let facts = vec![Fact::new(
        "not_available",
        "not available",
        Value::Text(text),
    )];
    Section::new("not_available", "No answer", Body::Facts(facts))
}

/// What the figures of a Go program are, and what is not in them.
fn go_text(how: How) -> &'static str {
    match how {
        How::FromStart => {
            "what is live includes what is dead and not collected yet; stacks of goroutines, what C \
             allocates and what the runtime keeps for itself are not in it"
        }
        How::SwitchedOn => {
            "sampling was switched on while the program ran: what was allocated before is unknown; \
             what is live includes what is dead and not collected yet"
        }
        How::Own => {
            "sampled at the program's own rate; what is live includes what is dead and not \
             collected yet"
        }
    }
}

/// What does not reach the shim in this program.
fn bypass_text(bypass: Bypass) -> Option<&'static str> {
    match bypass {
        Bypass::None => None,
        Bypass::OwnMalloc => Some(
            "the executable has its own malloc, so its calls never reach memshim; build it with \
             the system's allocator to profile it",
        ),
        Bypass::OwnNew => Some(
            "operator new, if the program uses it, is served by an allocator that does not call \
             malloc, and is not counted",
        ),
        Bypass::Unknown => {
            Some("something serves the program's allocations that this reader does not know")
        }
    }
}

/// What a filter by thread, size, age or time leaves to count from.
fn part_text(history: &History) -> String {
    let known = "counted from the blocks known one by one: all that are alive";
    let Some(since_ticks) = history.lives.complete_since_ticks else {
        return format!("{known}, and all that died");
    };
    match history.age_ns(since_ticks).filter(|age_ns| *age_ns > 0) {
        Some(age_ns) => {
            let seconds = age_ns as f64 / 1e9;
            format!("{known}, and those that died in the last {seconds:.1} s")
        }
        None => format!("{known}, and some of those that died"),
    }
}

/// The interval for people: `exact`, or a power of two with its binary unit.
pub(crate) fn interval_text(interval: Interval) -> String {
    let Some(bytes) = interval.bytes() else {
        return "exact".to_owned();
    };
    let exponent = bytes.ilog2();
    let unit = ["B", "KiB", "MiB", "GiB", "TiB"].get(exponent as usize / 10);
    format!("{} {}", 1u64 << (exponent % 10), unit.unwrap_or(&"B"))
}

fn describe(history: &History) -> String {
    match (history.process.state, &history.process.successor) {
        (State::Replaced, Some(program)) => format!("replaced by exec of {program}"),
        (state, _) => state.name().to_owned(),
    }
}

/// A command line as a shell would take it.
fn quoted(words: &[String]) -> String {
    let is_plain = |word: &str| {
        let plain =
            |character: char| character.is_alphanumeric() || "_-./:=,@%+".contains(character);
        !word.is_empty() && word.chars().all(plain)
    };
    let quote = |word: &String| match is_plain(word) {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[&str], expected: &str) {
        let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        assert_eq!(quoted(&words), expected);
    }

    #[test]
    fn a_command_line_can_be_pasted_into_a_shell() {
        check(
            &["python3", "-c", "print('a b')"],
            r"python3 -c 'print('\''a b'\'')'",
        );
        check(&["a", ""], "a ''");
    }

    #[test]
    fn an_interval_has_the_unit_that_people_use() {
        assert_eq!(interval_text(Interval::EXACT), "exact");
        assert_eq!(interval_text(Interval::at_most(512 << 10)), "512 KiB");
        assert_eq!(interval_text(Interval::at_most(1 << 40)), "1 TiB");
        assert_eq!(interval_text(Interval::at_most(2)), "2 B");
    }
}
