//! A heap profile of the Go runtime in the form of a segment, so that every answer works on it.
//!
//! It is laid out anew whenever it must grow, and replaced as a whole, so readers see one moment.
//! What was before a read-out is in the segment itself: sites keep their rows, the timeline and the
//! peak go on, and each site remembers what was live at some moments of the past.

#![forbid(unsafe_code)]

mod room;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use foldhash::fast::RandomState;
use memshim_abi::header::{self, Attach, at, go};
use memshim_abi::modules;
use memshim_abi::peak::{self, Change};
use memshim_abi::region::{Region, RegionShape};
use memshim_abi::sites::{self, FRAMES_MAX, Identity, flag};
use memshim_abi::strings::{self, STRING_BYTES_MAX};
use memshim_abi::timeline::{self, POINT_WORDS, Point};
use memshim_abi::weight::Interval;
use memshim_abi::{AtomicU64, WORD_BYTES, Words, threads};

use crate::source::Totals;
use crate::source::go::process::Readout;
use crate::source::go::profile::StackTotals;

/// Words of a segment that are written at once.
const PIECE_WORDS: usize = 8 << 10;

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
    /// Mean bytes between its samples, 0 where that is not known yet.
    pub rate: u64,
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
    known: Vec<Known>,
    /// Which of them a stack is.
    places: HashMap<Arc<[u64]>, usize, RandomState>,
    /// Which of them those of the last read-out are, as far as that was looked up.
    order: Vec<usize>,
    /// The sums of all that is known.
    sums: Sums,
}

/// What is remembered of a stack beside its row.
#[derive(Debug, Clone)]
struct Known {
    stack: Arc<[u64]>,
    row: u64,
    last_ticks: u64,
    born_objects: u64,
    sums: Sums,
}

/// What is added up over all stacks.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    live_bytes: i64,
    live_objects: i64,
    allocated_bytes: u64,
    sampled: u64,
}

impl Sums {
    fn of(born: &Totals, died: &Totals) -> Sums {
        Sums {
            live_bytes: born.bytes.saturating_sub(died.bytes) as i64,
            live_objects: born.objects.saturating_sub(died.objects) as i64,
            allocated_bytes: born.bytes,
            sampled: born.raw_objects,
        }
    }

    /// Puts what is true now in the place of what was true before.
    fn replace(&mut self, before: Sums, now: Sums) {
        let signed = |sum: i64, before: i64, now: i64| sum.wrapping_sub(before).wrapping_add(now);
        let count = |sum: u64, before: u64, now: u64| sum.wrapping_sub(before).wrapping_add(now);
        *self = Sums {
            live_bytes: signed(self.live_bytes, before.live_bytes, now.live_bytes),
            live_objects: signed(self.live_objects, before.live_objects, now.live_objects),
            allocated_bytes: count(
                self.allocated_bytes,
                before.allocated_bytes,
                now.allocated_bytes,
            ),
            sampled: count(self.sampled, before.sampled, now.sampled),
        };
    }
}

impl Ledger {
    /// A segment of which nothing was read yet.
    pub fn new(about: &Description) -> Ledger {
        let mut ledger = Ledger::of_words(Vec::new());
        ledger.begin(about);
        ledger.note_rate(about.rate, about.monotonic_ns);
        // Row 0 stands for stacks without a row, of which there are none here.
        ledger.make_site(&Arc::from([]), about.monotonic_ns);
        header::publish(&ledger.words);
        ledger
    }

    fn of_words(words: Vec<AtomicU64>) -> Ledger {
        Ledger {
            words,
            known: Vec::new(),
            places: HashMap::default(),
            order: Vec::new(),
            sums: Sums::default(),
        }
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
        let mut ledger = Ledger::of_words(words.into_iter().map(AtomicU64::new).collect());
        known.into_iter().for_each(|known| ledger.remember(known));
        is_go.then_some(ledger)
    }

    fn remember(&mut self, known: Known) {
        self.sums.replace(Sums::default(), known.sums);
        self.places
            .insert(Arc::clone(&known.stack), self.known.len());
        self.known.push(known);
    }

    /// The bytes, as they stand in a file.
    #[cfg(test)]
    pub fn bytes(&self) -> Vec<u8> {
        let words = self.words.iter().map(|word| word.load(Ordering::Relaxed));
        words.flat_map(u64::to_le_bytes).collect()
    }

