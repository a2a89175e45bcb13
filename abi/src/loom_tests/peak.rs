//! The peak: each site keeps its figure once an epoch, whichever thread comes first.

use core::sync::atomic::Ordering;
use std::sync::Arc;
use std::vec::Vec;

use super::{Switches, explore, spawn, words};
use crate::AtomicU64;
use crate::header::at;
use crate::peak::{grow, keep};
use crate::sites::{self, PEAK, add_birth};
use crate::weight::{Interval, Weight};

type Shared = Arc<Vec<AtomicU64>>;

/// A header at epoch 1 and a site where 10 bytes live, which has not changed since.
fn start() -> (Shared, Shared) {
    let (header, site) = (words(at::PEAK_TICKS + 1), words(PEAK + 5));
    for place in [at::LIVE_BYTES, at::PEAK_BYTES] {
        header[place].store(10, Ordering::Relaxed);
    }
    header[at::PEAK_EPOCH].store(1, Ordering::Relaxed);
    add_birth(&site, 10, &Weight::of(10, Interval::EXACT), 0);
    (header, site)
}

fn kept(site: &Shared, place: usize) -> u64 {
    site[PEAK + place].load(Ordering::Relaxed)
}

#[test]
fn the_figure_kept_is_off_by_no_more_than_the_other_call_in_flight() {
    explore(Switches::Any, || {
        let (header, site) = start();
        let birth = |header: &Shared, site: &Shared, size: u64| {
            keep(header, site);
            add_birth(site, size, &Weight::of(size, Interval::EXACT), 0);
        };
        let (other_header, other_site) = (Arc::clone(&header), Arc::clone(&site));
        let other = spawn(move || birth(&other_header, &other_site, 2));
        birth(&header, &site, 1);
        other.join().unwrap();
        assert_eq!(kept(&site, 0), 1);
        assert!([10, 11, 12].contains(&kept(&site, 1)), "{}", kept(&site, 1));
        assert_eq!(sites::live(&site).bytes, 13);
    });
}

#[test]
fn the_epoch_that_a_site_kept_never_goes_back() {
    explore(Switches::Any, || {
        let (header, site) = start();
        let (other_header, other_site) = (Arc::clone(&header), Arc::clone(&site));
        let other = spawn(move || keep(&other_header, &other_site));
        grow(&header, &Weight::of(1, Interval::EXACT), 0);
        keep(&header, &site);
        other.join().unwrap();
        assert_eq!(kept(&site, 0), 2);
    });
}
