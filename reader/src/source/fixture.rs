//! A small segment, written with the shim's half of the layout, for the tests of the reader.

#![forbid(unsafe_code)]

use std::sync::atomic::Ordering;

use memshim_abi::event::{Act, Event};
use memshim_abi::header::{self, at, bypass, clock, origin, pack, state, storage};
use memshim_abi::modules::{self, BUILD_ID_BYTES_MAX};
use memshim_abi::peak::Change;
use memshim_abi::region::{Plan, Region, Table};
use memshim_abi::ring::{self, Lease};
use memshim_abi::sites::{self, Death, Identity, Writers, flag};
use memshim_abi::{AtomicU64, counters, peak, slots, strings, threads};

use crate::source::{Interval, Kind, Slot, Weight};

/// Length of the segment: small, so that it can be damaged everywhere.
const SEGMENT_BYTES: u64 = 512 << 10;

/// The process id in it: larger than any that Linux gives, so that nobody has it.
pub const PID: u32 = 1 << 30;

/// Blocks that were allocated, and those of them that were freed.
pub const ALLOCATED: u64 = 40;
/// See [`ALLOCATED`].
pub const FREED: u64 = 30;

/// A segment being written.
struct Writer {
    words: Vec<AtomicU64>,
    lease: Lease,
    now_ticks: u64,
}

/// The bytes of a segment of a process that was killed, sampled at `interval`.
pub fn segment(interval: Interval) -> Vec<u8> {
    let mut writer = Writer {
        words: (0..SEGMENT_BYTES / 8).map(|_| AtomicU64::new(0)).collect(),
        lease: Lease::default(),
        now_ticks: 1_000,
    };
    writer.describe_process(interval);
    writer.load_modules();
    for (tid, name) in [
        (u32::MAX, b"(other threads)\0"),
        (PID, b"main\0\0\0\0\0\0\0\0\0\0\0\0"),
    ] {
        let row = writer.claim(Region::Threads, 1);
        threads::publish(writer.row_of(Region::Threads, row), tid, name, 1_000);
    }
    // Frames lie in modules, in two of them at once, in an unloaded one, and in none.
    let stacks: [&[u64]; 4] = [&[], &[0x1010, 0x2010], &[0x1810, 0x3010], &[0x9999_0000]];
    for (row, frames) in stacks.into_iter().enumerate() {
        writer.make_site(row as u64, frames);
    }
    for number in 0..ALLOCATED {
        writer.block(number, interval);
    }
    header::publish(&writer.words);
    let words = writer.words.iter().map(|word| word.load(Ordering::Relaxed));
    words.flat_map(u64::to_le_bytes).collect()
}

impl Writer {
    fn set(&self, place: usize, value: u64) {
        self.words[place].store(value, Ordering::Relaxed);
    }

