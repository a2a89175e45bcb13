//! What changed, call stack by call stack, and what of that is more than chance.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use crate::comparison::matching::pairs;
use crate::comparison::significance::differs;
use crate::comparison::{Evidence, Key, Level, Measure, Profile, Quantity, Row, are_significant};
use crate::report::Stack;

/// What is tested of each row; a change of any of them is a change.
const TESTED: [Measure; 4] = [
    Measure::LiveBytes,
    Measure::PeakBytes,
    Measure::AllocatedBytes,
    Measure::AllocatedObjects,
];

/// What happened to a call stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It has more than before.
    Grew,
    /// It has less.
    Shrank,
    /// It had nothing before.
    New,
    /// It has nothing any more.
    Gone,
    /// Nothing that chance does not explain.
    Unchanged,
}

impl Verdict {
    /// The stable name, as it stands in reports.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Grew => "grew",
            Verdict::Shrank => "shrank",
            Verdict::New => "new",
            Verdict::Gone => "gone",
            Verdict::Unchanged => "no significant change",
        }
    }
}

/// One call stack, or the sum of all, before and after.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What both sides call it.
    pub key: Key,
    /// The stack of the side that knows its lines, that after if both do.
    pub stack: Stack,
    before: [Evidence; 6],
    after: [Evidence; 6],
    lost: [Evidence; 6],
    gained: [Evidence; 6],
    /// The measure that tells the most.
    pub measure: Measure,
    /// The chance that nothing changed and it looks like this or worse.
    pub chance: f64,
    /// What happened.
    pub verdict: Verdict,
}

impl Change {
    fn new(key: Key, stack: Stack, before: [Evidence; 6], after: [Evidence; 6]) -> Change {
        Change {
            key,
            stack,
            before,
            after,
            lost: before,
            gained: after,
            measure: Measure::LiveBytes,
            chance: 1.0,
            verdict: Verdict::Unchanged,
        }
    }

    /// Takes from both sides what they have in common: what stayed, and what had been allocated.
    fn cancel(&mut self, stayed: &[Quantity; 6]) {
        for measure in Measure::ALL {
            let place = measure as usize;
            let common = match measure.in_bytes() {
                Measure::LiveBytes => stayed[place],
                Measure::AllocatedBytes => self.before[place].quantity,
                // The two peaks may be one; nobody knows which blocks they share, and to take
                // them for independent makes the test only more careful.
                _ => continue,
            };
            self.lost[place].quantity = self.before[place].quantity.minus(&common);
            self.gained[place].quantity = self.after[place].quantity.minus(&common);
        }
    }

    /// One of its figures as it was.
    pub fn before(&self, measure: Measure) -> &Evidence {
        &self.before[measure as usize]
    }

    /// The same as it is.
    pub fn after(&self, measure: Measure) -> &Evidence {
        &self.after[measure as usize]
    }

    /// What to take away from [`Change::gained`] for the change: all that was there before, or,
    /// of one process, only that of it which has gone since, so that what stayed cancels.
    pub fn lost(&self, measure: Measure) -> &Evidence {
        &self.lost[measure as usize]
    }

    /// All that is there after, or, of one process, only that of it which has come since.
    pub fn gained(&self, measure: Measure) -> &Evidence {
        &self.gained[measure as usize]
    }

    /// The change of the best figures.
    pub fn difference(&self, measure: Measure) -> f64 {
        self.gained(measure).quantity.total - self.lost(measure).quantity.total
    }

    fn total(figures: &[Evidence; 6]) -> f64 {
        figures.iter().map(|figure| figure.quantity.total).sum()
    }

    fn describe(&self) -> Verdict {
        let (before, after) = (Change::total(&self.before), Change::total(&self.after));
        match self.difference(self.measure) > 0.0 {
            _ if before == 0.0 => Verdict::New,
            _ if after == 0.0 => Verdict::Gone,
            true => Verdict::Grew,
            false => Verdict::Shrank,
        }
    }
}

/// Two profiles against each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Every call stack of either side, the largest significant change first.
    pub rows: Vec<Change>,
    /// The sums.
    pub total: Change,
    /// Runs on either side.
    pub runs: (u32, u32),
    /// Whether every block was recorded on both sides.
    pub is_exact: bool,
}

impl Comparison {
    /// Compares two profiles, of which nothing else is known than that their samples are
    /// independent.
    pub fn of(before: &Profile, after: &Profile) -> Comparison {
        let changes = unjudged(before, after);
        Comparison::judged(before, after, changes)
    }

