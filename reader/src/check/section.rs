//! The answer of `check` as a report: the verdict, the checks, and what changed.

#![forbid(unsafe_code)]

use crate::check::judge::{Finding, Verdict};
use crate::check::trial::Trial;
use crate::comparison::{self, Comparison};
use crate::report::{Body, Column, Estimate, Fact, Report, Section, Table, Unit, Value};
use crate::session::Request;

/// Call stacks that people want to see below the checks.
const USUAL_ROWS: usize = 10;

/// The sections `verdict` and `checks`, and those of the comparison where there is a baseline.
pub(crate) fn sections(
    findings: &[Finding],
    comparison: Option<&Comparison>,
    trial: &Trial,
    request: &Request,
) -> Vec<Section> {
    let mut sections = vec![verdict(findings, trial), checks(findings)];
    let rows_max = match (request.top, request.is_for_people) {
        (Some(top), _) => top,
        (None, true) => USUAL_ROWS,
        (None, false) => usize::MAX,
    };
    if let Some(comparison) = comparison {
        sections.extend(comparison::sections(comparison, false, rows_max));
    }
    sections
}

/// The report about a command that failed, of which nothing else is known.
pub(crate) fn failed(code: u8, message: &str) -> Report {
    let mut report = Report::new("check");
    let finding = Finding {
        check: "command".to_owned(),
        limit: "exit status 0".to_owned(),
        measured: Estimate::exact(code.into(), Unit::Count),
        verdict: Verdict::Broken,
        message: message.to_owned(),
        stack: None,
    };
    let answer = Fact::new("answer", "answer", Value::text(message));
    report.sections = vec![
        Section::new("verdict", "Verdict", Body::Facts(vec![answer])),
        checks(&[finding]),
    ];
    report
}

/// The answer in a sentence, then each limit that does not hold.
fn verdict(findings: &[Finding], trial: &Trial) -> Section {
    let count = |verdict| {
        findings
            .iter()
            .filter(|finding| finding.verdict == verdict)
            .count()
    };
    let (broken, uncertain) = (count(Verdict::Broken), count(Verdict::Uncertain));
    let all = findings.len();
    let answer = match (all, broken, uncertain) {
        (0, ..) => "nothing was limited".to_owned(),
        (_, 0, 0) => format!("all {all} checks are ok"),
        (_, 0, _) => {
            format!("nothing is known to be broken; {uncertain} of {all} checks are uncertain")
        }
        (_, _, 0) => format!("{broken} of {all} checks are broken"),
        _ => format!("{broken} of {all} checks are broken, {uncertain} are uncertain"),
    };
    let mut facts = vec![
        Fact::new("answer", "answer", Value::Text(answer)),
        Fact::new("runs", "runs", Value::Count(trial.profile.runs.into())),
    ];
    let shown = findings
        .iter()
        .filter(|finding| finding.verdict != Verdict::Ok);
    facts.extend(shown.zip(1..).map(|(finding, number)| {
        let name = format!("{}_{number}", finding.verdict.name());
        Fact::new(name, finding.verdict.name(), Value::text(&*finding.message))
    }));
    Section::new("verdict", "Verdict", Body::Facts(facts))
}

fn checks(findings: &[Finding]) -> Section {
    let mut table = Table::new(vec![
        Column::new("verdict", "verdict", Unit::Text),
        Column::new("check", "check", Unit::Text),
        Column::new("limit", "limit", Unit::Text),
        Column::new("measured", "measured", Unit::Count),
        Column::derived("message", "message", Unit::Text),
        Column::new("stack", "stack", Unit::Stack),
    ]);
    table.rows = findings.iter().map(row).collect();
    Section::new("checks", "Checks", Body::Table(table))
}

fn row(finding: &Finding) -> Vec<Value> {
    let stack = finding.stack.clone().map_or(Value::Unknown, Value::Stack);
    vec![
        Value::text(finding.verdict.name()),
        Value::text(&*finding.check),
        Value::text(&*finding.limit),
        finding.measured.into(),
        Value::text(&*finding.message),
        stack,
    ]
}
