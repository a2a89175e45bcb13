//! Where the program allocates most, and what it could do better.

#![forbid(unsafe_code)]

mod advice;
mod change_at;
mod conduct;
mod rules;

use std::cmp::Reverse;

use clap::Args;

use crate::analysis::estimate::Sampling;
use crate::analysis::sites::shown;
use crate::analysis::{Analysis, Subject};
use crate::history::SiteIndex;
use crate::quantity;
use crate::report::{Body, Column, Estimate, Fact, Report, Section, Table, Unit, Value};

pub(crate) use change_at::frame_to_change;

use advice::Advice;
use conduct::{Conduct, Conducts};
use rules::{RULES, SAMPLES_MIN};

/// Hot spots, and pieces of advice, that people want to see.
const USUAL_ROWS: usize = 10;

/// The section with the advice, which people get as one section each.
const ADVICE: &str = "advice";

/// Hot spots, and advice with what it would gain and how sure that is
///
/// Rates are over the whole life of the process. The score of a call stack is 100 times the share
/// of its blocks that were not temporary, times the share of the memory of its live blocks that was
/// asked for: 100 means that every call and every byte is put to lasting use.
///
/// Advice is ranked by the lower end of what it gains, in percent of one processor core or of the
/// heap's peak, whichever is more; what gains less than `--at-least` is left out, and so is
/// whatever fewer than 16 samples show. Rules: temporary blocks (reuse); blocks reallocated more
/// than twice as often as doubling would need (reserve); blocks with a mapping of their own, which
/// glibc rounds to whole pages, that come and go (keep them); blocks freed by another thread;
/// many small blocks of one size (a pool); sizes that the allocator rounds up by more than a tenth.
///
/// Assumed costs: a malloc and its free 20 to 100 ns together; a copy 0.1 ns a byte at worst and
/// nothing at best, since a block may grow in place; a mapping 1 to 5 us, and up to 0.5 us a page
/// that is touched again; a free on another thread 10 to 100 ns more; 8 bytes of header a block.
/// The interval of a gain is the interval of the count times that of the cost. Nobody sees
/// accesses: whether memory that stays is used at all is not known. `change at` is the innermost
/// frame that is not of an allocator, a wrapper or a standard library.
#[derive(Debug, Args)]
pub struct Patterns {
    /// Call blocks temporary that live shorter than this
    #[arg(long, value_name = "TIME", default_value = "1ms", value_parser = quantity::duration_ns)]
    temporary_below: u64,
    /// Leave out advice that for certain gains less of a core or of the heap's peak
    #[arg(long, value_name = "PERCENT", default_value_t = 0.05)]
    at_least: f64,
}

impl Analysis for Patterns {
    const NAME: &'static str = "patterns";
    const NEEDS_BLOCKS: Option<&'static str> = Some("How single blocks are used is");

    fn sections(&self, subject: &Subject<'_>) -> Vec<Section> {
        let Some(conducts) = Conducts::of(subject, self.temporary_below) else {
            // Without a clock there are no rates.
            return vec![Section::new(
                ADVICE,
                "Advice",
                Body::Table(Table::default()),
            )];
        };
        let mut sites: Vec<SiteIndex> = subject.sites().map(|(index, _)| index).collect();
        let born = |index: &SiteIndex| subject.history.sites.all[*index].born();
        sites.retain(|index| born(index).object_parts > 0);
        sites.sort_by_cached_key(|index| (Reverse(born(index).object_parts), *index));
        let mut advice: Vec<(Advice, SiteIndex)> = Vec::new();
        let mut spots = Table::new(spot_columns());
        let rows_max = subject.rows_max(USUAL_ROWS);
        let sampling = Sampling::of(subject.history);
        for (place, index) in sites.iter().enumerate() {
            let conduct = conducts.site(*index);
            let found = RULES.iter().filter_map(|rule| rule(&conduct, &sampling));
            advice.extend(found.map(|advice| (advice, *index)));
            if place < rows_max {
                spots.rows.push(spot(subject, &conduct, &sampling));
            }
        }
        let note = shown(spots.rows.len(), sites.len(), "sites");
        let spots = Section::new("hot_spots", "Who calls most", Body::Table(spots));
        vec![spots.with_note(note), self.advice(subject, advice)]
    }

    fn finish(&self, subject: &Subject<'_>, report: &mut Report) {
        let Some(place) = report
            .sections
            .iter()
            .position(|section| section.name == ADVICE)
        else {
            return;
        };
        name_places(&mut report.sections[place]);
        if subject.is_for_people {
            let each = one_by_one(&report.sections[place]);
            report.sections.splice(place..=place, each);
        }
    }
}

