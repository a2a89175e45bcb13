//! Makes the segment's file, gives it its size, and lets it grow.
//!
//! The file is sparse and as long as it may ever become; pages are asked for one extent at a time
//! with MADV_POPULATE_WRITE (Linux 5.14), which refuses where a full file system would otherwise
//! kill the program with SIGBUS, and which needs no descriptor.
//! Older kernels get a smaller segment that is reserved in full with fallocate(2).

use core::ffi::CStr;
use core::sync::atomic::Ordering;

use memshim_abi::header::{self, HEADER_WORDS, at, storage};
use memshim_abi::region::{Plan, REGION_WORDS, Region};
use memshim_abi::{AtomicU64, PAGE_BYTES, WORD_BYTES, counters};

use crate::config::Config;
use crate::path::Path;
use crate::runtime::Runtime;
use crate::sys::{self, Descriptor, Errno, Ids};

/// What a process without MADV_POPULATE_WRITE reserves at most.
const RESERVED_BYTES_MAX: u64 = 16 << 20;

/// The most memory that one growth step asks for.
const EXTENT_BYTES_MAX: u64 = 1 << 20;

/// Requests for room that are refused unasked after one that the file system refused.
const REFUSALS_PER_TRY: u64 = 1024;

/// Exec'd programs of one process that can have a segment each.
const SEGMENTS_PER_PROCESS: u32 = 64;

/// A fresh segment, laid out but not yet published.
pub struct Fresh {
    /// All its words.
    pub words: &'static [AtomicU64],
    /// Whether it grows in extents.
    pub grows: bool,
}

/// Makes a segment in the first directory that has room for one.
///
/// # Errors
/// What the last directory said.
pub fn create(config: &Config, ids: &Ids, start_time: u64) -> Result<Fresh, Errno> {
    let mut last = Errno(libc::ENOENT);
    for directory in config.directories() {
        match create_in(directory, config, ids, start_time) {
            Ok(fresh) => return Ok(fresh),
            Err(errno) => last = errno,
        }
    }
    Err(last)
}

fn create_in(
    directory: &[u8],
    config: &Config,
    ids: &Ids,
    start_time: u64,
) -> Result<Fresh, Errno> {
    let mut path = Path::new();
    path.push(directory)
        .push(b"/memshim-")
        .push_number(u64::from(ids.uid));
    let home = open_home(path.as_c_str(), ids.uid)?;
    let (file, name) = create_file(&home, ids, start_time)?;
    let made = lay_out(&file, config);
    if made.is_err() {
        sys::unlink_at(home.number(), name.as_c_str());
    }
    made
}

/// The user's own directory, made if missing, refused if it is another's (a trap in /tmp).
fn open_home(path: &CStr, uid: u32) -> Result<Descriptor, Errno> {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let home = match sys::openat(libc::AT_FDCWD, path, flags, 0) {
        Err(Errno(libc::ENOENT)) => {
            // Another process may make it at the same moment; opening decides.
            let _ = sys::make_dir(path, 0o700);
            sys::openat(libc::AT_FDCWD, path, flags, 0)?
        }
        other => other?,
    };
    let (owner, mode) = home.owner_and_mode()?;
    if owner != uid || mode & 0o022 != 0 {
        return Err(Errno(libc::EPERM));
    }
    Ok(home)
}

