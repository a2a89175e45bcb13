//! `record --alert FILE --check` and `--trial`: what a file of rules means, and whether its actions
//! work.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::Duration;

use crate::alert::deliver::{Action, Delivery, Means};
use crate::alert::host;
use crate::alert::kind::{Kind, Level};
use crate::alert::notice::{News, Notice, Place};
use crate::alert::rules::{Rule, Rules};
use crate::alert::words::Told;
use crate::output::format;
use crate::report::{Body, Column, Fact, Report, Section, Table, Unit, Value};

/// What a file of rules means, as a report.
pub fn meaning(rules: &Rules) -> Report {
    let mut report = Report::new("alerts");
    let text = |key, title| Column::new(key, title, Unit::Text);
    let mut alerts = Table::new(vec![
        text("alert", "alert"),
        text("kind", "kind"),
        text("programs", "programs"),
        text("threshold", "threshold"),
        text("clear", "over at"),
        Column::new("for_ns", "for", Unit::Duration),
        Column::new("again_ns", "again", Unit::Duration),
        text("severity", "severity"),
        text("actions", "tells"),
    ]);
    alerts.rows = rules
        .alerts
        .iter()
        .map(|it| row(it, &rules.actions))
        .collect();
    let mut actions = Table::new(vec![
        text("action", "action"),
        text("means", "does"),
        Column::new("timeout_ns", "has", Unit::Duration),
        Column::new("at_once", "at once", Unit::Count),
        Column::new("per_hour", "an hour", Unit::Count),
    ]);
    actions.rows = rules.actions.iter().map(action_row).collect();
    let kinds = Kind::ALL.iter().map(|kind| kind.word());
    let kinds: Vec<&str> = kinds.collect();
    report.sections = vec![
        Section::new("alerts", "Alerts", Body::Table(alerts)),
        Section::new("actions", "Actions", Body::Table(actions)),
        Section::new(
            "kinds",
            "What alerts can be about",
            Body::Facts(vec![Fact::new(
                "kinds",
                "kinds",
                Value::text(kinds.join(", ")),
            )]),
        ),
    ];
    report
}

fn row(rule: &Rule, actions: &[Action]) -> Vec<Value> {
    let level = |level: Level| {
        let sign = if rule.kind.is_below() { "<" } else { ">" };
        format!("{sign} {}", rule.kind.text(level))
    };
    let threshold = rule.level.map_or_else(|| "any".to_owned(), level);
    let least = match rule.at_least {
        0.0 => String::new(),
        bytes => format!(", above {}", format::bytes(bytes)),
    };
    let clear = rule.level.map(|level| rule.kind.text(level.at(rule.clear)));
    let names = rule
        .actions
        .iter()
        .map(|place| actions[*place].name.as_str());
    let names: Vec<&str> = names.collect();
    vec![
        Value::text(&*rule.name),
        Value::text(rule.kind.word()),
        Value::text(rule.programs.join(", ")),
        Value::text(threshold + &least),
        Value::text(clear.unwrap_or_else(|| "-".to_owned())),
        Value::Duration(rule.for_ns),
        Value::Duration(rule.again_ns),
        Value::text(&*rule.severity),
        Value::text(match names.is_empty() {
            true => "nobody; it stands in the log and in --status".to_owned(),
            false => names.join(", "),
        }),
    ]
}

fn action_row(action: &Action) -> Vec<Value> {
    vec![
        Value::text(&*action.name),
        Value::text(match &action.means {
            Means::Command(words) => words.join(" "),
            Means::Webhook(url) => format!("POST {url}"),
        }),
        Value::Duration(action.timeout_ns),
        Value::Count(action.at_once as u64),
        Value::Count(action.per_hour),
    ]
}

/// Tells every action a trial, as the first rule that uses it would; gives what became of it, and
/// how many failed.
pub fn tell_all(rules: &Rules, now_unix_ns: u64) -> (Report, usize) {
    let mut delivery = Delivery::begin(&rules.actions);
    let host = host();
    for place in 0..rules.actions.len() {
        let users = rules.alerts.iter();
        let user = users.clone().find(|rule| rule.actions.contains(&place));
        let rule = user
            .or(rules.alerts.first())
            .expect("a file has one rule at least");
        let told = Told {
            program: "trial",
            host: &host,
            value: Level::Number(0.0),
            threshold: rule.level,
            detail: "",
        };
        let at = Place {
            pids: &[],
            since_unix_ns: now_unix_ns,
            unix_ns: now_unix_ns,
            recording: "",
        };
        let notice = Notice::new(rule, News::Trial, &told, at, None);
        delivery.hand(&Arc::new(notice), &[place]);
    }
    let longest_ns = rules.actions.iter().map(|action| action.timeout_ns).max();
    delivery.end(Duration::from_nanos(longest_ns.unwrap_or(0)));
    let mut table = Table::new(vec![
        Column::new("action", "action", Unit::Text),
        Column::new("outcome", "outcome", Unit::Text),
    ]);
    let mut failed = 0;
    for tally in delivery.tallies() {
        let outcome = match (tally.told, tally.trouble.as_str()) {
            (1.., _) => "took the trial".to_owned(),
            (0, "") => "did not answer".to_owned(),
            (0, trouble) => format!("failed: {trouble}"),
        };
        failed += usize::from(tally.told == 0);
        table
            .rows
            .push(vec![Value::text(&*tally.action), Value::text(outcome)]);
    }
    let mut report = Report::new("alerts");
    report.sections = vec![Section::new("trial", "Trial", Body::Table(table))];
    (report, failed)
}