impl Patterns {
    /// One row a piece of advice, the surest gain first.
    fn advice(&self, subject: &Subject<'_>, mut advice: Vec<(Advice, SiteIndex)>) -> Section {
        let heap_bytes = subject.history.peak.bytes as f64;
        advice.retain(|(advice, _)| {
            let rank = advice.rank(heap_bytes);
            rank > 0.0 && rank >= self.at_least
        });
        advice.sort_by(|(left, _), (right, _)| {
            right.rank(heap_bytes).total_cmp(&left.rank(heap_bytes))
        });
        let mut table = Table::new(advice_columns());
        let optional = |gain: Option<Estimate>| gain.map_or(Value::Unknown, Value::Estimate);
        for (advice, index) in advice.iter().take(subject.rows_max(USUAL_ROWS)) {
            table.rows.push(vec![
                Value::text(advice.rule),
                Value::text(advice.remedy),
                Value::text(&*advice.finding),
                optional(advice.cpu_percent),
                optional(advice.bytes),
                Value::text(advice.why),
                Value::Unknown,
                subject.stacks.of(&subject.history.sites.all[*index]).into(),
            ]);
        }
        let hidden = shown(table.rows.len(), advice.len(), "findings");
        Section::new(ADVICE, "Advice", Body::Table(table)).with_note(hidden)
    }
}

fn spot_columns() -> Vec<Column> {
    vec![
        Column::new("objects_per_second", "objects", Unit::CountPerSecond),
        Column::new("bytes_per_second", "bytes", Unit::BytesPerSecond),
        Column::new("temporary_percent", "temporary", Unit::Percent),
        Column::new("live_bytes", "live", Unit::Bytes),
        Column::new("score", "score", Unit::Count),
        Column::new("stack", "stack", Unit::Stack),
    ]
}

fn spot(subject: &Subject<'_>, conduct: &Conduct<'_>, sampling: &Sampling) -> Vec<Value> {
    let (born, live) = (conduct.site.born(), conduct.site.live());
    let objects = sampling.objects(&born, conduct.site.smallest_bytes());
    let temporary = conduct.temporary_share().min(1.0);
    let memory = live.bytes as f64 + conduct.overhead.total;
    let asked = if memory > 0.0 {
        live.bytes as f64 / memory
    } else {
        1.0
    };
    let is_known = conduct.samples >= SAMPLES_MIN || conduct.is_exact;
    let score = (100.0 * (1.0 - temporary) * asked).round() as u64;
    vec![
        per_second(objects, conduct.seconds, Unit::CountPerSecond),
        per_second(sampling.bytes(&born), conduct.seconds, Unit::BytesPerSecond),
        Value::Percent(temporary * 100.0),
        sampling.bytes(&live),
        if is_known {
            Value::Count(score)
        } else {
            Value::Unknown
        },
        subject.stacks.of(conduct.site).into(),
    ]
}

fn per_second(value: Value, seconds: f64, unit: Unit) -> Value {
    match value {
        Value::Estimate(estimate) => Value::Estimate(Estimate {
            value: estimate.value / seconds,
            low: estimate.low / seconds,
            high: estimate.high / seconds,
            unit,
            ..estimate
        }),
        other => other,
    }
}

fn advice_columns() -> Vec<Column> {
    vec![
        Column::derived("rule", "rule", Unit::Text),
        Column::new("advice", "advice", Unit::Text),
        Column::new("finding", "finding", Unit::Text),
        Column::new("saved_cpu_percent", "saves of one core", Unit::Percent),
        Column::new("saved_bytes", "saves memory", Unit::Bytes),
        Column::new("why", "why", Unit::Text),
        Column::new("change_at", "change at", Unit::Text),
        Column::new("stack", "stack", Unit::Stack),
    ]
}

/// Says for each row which frame to change, now that frames have names.
fn name_places(section: &mut Section) {
    let Body::Table(table) = &mut section.body else {
        return;
    };
    let (Some(place), Some(stack)) = (table.index("change_at"), table.stack_index()) else {
        return;
    };
    for row in &mut table.rows {
        if let Value::Stack(stack) = &row[stack] {
            row[place] = Value::text(change_at::describe(stack));
        }
    }
}

/// A section for each row, since sentences do not fit in columns.
fn one_by_one(section: &Section) -> Vec<Section> {
    let table = section.table().filter(|table| !table.rows.is_empty());
    let Some(table) = table else {
        let facts = vec![Fact::new("findings", "findings", Value::Count(0))];
        let note = "Nothing that would for certain gain more than --at-least.";
        return vec![Section::new(ADVICE, "Advice", Body::Facts(facts)).with_note(note)];
    };
    let rows = (1..).zip(&table.rows);
    let sections = rows.map(|(number, row)| {
        let said = table.columns.iter().zip(row).filter(|(column, value)| {
            !column.is_derived && column.key != "advice" && **value != Value::Unknown
        });
        let facts =
            said.map(|(column, value)| Fact::new(&*column.key, &*column.title, value.clone()));
        let remedy = match table.index("advice").map(|index| &row[index]) {
            Some(Value::Text(remedy)) => &**remedy,
            _ => "",
        };
        let title = format!("Advice {number}: {remedy}");
        Section::new(
            format!("{ADVICE}_{number}"),
            title,
            Body::Facts(facts.collect()),
        )
    });
    sections.collect()
}