    fn table(&self, region: Region) -> Table<'_> {
        Table::of(&self.words, region).expect("the plan has every region")
    }

    fn claim(&self, region: Region, count: u64) -> u64 {
        self.table(region)
            .claim(count, |needed| needed)
            .expect("the fixture fits")
    }

    fn row(&self, region: Region, row: u64) -> &[AtomicU64] {
        self.table(region).row(row).expect("the row was claimed")
    }

    fn row_of<const N: usize>(&self, region: Region, row: u64) -> &[AtomicU64; N] {
        self.row(region, row).first_chunk().expect("a whole row")
    }

    fn text(&self, text: &str) -> u64 {
        strings::append(&self.table(Region::Strings), text.as_bytes(), |needed| {
            needed
        })
    }

    fn describe_process(&self, interval: Interval) {
        let plan = Plan::of(SEGMENT_BYTES, 2).expect("long enough for a plan");
        plan.store(&self.words);
        self.set(at::BYTE_ORDER, header::BYTE_ORDER);
        self.set(at::SEGMENT_BYTES, SEGMENT_BYTES);
        self.set(at::PIDS, pack(PID, PID - 1));
        self.set(at::START_TIME, 12_345);
        self.set(at::ORIGIN, origin::FORKED);
        self.set(at::STATE, state::RUNNING);
        self.set(at::CLOCK_KIND, clock::COUNTER);
        self.set(at::FIRST_PAIR, 1_000);
        self.set(at::FIRST_PAIR + 1, 5_000_000);
        self.set(at::REALTIME, 1_700_000_000_000_000_000);
        header::note_clock_pair(&self.words, 11_000, 5_020_000);
        self.set(at::HEARTBEAT, 20_000);
        self.set(at::INTERVAL, interval.exponent().into());
        self.set(at::INTERVAL_CHANGES, 1);
        self.set(at::INTERVALS, 1_000);
        self.set(at::INTERVALS + 1, interval.exponent().into());
        self.set(at::STORAGE, storage::REFUSED);
        self.set(at::STORAGE_ERRNO, libc::ENOSPC as u64);
        self.set(at::BYPASS, bypass::OWN_NEW);
        self.set(at::EXECUTABLE, self.text("/no/such/place/program"));
        self.set(at::COMMAND_LINE, self.text("program\0--flag\0two words\0"));
        self.set(at::COUNTERS + counters::SLOW_CALLS, 70);
        self.set(at::COUNTERS + counters::SLOW_TICKS, 9_000);
        self.set(at::COUNTERS + counters::FREES_MISSED, 1);
        self.set(at::COUNTERS + counters::WALKS_COMPLETE, 36);
        self.set(at::COUNTERS + counters::STACKS_TRUNCATED, 3);
        self.set(at::COUNTERS + counters::STACKS_MISSING, 1);
    }

    fn load_modules(&self) {
        let ranges = [(0x1000, 0x2000), (0x1800, 0x2800), (0x3000, 0x4000)];
        for (number, (start, end)) in ranges.into_iter().enumerate() {
            let module = modules::Module {
                state: modules::state::LOADED,
                start,
                end,
                bias: start,
                loaded_ticks: 1_000,
                unloaded_ticks: 0,
                path: self.text(&format!("/no/such/place/module{number}")),
                build_id_len: 20,
                build_id: [number as u8 + 1; BUILD_ID_BYTES_MAX],
            };
            let row = self.claim(Region::Modules, 1);
            modules::publish(self.row(Region::Modules, row), &module);
        }
        modules::retire(self.row(Region::Modules, 2), 9_000);
    }

    fn make_site(&self, hash: u64, frames: &[u64]) {
        let first = self.claim(Region::Frames, frames.len() as u64);
        for (number, address) in frames.iter().enumerate() {
            let row = self.row(Region::Frames, first + number as u64);
            row[0].store(*address, Ordering::Relaxed);
        }
        let identity = Identity {
            hash: 2 * hash + 1,
            writer: 0,
            first_frame: first as u32,
            depth: frames.len() as u16,
            flags: if frames.len() == 1 {
                flag::TRUNCATED
            } else {
                flag::ELIDED
            },
            modules: 3,
            made_ticks: 1_500,
        };
        let row = self.claim(Region::Sites, 1);
        sites::publish(self.row_of(Region::Sites, row), &identity);
    }

    /// One block: born, noted in the ring, and dead again if it is among the first.
    fn block(&mut self, number: u64, interval: Interval) {
        self.now_ticks += 100;
        let block = Slot {
            state: slots::state::LIVE,
            address: 0x10_0000 + number * 0x1000,
            size_bytes: 1 << (number % 20),
            slack_bytes: 8,
            birth_ticks: self.now_ticks,
            death_ticks: 0,
            site: number as u32 % 4,
            thread: 1,
            freed_by: 0,
            interval,
            kind: Kind::Malloc,
            writer: 0,
        };
        let weight = Weight::of(block.size_bytes, interval);
        let slot = self.claim(Region::Slots, 1);
        slots::publish(self.row_of(Region::Slots, slot), &block);
        let site = self.row_of(Region::Sites, block.site.into());
        let heap = peak::heap(&self.words).expect("a header");
        peak::keep(heap, site);
        sites::add_birth(
            site,
            block.size_bytes,
            &weight,
            self.now_ticks,
            Writers::Any,
        );
        peak::change(heap, None, Change::birth(&weight), self.now_ticks);
        if number < FREED {
            peak::keep(heap, site);
            let death = Death {
                lifetime_ticks: Some(50),
                ..Death::default()
            };
            sites::add_death(site, block.size_bytes, &weight, death, Writers::Any);
            peak::change(heap, None, Change::death(&weight), self.now_ticks);
            let row = self.row_of(Region::Slots, slot);
            slots::end(row, self.now_ticks + 50, 1, slots::state::FREED);
        }
        self.note(&block);
    }

    fn note(&mut self, block: &Slot) {
        let event = Event {
            act: Act::Birth,
            kind: block.kind,
            interval: block.interval,
            thread: block.thread,
            site: block.site,
            ticks: block.birth_ticks,
            address: block.address,
            size_bytes: block.size_bytes,
        };
        let mut lease = self.lease;
        let ring = self.table(Region::Ring);
        ring.claim(ring.capacity() - ring.used(), |needed| needed);
        let serials = ring::Serials {
            latest: &self.words[at::RING_SERIAL],
            given: &self.words[at::RING_LEASES],
        };
        let chunk = |chunk, _| ring.row(chunk);
        ring::write(
            serials,
            ring.capacity(),
            chunk,
            &mut lease,
            &event.encode(),
            false,
        );
        self.lease = lease;
    }
}
