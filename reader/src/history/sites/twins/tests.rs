//! Rows of one stack become one site, whichever of them saw its blocks die.

use super::*;
use crate::history::Counts;
use crate::source::{AtPeak, Module, StackIdentity};

const HASH: u64 = 77;
const PEAK_EPOCH: u64 = 5;

fn totals(blocks: u64) -> Totals {
    Totals {
        objects: blocks << 10,
        bytes: blocks * 100,
        raw_objects: blocks,
        raw_bytes: blocks * 100,
        ..Totals::default()
    }
}

/// A row of the stack `frames`, made when so many modules were known.
fn site(row: u64, frames: (usize, u16), modules: u64, born: u64, died: u64) -> Site {
    Site {
        row,
        identity: StackIdentity {
            hash: HASH,
            depth: frames.1,
            modules,
            made_ticks: 100 - row,
            ..StackIdentity::default()
        },
        last_ticks: row,
        sizes: Counts::of(&[0, born << 10]),
        smallest_seen_bytes: Some(row + 10),
        born: totals(born),
        died: totals(died),
        frames,
        ..Site::default()
    }
}

fn sites(all: Vec<Site>, frames: &[u64]) -> Sites {
    let places = (0..).zip(&all).map(|(index, site)| (site.row, index));
    Sites {
        places: places.collect(),
        frames: frames.to_vec(),
        all,
    }
}

/// Two modules at one place, and one elsewhere.
fn modules() -> Modules {
    let module = |(generation, start): (u64, u64)| Module {
        generation,
        start,
        end: start + 100,
        bias: 0,
        path: "".into(),
        build_id: Vec::new(),
        is_unloaded: false,
    };
    Modules::new((0..).zip([1_000, 1_000, 9_000]).map(module).collect())
}

/// Merges, and shows each site that is left as (row, live blocks), and the place of each row.
fn check(mut sites: Sites, expected: &[(u64, u64)], places: &[(u64, usize)]) -> Sites {
    let mut issues = Default::default();
    sites.merge_twins(&modules(), true, &mut issues);
    let left = sites.all.iter();
    let left = left.map(|site| (site.row, site.live().raw_objects as u64));
    assert_eq!(left.collect::<Vec<_>>(), expected);
    for (row, place) in places {
        assert_eq!(sites.index_of_row(*row), Some(*place), "row {row}");
    }
    assert_eq!(issues, Default::default());
    sites
}

#[test]
fn a_row_in_which_more_died_than_was_born_is_made_good_by_its_twins() {
    let rows = vec![
        site(1, (0, 2), 1, 10, 2),
        site(2, (2, 1), 1, 5, 0),
        site(3, (3, 2), 1, 1, 7),
    ];
    let frames = [1_050, 1_060, 1_070, 1_050, 1_060];
    let merged = check(
        sites(rows, &frames),
        &[(1, 2), (2, 5)],
        &[(1, 0), (2, 1), (3, 0)],
    );
    let site = &merged.all[0];
    assert_eq!((site.born().raw_objects, site.died().raw_objects), (11, 9));
    assert_eq!(site.smallest_bytes(), Some(17));
    assert_eq!((site.identity.made_ticks, site.last_ticks), (97, 3));
}

#[test]
fn a_row_that_only_others_blocks_died_in_counts_at_the_peak_too() {
    let mut rows = vec![site(1, (0, 1), 1, 10, 0), site(2, (1, 1), 1, 0, 4)];
    let kept = AtPeak::default();
    rows.iter_mut()
        .for_each(|site| site.settle_peak(&kept, PEAK_EPOCH));
    let merged = check(sites(rows, &[1_050, 1_050]), &[(1, 6)], &[]);
    assert_eq!(merged.all[0].at_peak().bytes, 600);
    assert_eq!(merged.all[0].at_peak().object_parts, 6 << 10);
}

#[test]
fn what_a_row_kept_at_the_peak_may_be_below_nothing() {
    let mut rows = vec![site(1, (0, 1), 1, 10, 10), site(2, (1, 1), 1, 0, 0)];
    for (site, bytes) in rows.iter_mut().zip([900, -300i64]) {
        let kept = AtPeak {
            epoch: PEAK_EPOCH,
            bytes,
            ..AtPeak::default()
        };
        site.settle_peak(&kept, PEAK_EPOCH);
    }
    let merged = check(sites(rows, &[1_050, 1_050]), &[(1, 0)], &[]);
    assert_eq!(merged.all[0].at_peak().bytes, 600);
}

#[test]
fn equal_addresses_in_a_library_that_was_replaced_are_another_stack() {
    let rows = [1, 2, 3, 2].into_iter().zip(1..);
    let rows = rows.map(|(modules, row)| site(row, (0, 1), modules, row, 0));
    check(
        sites(rows.collect(), &[1_050]),
        &[(1, 1), (2, 9)],
        &[(1, 0), (2, 1), (3, 1), (4, 1)],
    );
}

#[test]
fn equal_hashes_of_other_addresses_are_other_stacks() {
    let rows = vec![site(1, (0, 1), 1, 1, 0), site(2, (1, 1), 1, 2, 0)];
    check(
        sites(rows, &[1_050, 1_051]),
        &[(1, 1), (2, 2)],
        &[(1, 0), (2, 1)],
    );
}

#[test]
fn the_row_of_stacks_without_one_has_no_twins() {
    let rows = vec![site(0, (0, 0), 1, 1, 0), site(7, (0, 0), 1, 2, 0)];
    check(sites(rows, &[]), &[(0, 1), (7, 2)], &[(0, 0), (7, 1)]);
}
