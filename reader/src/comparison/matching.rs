//! Which row of one profile is which row of another.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use crate::comparison::{Key, Measure, Part, Profile, Row};

/// A call stack as both sides have it.
pub(crate) struct Pair {
    pub(crate) before: Option<Row>,
    pub(crate) after: Option<Row>,
}

/// What stands in the place of the stacks of many small rows.
pub(crate) const MERGED: &str = "[all smaller call stacks]";

/// The key of the row that stands for many small ones.
fn merged_key() -> Key {
    Key(vec![Part::parse(MERGED)])
}

/// Pairs all rows by what their keys have in common; those that only one side has stand alone.
///
/// Where one side has merged its small rows, those of the other that could be among them are
/// merged too.
pub(crate) fn pairs(before: &Profile, after: &Profile) -> BTreeMap<Key, Pair> {
    let shared = shared_builds(before, after);
    let (old, new) = (&before.origin.executable, &after.origin.executable);
    // Two builds of one program often lie beside each other under different names.
    let mut left = coarsened(before, |key| key.coarsened(&shared).renamed(old, new));
    let mut right = coarsened(after, |key| key.coarsened(&shared));
    merge_small(&mut right, &left, before);
    merge_small(&mut left, &right, after);
    let mut pairs: BTreeMap<Key, Pair> = left
        .into_iter()
        .map(|(key, row)| {
            let pair = Pair {
                before: Some(row),
                after: None,
            };
            (key, pair)
        })
        .collect();
    for (key, row) in right {
        let pair = pairs.entry(key).or_insert(Pair {
            before: None,
            after: None,
        });
        pair.after = Some(row);
    }
    pairs
}

/// The builds that have nameless code on both sides.
fn shared_builds(before: &Profile, after: &Profile) -> BTreeSet<String> {
    let builds = |profile: &Profile| -> BTreeSet<String> {
        let keys = profile.rows.keys();
        keys.flat_map(Key::build_ids).map(str::to_owned).collect()
    };
    builds(before)
        .intersection(&builds(after))
        .cloned()
        .collect()
}

fn coarsened(profile: &Profile, change: impl Fn(&Key) -> Key) -> BTreeMap<Key, Row> {
    let mut rows: BTreeMap<Key, Row> = BTreeMap::new();
    for (key, row) in &profile.rows {
        let key = change(key);
        match rows.get_mut(&key) {
            Some(known) => known.add(&row.figures),
            None => drop(rows.insert(key, row.clone())),
        }
    }
    rows
}

/// Merges the rows that `merging` would have merged, had it had them: those that are unknown to
/// it, small, and no larger in anything than all that it merged.
fn merge_small(rows: &mut BTreeMap<Key, Row>, known: &BTreeMap<Key, Row>, merging: &Profile) {
    let Some(merged) = known.get(&merged_key()) else {
        return;
    };
    let is_small = |row: &Row| {
        Measure::ALL.iter().all(|measure| {
            let figure = row.figure(*measure).total;
            let limit = merging.merged_share * merging.total(*measure).total;
            figure <= limit && figure <= merged.figure(*measure).total
        })
    };
    let (small, mut large): (BTreeMap<Key, Row>, BTreeMap<Key, Row>) = std::mem::take(rows)
        .into_iter()
        .partition(|(key, row)| !known.contains_key(key) && is_small(row));
    for row in small.values() {
        let entry = large.entry(merged_key()).or_insert_with(|| Row {
            stack: merged_key().to_stack(),
            figures: Default::default(),
        });
        entry.add(&row.figures);
    }
    *rows = large;
}
