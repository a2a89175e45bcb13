//! A large segment, made with the shim's half of the layout as if a program had run.

#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::atomic::Ordering;

use memshim_abi::event::{Act, Event, Kind};
use memshim_abi::header::{self, at};
use memshim_abi::region::{Plan, Region, Table};
use memshim_abi::ring::{self, Lease};
use memshim_abi::sites::{self, Identity, Writers};
use memshim_abi::slots::{self, Slot};
use memshim_abi::weight::{Interval, Weight};
use memshim_abi::{AtomicU64, WORD_BYTES};
use memshim_reader::source::Segment;

/// Length of the segment: enough for the largest numbers below.
const SEGMENT_BYTES: u64 = 128 << 20;

/// The process id: larger than any that Linux gives, so that nobody has it.
const PID: u64 = 1 << 30;

/// Chunks of the ring, some half a million events.
const CHUNKS: u64 = 1_024;

/// Frames of each stack.
const DEPTH: u16 = 24;

/// How much there is of everything.
#[derive(Clone, Copy)]
pub struct Amounts {
    /// Call stacks.
    pub sites: u64,
    /// Blocks, all alive.
    pub blocks: u64,
    /// Events in the ring.
    pub events: u64,
}

/// A segment of a process that is gone.
pub fn segment(amounts: Amounts) -> Segment {
    let words: Vec<AtomicU64> = (0..SEGMENT_BYTES / WORD_BYTES)
        .map(|_| AtomicU64::new(0))
        .collect();
    let plan = Plan::of(SEGMENT_BYTES, CHUNKS).expect("long enough for a plan");
    plan.store(&words);
    words[at::BYTE_ORDER].store(header::BYTE_ORDER, Ordering::Relaxed);
    words[at::SEGMENT_BYTES].store(SEGMENT_BYTES, Ordering::Relaxed);
    words[at::PIDS].store(PID, Ordering::Relaxed);
    for number in 0..amounts.sites {
        make_site(&words, number);
    }
    for number in 0..amounts.blocks {
        make_block(&words, number, amounts.sites);
    }
    write_events(&words, amounts);
    header::publish(&words);
    let words = words.iter().map(|word| word.load(Ordering::Relaxed));
    let bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    Segment::from_bytes(Path::new("1-1-0.seg"), &bytes).expect("the header is good")
}

fn claim(table: &Table<'_>, count: u64) -> u64 {
    table.claim(count, |needed| needed).expect("it fits")
}

/// The words of a row that was claimed.
fn whole<const N: usize>(row: Option<&[AtomicU64]>) -> &[AtomicU64; N] {
    row.and_then(<[_]>::first_chunk).expect("it was claimed")
}

fn table(words: &[AtomicU64], region: Region) -> Table<'_> {
    Table::of(words, region).expect("the plan has every region")
}

fn make_site(words: &[AtomicU64], number: u64) {
    let (sites, frames) = (table(words, Region::Sites), table(words, Region::Frames));
    let first = claim(&frames, DEPTH.into());
    for depth in 0..u64::from(DEPTH) {
        let frame = frames.row(first + depth).expect("it was claimed");
        frame[0].store(0x1000 + (number >> depth) * 16, Ordering::Relaxed);
    }
    let identity = Identity {
        hash: number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        first_frame: first as u32,
        depth: DEPTH,
        ..Identity::default()
    };
    let row = claim(&sites, 1);
    sites::publish(whole(sites.row(row)), &identity);
}

fn make_block(words: &[AtomicU64], number: u64, site_count: u64) {
    let (sites, slots) = (table(words, Region::Sites), table(words, Region::Slots));
    let block = Slot {
        state: slots::state::LIVE,
        address: 0x10_0000 + number * 64,
        size_bytes: 16 << (number % 12),
        slack_bytes: 8,
        birth_ticks: 1_000 + number,
        death_ticks: 0,
        site: (number % site_count) as u32,
        thread: 1,
        freed_by: 0,
        interval: Interval::EXACT,
        kind: Kind::Malloc,
        writer: 0,
    };
    let row = claim(&slots, 1);
    slots::publish(whole(slots.row(row)), &block);
    let site = whole(sites.row(block.site.into()));
    let weight = Weight::of(block.size_bytes, block.interval);
    sites::add_birth(
        site,
        block.size_bytes,
        &weight,
        block.birth_ticks,
        Writers::Any,
    );
}

fn write_events(words: &[AtomicU64], amounts: Amounts) {
    let ring = table(words, Region::Ring);
    claim(&ring, ring.capacity());
    let serials = ring::Serials {
        latest: &words[at::RING_SERIAL],
        given: &words[at::RING_LEASES],
    };
    let mut lease = Lease::default();
    for number in 0..amounts.events {
        let event = Event {
            act: Act::Birth,
            kind: Kind::Malloc,
            interval: Interval::EXACT,
            thread: 1,
            site: (number % amounts.sites) as u32,
            ticks: 1_000 + number,
            address: 0x10_0000 + number * 64,
            size_bytes: 64,
        };
        let chunk = |chunk, _| ring.row(chunk);
        let event = event.encode();
        ring::write(serials, ring.capacity(), chunk, &mut lease, &event, false);
    }
}