    /// Compares two moments of one process.
    ///
    /// `stayed` is what lived at both: it is the same blocks in both samples, so it cancels.
    pub(crate) fn of_moments(
        before: &Profile,
        after: &Profile,
        stayed: &BTreeMap<Key, [Quantity; 6]>,
    ) -> Comparison {
        let mut changes = unjudged(before, after);
        let (total, rows) = changes
            .split_last_mut()
            .expect("the last is the sum of all");
        for row in rows {
            let stayed = stayed.get(&row.key).copied().unwrap_or_default();
            row.cancel(&stayed);
        }
        let all = stayed
            .values()
            .fold([Quantity::default(); 6], |sum, stayed| {
                Measure::ALL.map(|measure| sum[measure as usize].plus(&stayed[measure as usize]))
            });
        total.cancel(&all);
        Comparison::judged(before, after, changes)
    }

    fn judged(before: &Profile, after: &Profile, mut rows: Vec<Change>) -> Comparison {
        let mut total = rows.pop().expect("the last is the sum of all");
        let scale = Measure::ALL.map(|measure| {
            let (b, a) = (before.total(measure).total, after.total(measure).total);
            b.max(a).max(1.0)
        });
        judge(&mut rows, &scale);
        judge(std::slice::from_mut(&mut total), &scale);
        Comparison {
            rows,
            total,
            runs: (before.runs, after.runs),
            is_exact: before.is_exact() && after.is_exact(),
        }
    }

    /// The rows that changed by more than chance.
    pub fn changed(&self) -> impl Iterator<Item = &Change> {
        let is_changed = |row: &&Change| row.verdict != Verdict::Unchanged;
        self.rows.iter().filter(is_changed)
    }
}

/// The changes of all rows, and behind them that of their sum.
fn unjudged(before: &Profile, after: &Profile) -> Vec<Change> {
    let nothing = [Quantity::default(); 6];
    let figures = |row: &Option<Row>| row.as_ref().map_or(nothing, |row| row.figures);
    let rows = pairs(before, after).into_iter().map(|(key, pair)| {
        let (old, new) = (figures(&pair.before), figures(&pair.after));
        let stack = pair.after.or(pair.before).map(|row| row.stack);
        let evidence = (evidence(&old, &new, before), evidence(&new, &old, after));
        Change::new(key, stack.unwrap_or_default(), evidence.0, evidence.1)
    });
    let mut changes: Vec<Change> = rows.collect();
    let (old, new) = (&before.totals, &after.totals);
    let evidence = (evidence(old, new, before), evidence(new, old, after));
    changes.push(Change::new(
        Key::default(),
        Stack::default(),
        evidence.0,
        evidence.1,
    ));
    changes
}

/// The figures of one side as evidence.
///
/// What an unseen block would add to the objects is guessed from the mean size that both sides
/// have there.
fn evidence(own: &[Quantity; 6], other: &[Quantity; 6], profile: &Profile) -> [Evidence; 6] {
    Measure::ALL.map(|measure| {
        let sum = |measure: Measure| own[measure as usize].total + other[measure as usize].total;
        let bytes = sum(measure.in_bytes());
        let blocks_in_a_byte = match measure.in_bytes() == measure || bytes == 0.0 {
            true => 1.0,
            false => sum(measure) / bytes,
        };
        Evidence {
            quantity: own[measure as usize],
            runs: profile.runs,
            unseen_weight: profile.interval_bytes * blocks_in_a_byte,
        }
    })
}

/// Finds the measure that tells the most of each row, then which rows tell anything at all, and
/// sorts them: what changed most of the whole first.
fn judge(rows: &mut [Change], scale: &[f64; 6]) {
    let share =
        |row: &Change, measure: Measure| row.difference(measure).abs() / scale[measure as usize];
    for row in rows.iter_mut() {
        let tested = TESTED.map(|measure| {
            let chance = differs(row.lost(measure), row.gained(measure));
            (chance, -share(row, measure), measure)
        });
        let by_chance_then_share = |a: &(f64, f64, Measure), b: &(f64, f64, Measure)| {
            a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
        };
        let best = tested.into_iter().min_by(by_chance_then_share);
        let (chance, _, measure) = best.expect("something is tested");
        row.measure = measure;
        // The best of several is good by chance more often than one is.
        row.chance = (chance * TESTED.len() as f64).min(1.0);
    }
    let chances: Vec<f64> = rows.iter().map(|row| row.chance).collect();
    let significant = are_significant(&chances, Level::NAMED);
    for (row, is_significant) in rows.iter_mut().zip(significant) {
        row.verdict = match is_significant {
            true => row.describe(),
            false => Verdict::Unchanged,
        };
    }
    let size = |row: &Change| {
        let shares = TESTED.map(|measure| share(row, measure));
        shares.into_iter().fold(0.0, f64::max)
    };
    rows.sort_by(|a, b| {
        let is_unchanged = |row: &Change| row.verdict == Verdict::Unchanged;
        let by_verdict = is_unchanged(a).cmp(&is_unchanged(b));
        by_verdict
            .then(size(b).total_cmp(&size(a)))
            .then(a.key.cmp(&b.key))
    });
}
