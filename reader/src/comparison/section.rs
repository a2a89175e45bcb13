//! A comparison as sections of a report: the answer, the totals, and the rows.

#![forbid(unsafe_code)]

use crate::comparison::{Change, Comparison, Measure, Verdict, estimate, growth};
use crate::output::format;
use crate::report::{Body, Column, Fact, Section, Table, Unit, Value};

/// What is shown of each row as before, after and change.
const SHOWN: [Measure; 4] = [
    Measure::LiveBytes,
    Measure::AllocatedBytes,
    Measure::AllocatedObjects,
    Measure::PeakBytes,
];

/// The facts `change`, the table `totals` and the stacks `diff`: `rows_max` of the rows that
/// changed, or of all.
pub fn sections(comparison: &Comparison, is_all: bool, rows_max: usize) -> Vec<Section> {
    vec![
        summary(comparison),
        totals(comparison),
        rows(comparison, is_all, rows_max),
    ]
}

fn summary(comparison: &Comparison) -> Section {
    let mut facts = vec![Fact::new(
        "answer",
        "answer",
        Value::Text(answer(comparison)),
    )];
    if let Some(caution) = caution(comparison) {
        facts.push(Fact::new("caution", "caution", Value::text(caution)));
    }
    Section::new("change", "What changed", Body::Facts(facts))
}

/// What all call stacks together have, a row for what lives, what was allocated and what lived at
/// the peak.
fn totals(comparison: &Comparison) -> Section {
    let mut table = Table::new(vec![Column::new("measure", "", Unit::Text)]);
    for (thing, unit) in [("bytes", Unit::Bytes), ("objects", Unit::Count)] {
        let title = if thing == "objects" { "objects " } else { "" };
        table.columns.extend([
            Column::new(format!("{thing}_before"), format!("{title}before"), unit),
            Column::new(format!("{thing}_after"), format!("{title}after"), unit),
            Column::change(format!("{thing}_change"), "change", unit),
        ]);
    }
    let total = &comparison.total;
    for measures in Measure::ALL.chunks(2) {
        let mut row = vec![Value::text(measures[0].title())];
        row.extend(measures.iter().flat_map(|measure| {
            let unit = measure.unit();
            let change = growth(total.lost(*measure), total.gained(*measure), unit);
            [
                Value::from(estimate(total.before(*measure), unit)),
                estimate(total.after(*measure), unit).into(),
                change.into(),
            ]
        }));
        table.rows.push(row);
    }
    Section::new("totals", "Totals", Body::Table(table))
}

/// The one sentence that answers the question.
fn answer(comparison: &Comparison) -> String {
    let changed = comparison.changed().count();
    let all = comparison.rows.len();
    let Some(largest) = comparison.changed().next() else {
        return match comparison.is_exact {
            true => format!("nothing changed in any of {all} call stacks"),
            false => format!("no change in any of {all} call stacks that chance does not explain"),
        };
    };
    let stacks = match changed {
        1 => format!("1 of {all} call stacks changed"),
        _ => format!("{changed} of {all} call stacks changed"),
    };
    let place = place_of(largest).unwrap_or_else(|| "a call stack without names".to_owned());
    format!(
        "{stacks}; most of all {place}, where {}",
        describe(largest, largest.measure)
    )
}

/// The change of one measure in words: `allocated went from 1.0 MiB to 2.0 MiB`.
pub(crate) fn describe(change: &Change, measure: Measure) -> String {
    let figure = |evidence| {
        let estimate = estimate(evidence, measure.unit());
        match measure.unit() {
            Unit::Bytes => format::bytes(estimate.value),
            _ => format::count(estimate.value),
        }
    };
    format!(
        "{} went from {} to {}",
        measure.title(),
        figure(change.before(measure)),
        figure(change.after(measure))
    )
}

