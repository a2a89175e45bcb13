//! The peak: each site keeps its figure once an epoch, whichever thread comes first.

use core::sync::atomic::Ordering;
use std::sync::Arc;
use std::vec::Vec;

use super::{Switches, explore, spawn, words};
use crate::AtomicU64;
use crate::header::at;
use crate::peak::{Change, change, heap, keep};
use crate::sites::{self, AT_PEAK, EPOCH, SITE_WORDS, SiteRow, Writers, add_birth};
use crate::weight::{Interval, Weight};

type Shared = Arc<Vec<AtomicU64>>;

/// A header at epoch 1 and a site where 10 bytes live, which has not changed since.
fn start() -> (Shared, Shared) {
    let (header, site) = (words(at::PEAK_TICKS + 1), words(SITE_WORDS));
    for place in [at::LIVE_BYTES, at::PEAK_BYTES] {
        header[place].store(10, Ordering::Relaxed);
    }
    header[at::PEAK_EPOCH].store(1, Ordering::Relaxed);
    add_birth(
        row(&site),
        10,
        &Weight::of(10, Interval::EXACT),
        0,
        Writers::Any,
    );
    (header, site)
}

fn row(site: &Shared) -> &SiteRow {
    site.first_chunk().expect("a whole row")
}

fn kept(site: &Shared, place: usize) -> u64 {
    site[place].load(Ordering::Relaxed)
}

#[test]
fn the_figure_kept_is_off_by_no_more_than_the_other_call_in_flight() {
    explore(Switches::Any, || {
        let (header, site) = start();
        let birth = |header: &Shared, site: &Shared, size: u64| {
            keep(heap(header).expect("a header"), row(site));
            add_birth(
                row(site),
                size,
                &Weight::of(size, Interval::EXACT),
                0,
                Writers::Any,
            );
        };
        let (other_header, other_site) = (Arc::clone(&header), Arc::clone(&site));
        let other = spawn(move || birth(&other_header, &other_site, 2));
        birth(&header, &site, 1);
        other.join().unwrap();
        assert_eq!(kept(&site, EPOCH), 1);
        assert!(
            [10, 11, 12].contains(&kept(&site, AT_PEAK)),
            "{}",
            kept(&site, AT_PEAK)
        );
        assert_eq!(sites::live(row(&site)).bytes, 13);
    });
}

#[test]
fn the_epoch_that_a_site_kept_never_goes_back() {
    explore(Switches::Any, || {
        let (header, site) = start();
        let (other_header, other_site) = (Arc::clone(&header), Arc::clone(&site));
        let other = spawn(move || {
            keep(heap(&other_header).expect("a header"), row(&other_site));
        });
        let birth = Change::birth(&Weight::of(1, Interval::EXACT));
        let heap = heap(&header).expect("a header");
        change(heap, None, birth, 0);
        keep(heap, row(&site));
        other.join().unwrap();
        assert_eq!(kept(&site, EPOCH), 2);
    });
}
