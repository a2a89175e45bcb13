//! What memshim took from the program, and what it was allowed to take.

#![forbid(unsafe_code)]

use crate::history::History;
use crate::report::{Body, Fact, Section, Value};
use crate::source::Cost;

/// Facts about every answer: the budget, where there is one, and the share that was taken.
pub(crate) fn target_facts(history: &History) -> Vec<Fact> {
    if history.process.identity.go.is_some() {
        // The runtime does not say what its sampling costs.
        return Vec::new();
    }
    let percent = |millionths: u64| Value::Percent(millionths as f64 / 1e4);
    let budget = history.cost.budget_millionths.map(percent);
    let budget = budget.map(|value| Fact::new("budget_percent", "budget", value));
    let share = share_of_cpu(history).map(Value::Percent);
    let share = share.map(|value| Fact::new("own_cost_percent", "own cost", value));
    budget.into_iter().chain(share).collect()
}

/// What was taken of the program's processor time, of 100; `None` before the first look at it.
fn share_of_cpu(history: &History) -> Option<f64> {
    share(&history.cost)
}

/// What was taken of a program's processor time, of 100; `None` before the first look at it.
pub(super) fn share(cost: &Cost) -> Option<f64> {
    (cost.cpu_ns > 0).then(|| cost.cost_ns as f64 / cost.cpu_ns as f64 * 100.0)
}

/// What memshim took from the program.
pub(crate) fn section(history: &History) -> Section {
    let calls = history.counter("slow_calls");
    let events = history.counter("sampled_blocks") + history.counter("sampled_frees");
    let own_ns = history.clock.ns(history.counter("slow_ticks"));
    let duration = |ns: Option<u64>| ns.map_or(Value::Unknown, Value::Duration);
    let mut facts = vec![
        Fact::new(
            "slow_calls",
            "calls that took the slow path",
            Value::Count(calls),
        ),
        Fact::new("own_time_ns", "time in them", duration(own_ns)),
        Fact::new(
            "own_time_per_event_ns",
            "for each sample or its end",
            duration(own_ns.and_then(|ns| ns.checked_div(events))),
        ),
        Fact::new(
            "lookups_in_vain",
            "look-ups in vain",
            Value::Count(history.counter("lookups_in_vain")),
        ),
    ];
    if let Some(share) = share_of_cpu(history) {
        let cost = &history.cost;
        facts.extend([
            Fact::new(
                "own_cost_ns",
                "all with what is not timed",
                Value::Duration(cost.cost_ns),
            ),
            Fact::new("cpu_ns", "processor time", Value::Duration(cost.cpu_ns)),
            Fact::new(
                "share_of_cpu_percent",
                "of its processor time",
                Value::Percent(share),
            ),
        ]);
    } else {
        facts.push(Fact::new(
            "share_of_time_percent",
            "of its life",
            share_of_life(history, own_ns).map_or(Value::Unknown, Value::Percent),
        ));
    }
    Section::new("own_cost", "What memshim cost", Body::Facts(facts))
}

/// For a process that was killed before it looked at its processor time.
fn share_of_life(history: &History, own_ns: Option<u64>) -> Option<f64> {
    let life_ns = history.age_ns(history.clock.start_ticks)?;
    (life_ns > 0).then_some(own_ns? as f64 / life_ns as f64 * 100.0)
}