/// The innermost function whose file is known, as people look for it: `parse  (src/parse.c:12)`.
///
/// Functions without files are the allocator's callers in libraries, which nobody can change.
pub(crate) fn place_of(change: &Change) -> Option<String> {
    let frames = &change.stack.0;
    let has_file = frames
        .iter()
        .find(|frame| is_own_source(frame.file.as_deref()));
    let frame = has_file.or(frames.iter().find(|frame| frame.function.is_some()))?;
    let name = shortened(&frame.label());
    match (&frame.file, frame.line) {
        (Some(file), Some(line)) => Some(format!("{name} ({file}:{line})")),
        _ => Some(name),
    }
}

/// A C++ name as people write it.
fn shortened(name: &str) -> String {
    const STRING: &str =
        "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >";
    name.replace(STRING, "std::string")
        .replace("[abi:cxx11]", "")
}

/// Whether a file is the program's and not of a toolchain or a system library.
fn is_own_source(file: Option<&str>) -> bool {
    // The C library of a distribution was built in directories that begin with a point.
    let foreign = ["/usr/include/", "/usr/lib/", "/rustc/", "/usr/src/", "./"];
    file.is_some_and(|file| !foreign.iter().any(|prefix| file.starts_with(prefix)))
}

/// What keeps the answer from meaning what it seems to.
fn caution(comparison: &Comparison) -> Option<&'static str> {
    let (before, after) = comparison.runs;
    (comparison.is_exact && before.max(after) == 1 && comparison.changed().next().is_some())
        .then_some(
            "every block was counted, so each difference is real; but two runs of one program \
             differ by themselves, and several runs (check --runs) tell that from a change",
        )
}

fn rows(comparison: &Comparison, is_all: bool, rows_max: usize) -> Section {
    let wanted = |row: &&Change| is_all || row.verdict != Verdict::Unchanged;
    let rows: Vec<&Change> = comparison.rows.iter().filter(wanted).collect();
    let table = Table {
        columns: columns(),
        rows: rows.iter().take(rows_max).map(|row| values(row)).collect(),
    };
    let unchanged = comparison.rows.len() - comparison.changed().count();
    let note = match (table.rows.len() < rows.len(), is_all || unchanged == 0) {
        (true, _) => format!(
            "{} of {} rows; --top shows more",
            table.rows.len(),
            rows.len()
        ),
        (false, false) => format!("{unchanged} without a significant change; --all shows them"),
        (false, true) => String::new(),
    };
    Section::new("diff", "Call stacks that changed", Body::Stacks(table)).with_note(note)
}

/// People get the verdict and the changes; what they follow from is for programs.
fn columns() -> Vec<Column> {
    let mut columns = vec![
        Column::new("verdict", "verdict", Unit::Text),
        Column::new("measure", "of", Unit::Text),
        Column::new("p_value", "p", Unit::Text),
    ];
    for measure in SHOWN {
        let (key, title, unit) = (measure.key(), measure.title(), measure.unit());
        columns.extend([
            Column::derived(format!("{key}_before"), format!("{title} before"), unit),
            Column::derived(format!("{key}_after"), format!("{title} after"), unit),
            Column::change(format!("{key}_change"), title, unit),
        ]);
    }
    columns.push(Column::new("stack", "stack", Unit::Stack));
    columns
}

fn values(row: &Change) -> Vec<Value> {
    let mut values = vec![
        Value::text(row.verdict.name()),
        Value::text(row.measure.title()),
        Value::Text(chance_text(row.chance)),
    ];
    for measure in SHOWN {
        let unit = measure.unit();
        values.extend([
            estimate(row.before(measure), unit).into(),
            estimate(row.after(measure), unit).into(),
            growth(row.lost(measure), row.gained(measure), unit).into(),
        ]);
    }
    values.push(row.stack.clone().into());
    values
}

/// A chance with as many digits as it deserves; `exact` where there was none.
pub(crate) fn chance_text(chance: f64) -> String {
    match chance {
        0.0 => "exact".to_owned(),
        chance if chance < 1e-4 => "<0.0001".to_owned(),
        chance => format!("{chance:.4}"),
    }
}
