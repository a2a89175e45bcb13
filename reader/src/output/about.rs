//! Whom a report is about and what is missing from it, in words for forms that have one line for
//! that.

#![forbid(unsafe_code)]

use crate::output::format;
use crate::report::{Report, Value};

/// A fact about the target as people read it; none where the report has no such fact.
pub(crate) fn target_text(report: &Report, name: &str) -> Option<String> {
    target(report, name).map(|value| format::cell(value, false).main)
}

/// A whole number among the facts about the target; none where it is unknown.
pub(crate) fn target_number(report: &Report, name: &str) -> Option<u64> {
    match target(report, name)? {
        Value::Id(number)
        | Value::Count(number)
        | Value::Bytes(number)
        | Value::Duration(number)
        | Value::Time(number) => Some(*number),
        _ => None,
    }
}

fn target<'a>(report: &'a Report, name: &str) -> Option<&'a Value> {
    let found = report.target.iter().find(|fact| fact.name == name);
    found.map(|fact| &fact.value)
}

/// What was lost, each as `7 blocks without a slot`; empty where nothing was.
pub(crate) fn losses(report: &Report) -> Vec<String> {
    let lost = report.losses.iter().filter(|loss| !loss.value.is_zero());
    let lost = lost.map(|loss| {
        let amount = format::cell(&loss.value, false).main;
        format!("{amount} {}", loss.title)
    });
    lost.collect()
}
