//! A heap profile of the Go runtime in the form of a segment, so that every answer works on it.
//!
//! It is laid out anew whenever it must grow, and replaced as a whole, so readers see one moment.
//! What was before a read-out is in the segment itself: sites keep their rows, the timeline and the
//! peak go on, and each site remembers what was live at some moments of the past.

#![forbid(unsafe_code)]

mod room;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::Ordering;

use memshim_abi::header::{self, Attach, at, go};
use memshim_abi::modules;
use memshim_abi::peak::{self, Change};
use memshim_abi::region::{Region, RegionShape};
use memshim_abi::sites::{self, FRAMES_MAX, Identity, flag};
use memshim_abi::strings::{self, STRING_BYTES_MAX};
use memshim_abi::timeline::{self, POINT_WORDS, Point};
use memshim_abi::weight::Interval;
use memshim_abi::{AtomicU64, WORD_BYTES, Words, threads};

use crate::source::go::process::Readout;
use crate::source::go::profile::StackTotals;

/// The least time between two moments that sites remember, until there are too many.
const MOMENT_NS: u64 = 1_000_000_000;

/// Whose heap it is and how it came to be read.
#[derive(Debug, Clone, Default)]
pub struct Description {
    /// The process.
    pub pid: u32,
    /// Its parent.
    pub parent_pid: u32,
    /// When it started, clock ticks since boot.
    pub start_time: u64,
    /// Its user.
    pub user: u32,
    /// The running boot.
    pub boot_id: [u64; 2],
    /// The number of its `run`, 0 for none.
    pub run: u64,
    /// One of [`go`].
    pub how: u64,
    /// Path of its executable.
    pub path: Vec<u8>,
    /// Its arguments, each with a zero byte behind it.
    pub command_line: Vec<u8>,
    /// The first and one past the last address of the executable.
    pub range: (u64, u64),
    /// How far it lies from where its file says.
    pub bias: u64,
    /// Its build-id.
    pub build_id: Vec<u8>,
    /// CLOCK_MONOTONIC now, ns.
    pub monotonic_ns: u64,
    /// CLOCK_REALTIME now, ns.
    pub realtime_ns: u64,
}

/// A segment that is brought up to date again and again.
pub struct Ledger {
    words: Vec<AtomicU64>,
    /// The stacks that have a row.
    known: HashMap<Vec<u64>, Known>,
}

/// What is remembered of a stack beside its row.
#[derive(Debug, Clone, Copy)]
struct Known {
    row: u64,
    born_objects: u64,
    last_ticks: u64,
}

impl Ledger {
    /// A segment of which nothing was read yet.
    pub fn new(about: &Description) -> Ledger {
        let mut ledger = Ledger {
            words: Vec::new(),
            known: HashMap::new(),
        };
        ledger.begin(about);
        // Row 0 stands for stacks without a row, of which there are none here.
        ledger.make_site(&[], about.monotonic_ns);
        header::publish(&ledger.words);
        ledger
    }

    /// The segment that an earlier read-out left; `None` where it is none.
    pub fn of_bytes(bytes: &[u8]) -> Option<Ledger> {
        let words = bytes.as_chunks().0.iter();
        let words: Vec<u64> = words.map(|word| u64::from_le_bytes(*word)).collect();
        let file_bytes = words.len() as u64 * WORD_BYTES;
        let Attach::Attached(header) = header::attach(words.as_slice(), file_bytes) else {
            return None;
        };
        let known = known_stacks(
            words.as_slice(),
            header.region(Region::Sites),
            header.region(Region::Frames),
        )?;
        let is_go = header.word(at::GO) != go::NONE;
        let words = words.into_iter().map(AtomicU64::new).collect();
        is_go.then_some(Ledger { words, known })
    }

    /// The bytes, as they stand in a file.
    pub fn bytes(&self) -> Vec<u8> {
        let words = self.words.iter().map(|word| word.load(Ordering::Relaxed));
        words.flat_map(u64::to_le_bytes).collect()
    }

