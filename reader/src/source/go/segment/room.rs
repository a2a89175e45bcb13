//! Where things lie in a segment of the Go runtime's heap profile, and how it grows.

#![forbid(unsafe_code)]

use std::sync::atomic::Ordering;

use memshim_abi::header::{self, HEADER_WORDS, at, clock, origin, pack, state, storage};
use memshim_abi::modules::{self, BUILD_ID_BYTES_MAX, MODULE_WORDS, Module};
use memshim_abi::region::{Plan, REGION_COUNT, Region, Table};
use memshim_abi::strings::{self, STRING_BYTES_MAX};
use memshim_abi::timeline::POINTS_MAX;
use memshim_abi::{AtomicU64, PAGE_BYTES, WORD_BYTES, threads};

use crate::source::go::process::Readout;
use crate::source::go::segment::{Description, Ledger};
use crate::source::go::vitals::Vitals;

/// Texts of a segment: the executable's path, the module's path and the command line.
const TEXT_ROWS: u64 = 3 * STRING_BYTES_MAX as u64 / WORD_BYTES;

/// Rows for sites and for frames that a segment begins with.
const FIRST_SITES: u64 = 64;
const FIRST_FRAMES: u64 = 1024;

/// The id of the one row of threads: goroutines move between threads, so none is told apart.
const ALL_THREADS: u32 = u32::MAX;

impl Ledger {
    /// Writes down whose segment it is; with nothing in it yet.
    pub(super) fn begin(&mut self, about: &Description) {
        self.lay_out(FIRST_SITES, FIRST_FRAMES);
        let [path, command_line] =
            [&about.path, &about.command_line].map(|bytes| self.keep_text(bytes));
        let words = [
            (at::BYTE_ORDER, header::BYTE_ORDER),
            (at::PIDS, pack(about.pid, about.parent_pid)),
            (at::START_TIME, about.start_time),
            (at::BOOT_ID, about.boot_id[0]),
            (at::BOOT_ID + 1, about.boot_id[1]),
            (at::IDS, pack(about.user, 0)),
            (at::ORIGIN, origin::STARTED),
            (at::STATE, state::RUNNING),
            (at::CLOCK_KIND, clock::MONOTONIC),
            (at::FIRST_PAIR, about.monotonic_ns),
            (at::FIRST_PAIR + 1, about.monotonic_ns),
            (at::REALTIME, about.realtime_ns),
            (at::HEARTBEAT, about.monotonic_ns),
            (at::STORAGE, storage::GROWING),
            (at::EXECUTABLE, path),
            (at::COMMAND_LINE, command_line),
            (at::RUN, about.run),
            (at::GO, about.how),
        ];
        for (place, value) in words {
            self.set(place, value);
        }
        self.add_module(about);
        if let Some(row) = self.claim(Region::Threads, 1)
            && let Some(row) = self.row(Region::Threads, row)
        {
            let name = b"(goroutines)\0\0\0\0";
            threads::publish(row, ALL_THREADS, name, about.monotonic_ns);
        }
    }

    fn add_module(&self, about: &Description) {
        let mut build_id = [0; BUILD_ID_BYTES_MAX];
        for (to, from) in build_id.iter_mut().zip(&about.build_id) {
            *to = *from;
        }
        let module = Module {
            state: modules::state::LOADED,
            start: about.range.0,
            end: about.range.1,
            bias: about.bias,
            loaded_ticks: about.monotonic_ns,
            unloaded_ticks: 0,
            path: self.keep_text(&about.path),
            build_id_len: about.build_id.len().min(BUILD_ID_BYTES_MAX) as u64,
            build_id,
        };
        if let Some(row) = self.claim(Region::Modules, 1)
            && let Some(row) = self.row::<MODULE_WORDS>(Region::Modules, row)
        {
            modules::publish(row, &module);
        }
    }

    fn keep_text(&self, bytes: &[u8]) -> u64 {
        let table = self.table(Region::Strings);
        table.map_or(0, |table| strings::append(&table, bytes, |needed| needed))
    }