    /// Writes the bytes to an empty file, of which what nothing is in stays a hole.
    ///
    /// # Errors
    ///
    /// Those of the kernel, such as a full file system.
    pub fn write(&self, file: &File) -> io::Result<()> {
        file.set_len(self.words.len() as u64 * WORD_BYTES)?;
        let mut bytes = [0; PIECE_WORDS * WORD_BYTES as usize];
        let mut offset = 0;
        for piece in self.words.chunks(PIECE_WORDS) {
            let mut any = 0;
            for (to, word) in bytes.as_chunks_mut().0.iter_mut().zip(piece) {
                let word = word.load(Ordering::Relaxed);
                any |= word;
                *to = word.to_le_bytes();
            }
            let len = piece.len() * WORD_BYTES as usize;
            if any != 0 {
                file.write_all_at(&bytes[..len], offset)?;
            }
            offset += len as u64;
        }
        Ok(())
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
    pub fn update(&mut self, readout: &Readout<'_>, now_ticks: u64) {
        let now_ticks = now_ticks.max(self.word(at::HEARTBEAT) + 1);
        self.make_room(readout);
        self.note_rate(readout.rate, now_ticks);
        for place in &readout.changed {
            if let Some(totals) = readout.stacks.get(*place) {
                self.update_site(*place, totals, now_ticks);
            }
        }
        if let Some(moment) = self.next_moment(now_ticks) {
            self.note_moment(readout, moment);
        }
        let sums = self.sums;
        if let Some(heap) = peak::heap(&self.words) {
            let by = Change {
                bytes: sums
                    .live_bytes
                    .wrapping_sub(self.word(at::LIVE_BYTES) as i64),
                objects: sums
                    .live_objects
                    .wrapping_sub(self.word(at::LIVE_OBJECTS) as i64),
            };
            peak::change(heap, None, by, now_ticks);
        }
        if let Some(row) = self.row::<{ threads::THREAD_WORDS }>(Region::Threads, 0) {
            row[threads::at::BYTES].store(sums.allocated_bytes, Ordering::Relaxed);
            row[threads::at::SAMPLED].store(sums.sampled, Ordering::Relaxed);
        }
        self.append_point(&Point {
            ticks: now_ticks,
            live_bytes: sums.live_bytes,
            live_objects: sums.live_objects,
            asked_bytes: sums.allocated_bytes,
        });
        self.set(at::HEARTBEAT, now_ticks);
    }

    /// Which of the known stacks that of a read-out is.
    fn place_of(&self, place: usize, stack: &Arc<[u64]>) -> Option<usize> {
        // Read-outs of one process have the same stacks in the same places.
        let likely = self.order.get(place).copied();
        let is_it = |known: &Known| Arc::ptr_eq(&known.stack, stack);
        likely
            .filter(|likely| self.known.get(*likely).is_some_and(is_it))
            .or_else(|| self.places.get(stack).copied())
    }

    fn update_site(&mut self, place: usize, totals: &StackTotals, now_ticks: u64) {
        let known = match self.place_of(place, &totals.stack) {
            Some(known) => Some(known),
            None => self.make_site(&totals.stack, now_ticks),
        };
        let Some(index) = known else {
            return;
        };
        self.order.resize(self.order.len().max(place + 1), index);
        self.order[place] = index;
        let (born, died) = (&totals.born, &totals.died);
        let (now, known) = (Sums::of(born, died), &mut self.known[index]);
        self.sums.replace(known.sums, now);
        known.sums = now;
        known.stack = Arc::clone(&totals.stack);
        if known.born_objects != born.objects {
            known.born_objects = born.objects;
            known.last_ticks = now_ticks;
        }
        let (row, last_ticks) = (known.row, known.last_ticks);
        let Some(site) = self.row(Region::Sites, row) else {
            return;
        };
        if let Some(heap) = peak::heap(&self.words) {
            peak::keep(heap, site);
        }
        sites::set_sampled(site, born, died, &totals.sizes, last_ticks);
    }

    /// Notes of every stack what is live, as that of a moment.
    fn note_moment(&self, readout: &Readout<'_>, moment: usize) {
        for (place, totals) in readout.stacks.iter().enumerate() {
            let known = self.place_of(place, &totals.stack);
            let site = known.and_then(|known| self.row(Region::Sites, self.known[known].row));
            if let Some(word) = site.and_then(|site| sites::moments(site).get(moment)) {
                word.store(totals.published_live_bytes, Ordering::Relaxed);
            }
        }
    }

    /// Gives a stack a row, unless there is no room left.
    fn make_site(&mut self, stack: &Arc<[u64]>, now_ticks: u64) -> Option<usize> {
        let frames = kept_frames(stack);
        let first = self.claim(Region::Frames, frames.len() as u64)?;
        let rows = self.table(Region::Frames)?;
        let rows = rows.span(first, frames.len() as u64)?;
        for (word, address) in rows.iter().zip(frames.iter()) {
            word.store(*address, Ordering::Relaxed);
        }
        let row = self.claim(Region::Sites, 1)?;
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
        self.remember(Known {
            stack: Arc::clone(stack),
            row,
            last_ticks: now_ticks,
            born_objects: 0,
            sums: Sums::default(),
        });
        Some(self.known.len() - 1)
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
        // None is no rate: nothing is sampled yet, or any more.
        if rate == 0 || rate == self.word(at::GO_RATE) {
            return;
        }
        let interval = match rate {
            1 => Interval::EXACT,
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
        for known in &self.known {
            if let Some(site) = self.row(Region::Sites, known.row) {
                halve(sites::moments(site));
            }
        }
        kept
    }
}

/// The frames of a stack that are kept: all, or its two ends where it is too deep.
fn kept_frames(stack: &[u64]) -> Cow<'_, [u64]> {
    if stack.len() <= FRAMES_MAX {
        return Cow::Borrowed(stack);
    }
    let half = FRAMES_MAX / 2;
    Cow::Owned([&stack[..half], &stack[stack.len() - half..]].concat())
}

/// Every stack of a segment with its row; `None` where one cannot be read.
fn known_stacks(words: &[u64], sites: RegionShape, frames: RegionShape) -> Option<Vec<Known>> {
    let known = |row| {
        let site = sites::read(words, sites, row)?;
        let depth = usize::from(site.identity.depth).min(FRAMES_MAX);
        let mut stack = vec![0; depth];
        words.copy(frames.row(site.identity.first_frame.into()), &mut stack);
        Some(Known {
            stack: stack.into(),
            row,
            last_ticks: site.last_ticks,
            born_objects: site.born.objects,
            sums: Sums::of(&site.born, &site.died),
        })
    };
    (0..sites.rows).map(known).collect()
}

#[cfg(test)]
mod tests;