/// The next free name of this process; an older segment belongs to the program it was before exec.
fn create_file(home: &Descriptor, ids: &Ids, start_time: u64) -> Result<(Descriptor, Path), Errno> {
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
    let mut previous: Option<Path> = None;
    for n in 0..SEGMENTS_PER_PROCESS {
        let mut name = Path::new();
        name.push_number(u64::from(ids.pid))
            .push(b"-")
            .push_number(start_time);
        name.push(b"-").push_number(u64::from(n)).push(b".seg");
        match sys::openat(home.number(), name.as_c_str(), flags, 0o600) {
            Ok(file) => {
                if let Some(previous) = previous {
                    mark_replaced(home, previous.as_c_str());
                }
                return Ok((file, name));
            }
            Err(Errno(libc::EEXIST)) => previous = Some(name),
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno(libc::EEXIST))
}

fn mark_replaced(home: &Descriptor, name: &CStr) {
    let flags = libc::O_WRONLY | libc::O_NOFOLLOW;
    if let Ok(file) = sys::openat(home.number(), name, flags, 0) {
        let offset = at::STATE as u64 * WORD_BYTES;
        // A segment that cannot be written stays marked as running; its reader sees the newer one.
        let _ = file.write_at(&header::state::REPLACED.to_le_bytes(), offset);
    }
}

/// The length a segment may have in this process, and whether it grows in extents.
fn length(config: &Config) -> (u64, bool) {
    let grows = populate_is_known();
    // Past the first limit the kernel sends SIGXFSZ; the second is the program's to use.
    let mut bytes = config
        .max_segment_bytes()
        .min(sys::limit(libc::RLIMIT_FSIZE));
    bytes = bytes.min(sys::limit(libc::RLIMIT_AS) / 16);
    if !grows {
        bytes = bytes.min(RESERVED_BYTES_MAX);
    }
    (bytes & !(PAGE_BYTES - 1), grows)
}

/// The largest segment that this program's processes can have, divided into regions.
pub fn plan(config: &Config) -> Option<Plan> {
    Plan::of(length(config).0, config.ring_chunks())
}

fn lay_out(file: &Descriptor, config: &Config) -> Result<Fresh, Errno> {
    let (bytes, grows) = length(config);
    let plan = Plan::of(bytes, config.ring_chunks()).ok_or(Errno(libc::EFBIG))?;
    file.set_len(bytes)?;
    if !grows {
        file.reserve(bytes)?;
    }
    let base = file.map(bytes as usize)?;
    let fresh = prepare(base, bytes, grows, &plan);
    if fresh.is_err() {
        // SAFETY: the mapping was made above and nothing refers to it.
        unsafe { sys::unmap(base, bytes as usize) };
    }
    fresh
}

fn prepare(base: *mut u8, bytes: u64, grows: bool, plan: &Plan) -> Result<Fresh, Errno> {
    // SAFETY: the mapping is ours; a child must not write to its parent's segment.
    unsafe { sys::advise(base, bytes as usize, libc::MADV_DONTFORK) }?;
    // SAFETY: the mapping is ours. A refusal only means that core files are larger.
    let _ = unsafe { sys::advise(base, bytes as usize, libc::MADV_DONTDUMP) };
    if grows {
        populate(base, 0, HEADER_WORDS * WORD_BYTES)?;
    } else {
        // SAFETY: the whole mapping is ours, and its pages were reserved.
        unsafe { sys::allow(base, bytes as usize) }?;
    }
    let count = (bytes / WORD_BYTES) as usize;
    // SAFETY: the mapping has this length, is page-aligned, is never unmapped once this succeeds,
    // and is only reached as atomics.
    let words = unsafe { core::slice::from_raw_parts(base.cast::<AtomicU64>(), count) };
    plan.store(words);
    set(words, at::BYTE_ORDER, header::BYTE_ORDER);
    set(words, at::SEGMENT_BYTES, bytes);
    set(words, at::STORAGE, storage::GROWING);
    if !grows {
        for (index, (_, capacity)) in plan.regions.iter().enumerate() {
            set(words, at::REGIONS + index * REGION_WORDS + 4, *capacity);
        }
    }
    Ok(Fresh { words, grows })
}

/// Stores a header word before publication.
pub fn set(words: &[AtomicU64], place: usize, value: u64) {
    if let Some(word) = words.get(place) {
        // Relaxed: the header is published as a whole.
        word.store(value, Ordering::Relaxed);
    }
}

fn populate_is_known() -> bool {
    // SAFETY: an empty range touches nothing; the kernel still checks the advice.
    unsafe { sys::advise(core::ptr::null_mut(), 0, libc::MADV_POPULATE_WRITE) }.is_ok()
}

fn populate(base: *mut u8, offset: u64, bytes: u64) -> Result<(), Errno> {
    let start = base.wrapping_add(offset as usize);
    // SAFETY: whole pages of the segment's mapping.
    unsafe { sys::allow(start, bytes as usize) }?;
    loop {
        // SAFETY: the range lies within the segment's mapping, whose contents stay.
        match unsafe { sys::advise(start, bytes as usize, libc::MADV_POPULATE_WRITE) } {
            Err(Errno(libc::EINTR | libc::EAGAIN)) => {}
            result => return result,
        }
    }
}

/// Makes memory for at least `needed` rows of a region; gives the rows that are ready then.
pub fn grow(runtime: &Runtime, region: Region, needed: u64) -> u64 {
    let words = runtime.segment();
    let place = at::REGIONS + region as usize * REGION_WORDS;
    let Some([offset, capacity, _, _, ready, ..]) = words.get(place..place + REGION_WORDS) else {
        return 0;
    };
    // Relaxed: offset and capacity are fixed, an old `ready` only repeats work.
    let offset = offset.load(Ordering::Relaxed);
    let capacity = capacity.load(Ordering::Relaxed);
    let ready = ready.load(Ordering::Relaxed);
    // Relaxed: set before the start.
    if runtime.grows.load(Ordering::Relaxed) == 0 || needed > capacity {
        return ready;
    }
    // A full disk is asked again now and then, not at every block.
    let refusals = runtime.counted(counters::STORAGE_REFUSED);
    if !refusals.is_multiple_of(REFUSALS_PER_TRY) {
        runtime.count(counters::STORAGE_REFUSED, 1);
        return ready;
    }
    let row_bytes = region.row_words() * WORD_BYTES;
    let base = words.as_ptr() as *mut u8;
    let from = (offset + ready * row_bytes) & !(PAGE_BYTES - 1);
    let least = (offset + needed * row_bytes).next_multiple_of(PAGE_BYTES);
    // Twice what there is, but the first page alone: many processes never need a second one.
    let more = if ready == 0 { 0 } else { least - offset };
    let doubled = least + more.min(EXTENT_BYTES_MAX);
    let limit = offset + capacity * row_bytes;
    let ends = [doubled.min(limit.next_multiple_of(PAGE_BYTES)), least];
    let mut refusal = 0;
    for end in ends {
        match populate(base, from, end - from) {
            Ok(()) => return ((end - offset) / row_bytes).min(capacity),
            Err(Errno(errno)) => refusal = errno,
        }
    }
    set(words, at::STORAGE, storage::REFUSED);
    set(words, at::STORAGE_ERRNO, refusal as u64);
    runtime.count(counters::STORAGE_REFUSED, 1);
    ready
}