    /// Makes sure that every stack of a read-out finds room.
    pub(super) fn make_room(&mut self, readout: &Readout<'_>) {
        let changed = readout.changed.iter();
        let changed = changed.filter_map(|place| Some((*place, readout.stacks.get(*place)?)));
        let new = changed.filter(|(place, it)| self.place_of(*place, &it.stack).is_none());
        let (sites, frames) = new.fold((0, 0), |(sites, frames), (_, totals)| {
            (sites + 1, frames + totals.stack.len() as u64)
        });
        self.known.reserve(sites as usize);
        // A table that grows by and by looks at every stack in it again each time.
        self.places.reserve(sites as usize);
        let needed = |region, more: u64| {
            let table = self.table(region);
            let (used, capacity) = table.map_or((0, 0), |it| (it.used(), it.capacity()));
            (used + more, capacity)
        };
        let (sites, sites_before) = needed(Region::Sites, sites);
        let (frames, frames_before) = needed(Region::Frames, frames);
        if sites > sites_before || frames > frames_before {
            let larger = |needed: u64, before: u64| before.max(needed + needed / 4);
            self.lay_out(larger(sites, sites_before), larger(frames, frames_before));
        }
    }

    /// Makes a segment with room for so many rows, and moves what there is into it.
    fn lay_out(&mut self, sites: u64, frames: u64) {
        let plan = plan(sites, frames);
        let (end, _) = plan.regions[Region::Slots as usize];
        let words = (0..end / WORD_BYTES).map(|_| AtomicU64::new(0)).collect();
        let before = std::mem::replace(&mut self.words, words);
        for (to, from) in self
            .words
            .iter()
            .zip(before.iter().take(HEADER_WORDS as usize))
        {
            to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        plan.store(&self.words);
        self.set(at::SEGMENT_BYTES, end);
        for region in Region::ALL {
            let Some(from) = Table::of(&before, region) else {
                continue;
            };
            let rows = from.used().min(plan.capacity(region));
            let _ = self.claim(region, rows);
            let to = self.table(region).and_then(|table| table.span(0, rows));
            let pairs = to.into_iter().flatten().zip(from.rows());
            for (to, from) in pairs {
                to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
    }

    /// Takes over what is known of a runtime; what is not known now stays as it was, but for what
    /// may be gone.
    pub fn note_vitals(&self, vitals: &Vitals) {
        if vitals.collections > 0 {
            self.set(at::GO_COLLECTIONS, vitals.collections);
            self.set(at::GO_LAST_PAUSE, vitals.last_pause_ns);
            self.set(at::GO_PAUSES, vitals.pauses_ns);
            self.set(at::GO_LAST_COLLECTION, vitals.last_unix_ns);
        }
        self.set(at::GO_GOAL, vitals.goal_bytes);
        self.set(at::GO_GOROUTINES, vitals.goroutines);
    }

    pub(super) fn table(&self, region: Region) -> Option<Table<'_>> {
        Table::of(&self.words, region)
    }

    pub(super) fn claim(&self, region: Region, rows: u64) -> Option<u64> {
        self.table(region)?.claim(rows, |needed| needed)
    }

    pub(super) fn row<const N: usize>(&self, region: Region, row: u64) -> Option<&[AtomicU64; N]> {
        self.table(region)?.row(row)?.first_chunk()
    }
}

/// Where the regions of a segment with room for so many rows begin.
fn plan(sites: u64, frames: u64) -> Plan {
    let mut regions = [(0, 0); REGION_COUNT];
    let mut offset = HEADER_WORDS * WORD_BYTES;
    for (region, place) in Region::ALL.into_iter().zip(&mut regions) {
        let rows = match region {
            Region::Strings => TEXT_ROWS,
            Region::Modules | Region::Threads => 1,
            Region::Timeline => POINTS_MAX as u64,
            Region::Sites => sites,
            Region::Frames => frames,
            Region::Ring | Region::Slots => 0,
        };
        let row_bytes = region.row_words() * WORD_BYTES;
        // Tables that nothing is in begin at places of their own, as recordings want it.
        let pages = (rows * row_bytes).div_ceil(PAGE_BYTES).max(1);
        *place = (offset, pages * PAGE_BYTES / row_bytes);
        offset += pages * PAGE_BYTES;
    }
    Plan { regions }
}