    /// A word of its header.
    pub fn word(&self, place: usize) -> u64 {
        let word = self.words.get(place);
        word.map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Sets a word of its header.
    pub fn set(&self, place: usize, value: u64) {
        if let Some(word) = self.words.get(place) {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// The addresses of the executable.
    pub fn range(&self) -> (u64, u64) {
        let module = self.module();
        module.map_or((0, 0), |module| (module.start, module.end))
    }

    /// The path of the executable.
    pub fn executable(&self) -> Vec<u8> {
        let name = self.word(at::EXECUTABLE);
        let mut bytes = [0; STRING_BYTES_MAX];
        let region = self.shape(Region::Strings);
        let len = strings::read(self.words.as_slice(), region, name, &mut bytes);
        bytes.get(..len).unwrap_or_default().to_vec()
    }

    fn module(&self) -> Option<modules::Module> {
        modules::read(self.words.as_slice(), self.shape(Region::Modules), 0)
    }

    fn shape(&self, region: Region) -> RegionShape {
        let file_bytes = self.words.len() as u64 * WORD_BYTES;
        match header::attach(self.words.as_slice(), file_bytes) {
            Attach::Attached(header) => header.region(region),
            _ => RegionShape::EMPTY,
        }
    }

    /// Takes over what the runtime says now.
    pub fn update(&mut self, readout: &Readout, now_ticks: u64) {
        let now_ticks = now_ticks.max(self.word(at::HEARTBEAT) + 1);
        self.make_room(readout);
        self.note_rate(readout.rate, now_ticks);
        let moment = self.next_moment(now_ticks);
        let (mut bytes, mut objects, mut allocated_bytes, mut sampled) = (0_i64, 0_i64, 0_u64, 0);
        for totals in &readout.stacks {
            let (born, died) = (&totals.born, &totals.died);
            bytes += born.bytes.saturating_sub(died.bytes) as i64;
            objects += born.objects.saturating_sub(died.objects) as i64;
            allocated_bytes = allocated_bytes.saturating_add(born.bytes);
            sampled += born.raw_objects;
            self.update_site(totals, moment, now_ticks);
        }
        if let Some(heap) = peak::heap(&self.words) {
            let by = Change {
                bytes: bytes.wrapping_sub(self.word(at::LIVE_BYTES) as i64),
                objects: objects.wrapping_sub(self.word(at::LIVE_OBJECTS) as i64),
            };
            peak::change(heap, None, by, now_ticks);
        }
        if let Some(row) = self.row::<{ threads::THREAD_WORDS }>(Region::Threads, 0) {
            row[threads::at::BYTES].store(allocated_bytes, Ordering::Relaxed);
            row[threads::at::SAMPLED].store(sampled, Ordering::Relaxed);
        }
        self.append_point(&Point {
            ticks: now_ticks,
            live_bytes: bytes,
            live_objects: objects,
            asked_bytes: allocated_bytes,
        });
        self.set(at::HEARTBEAT, now_ticks);
    }

    fn update_site(&mut self, totals: &StackTotals, moment: Option<usize>, now_ticks: u64) {
        if !self.known.contains_key(&totals.stack) {
            self.make_site(&totals.stack, now_ticks);
        }
        let Some(known) = self.known.get_mut(&totals.stack) else {
            return;
        };
        if known.born_objects != totals.born.objects {
            known.born_objects = totals.born.objects;
            known.last_ticks = now_ticks;
        }
        let known = *known;
        let Some(site) = self.row(Region::Sites, known.row) else {
            return;
        };
        if let Some(heap) = peak::heap(&self.words) {
            peak::keep(heap, site);
        }
        let (born, died) = (&totals.born, &totals.died);
        sites::set_sampled(site, born, died, &totals.sizes, known.last_ticks);
        if let Some(word) = moment.and_then(|moment| sites::moments(site).get(moment)) {
            word.store(totals.published_live_bytes, Ordering::Relaxed);
        }
    }

    /// Gives a stack a row, unless there is no room left.
    fn make_site(&mut self, stack: &[u64], now_ticks: u64) {
        let frames = kept_frames(stack);
        let Some(first) = self.claim(Region::Frames, frames.len() as u64) else {
            return;
        };
        for (row, address) in (first..).zip(&frames) {
            if let Some([word]) = self.row(Region::Frames, row) {
                word.store(*address, Ordering::Relaxed);
            }
        }
        let Some(row) = self.claim(Region::Sites, 1) else {
            return;
        };
        let mut hasher = DefaultHasher::new();
        frames.hash(&mut hasher);
        let is_elided = frames.len() < stack.len();
        let identity = Identity {
            // Never 0, as the layout wants it.
            hash: hasher.finish() | 1,
            writer: 0,
            first_frame: first as u32,
            depth: frames.len() as u16,
            flags: if is_elided { flag::ELIDED } else { 0 },
            modules: 1,
            made_ticks: now_ticks,
        };
        if let Some(site) = self.row(Region::Sites, row) {
            sites::publish(site, &identity);
        }
        let known = Known {
            row,
            born_objects: 0,
            last_ticks: now_ticks,
        };
        self.known.insert(stack.to_vec(), known);
    }

    fn append_point(&self, point: &Point) {
        let Some(table) = self.table(Region::Timeline) else {
            return;
        };
        let rows: &[[AtomicU64; POINT_WORDS]] = table.rows().as_chunks().0;
        if let Some(state) = self.words.get(at::TIMELINE) {
            timeline::append(state, rows, |row| row < table.capacity(), point);
        }
        // The rows of this table count as claimed from the start; its own word says how many hold.
        let _ = table.claim(table.capacity() - table.used(), |needed| needed);
    }

    /// The rate as the nearest interval that memshim knows, for what tells people about it.
    fn note_rate(&self, rate: u64, now_ticks: u64) {
        if rate == self.word(at::GO_RATE) && self.word(at::INTERVAL_CHANGES) > 0 {
            return;
        }
        let interval = match rate {
            0 | 1 => Interval::EXACT,
            rate => Interval::at_most(rate.saturating_add(rate / 2)),
        };
        self.set(at::GO_RATE, rate);
        header::note_interval(&self.words, now_ticks, interval);
    }

    /// The place for what is live now among the moments that sites remember, if it is time for
    /// one; where all are taken, every second one goes.
    fn next_moment(&self, now_ticks: u64) -> Option<usize> {
        let used = (self.word(at::GO_MOMENTS) as usize).min(go::MOMENTS_MAX);
        let ticks = |index: usize| self.word(at::GO_TICKS + index);
        let spacing = match used {
            0 | 1 => MOMENT_NS,
            used => (ticks(used - 1).saturating_sub(ticks(0)) / (used as u64 - 1)).max(MOMENT_NS),
        };
        // A little early is in time: whoever reads out each second does not do so to the nanosecond.
        let is_due =
            used == 0 || now_ticks.saturating_sub(ticks(used - 1)) >= spacing - spacing / 8;
        if !is_due {
            return None;
        }
        let used = match used < go::MOMENTS_MAX {
            true => used,
            false => self.thin_moments(),
        };
        self.set(at::GO_TICKS + used, now_ticks);
        self.set(at::GO_MOMENTS, used as u64 + 1);
        Some(used)
    }

    /// Drops every second moment; gives how many are left.
    fn thin_moments(&self) -> usize {
        let kept = go::MOMENTS_MAX / 2;
        let halve = |words: &[AtomicU64]| {
            for index in 0..words.len() {
                let kept = words.get(2 * index).filter(|_| index < kept);
                let value = kept.map_or(0, |word| word.load(Ordering::Relaxed));
                words[index].store(value, Ordering::Relaxed);
            }
        };
        if let Some(ticks) = self.words.get(at::GO_TICKS..at::GO_TICKS + go::MOMENTS_MAX) {
            halve(ticks);
        }
        for known in self.known.values() {
            if let Some(site) = self.row(Region::Sites, known.row) {
                halve(sites::moments(site));
            }
        }
        kept
    }
}

/// The frames of a stack that are kept: all, or its two ends where it is too deep.
fn kept_frames(stack: &[u64]) -> Vec<u64> {
    if stack.len() <= FRAMES_MAX {
        return stack.to_vec();
    }
    let half = FRAMES_MAX / 2;
    [&stack[..half], &stack[stack.len() - half..]].concat()
}

/// Every stack of a segment with its row; `None` where one cannot be read.
fn known_stacks(
    words: &[u64],
    sites: RegionShape,
    frames: RegionShape,
) -> Option<HashMap<Vec<u64>, Known>> {
    let mut known = HashMap::new();
    for row in 0..sites.rows {
        let site = sites::read(words, sites, row)?;
        let depth = usize::from(site.identity.depth).min(FRAMES_MAX);
        let mut stack = vec![0; depth];
        words.copy(frames.row(site.identity.first_frame.into()), &mut stack);
        let entry = Known {
            row,
            born_objects: site.born.objects,
            last_ticks: site.last_ticks,
        };
        known.insert(stack, entry);
    }
    Some(known)
}

#[cfg(test)]
mod tests;
