//! The beginning and the end: of the program, of a process, of a thread.
//!
//! `boot` runs once for a program, at its first allocation or at the shim's constructor, whichever
//! comes first, and finds the real allocator.
//! `start` runs once for each process, a forked child included, and makes its segment.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_void};
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU64, Ordering};

use memshim_abi::header::{self, at, bypass, origin, pack, state};
use memshim_abi::region::{Plan, Region};
use memshim_abi::sites::{self, Identity};
use memshim_abi::weight::Interval;
use memshim_abi::{AtomicU64 as Word, threads};

use crate::config::Config;
use crate::runtime::{self, Runtime};
use crate::segment::set;
use crate::{
    bootstrap, call, clock, controller, filter, go, modules, private, real, segment, sys, thread,
    tls, unwind,
};

const NOT_BOOTED: u64 = 0;
const BOOTING: u64 = 1;
const BOOTED: u64 = 2;

static BOOT: AtomicU64 = AtomicU64::new(NOT_BOOTED);

/// Rows of a table that the private indexes name at most: a million samples are half a terabyte of
/// heap at the default interval, and before that the interval doubles.
const ROWS_SAMPLED: u64 = 1 << 20;
const ROWS_EXACT: u64 = 1 << 27;

/// Segments started by this process image, forked ancestors included.
static STARTS: AtomicU64 = AtomicU64::new(0);

/// The pthread key plus one; 0 where thread ends are not seen.
static THREAD_KEY: AtomicU64 = AtomicU64::new(0);

/// What stands in the header's word of the same name.
static BYPASS: AtomicU64 = AtomicU64::new(bypass::NONE);

struct Settings(UnsafeCell<MaybeUninit<Config>>);

// SAFETY: written once while booting, when there is one thread; only read afterwards.
unsafe impl Sync for Settings {}

static SETTINGS: Settings = Settings(UnsafeCell::new(MaybeUninit::uninit()));

/// Finds the real allocator and reads the settings, once.
///
/// Gives `false` while that is going on: such a call comes from the C library itself and is
/// served by the bootstrap arena.
pub fn boot() -> bool {
    // Relaxed: the first allocation comes before there is a second thread.
    match BOOT.load(Ordering::Relaxed) {
        BOOTED => return true,
        BOOTING => return false,
        _ => BOOT.store(BOOTING, Ordering::Relaxed),
    }
    real::find();
    clock::choose();
    BYPASS.store(find_bypass(), Ordering::Relaxed);
    let config = Config::read();
    if !config.is_disabled {
        if let Some(plan) = segment::plan(&config) {
            make_private(&config, &plan);
        }
        let key = sys::thread_key(call::end).map_or(0, |key| u64::from(key) + 1);
        THREAD_KEY.store(key, Ordering::Relaxed);
    }
    if let Some(rate) = config.go_rate() {
        go::switch_on(rate);
    }
    // SAFETY: booting happens once, in the only thread there is.
    let settings = unsafe { &mut *SETTINGS.0.get() };
    settings.write(config);
    BOOT.store(BOOTED, Ordering::Relaxed);
    true
}

/// Makes the private memory, an eighth of it where the kernel refuses so much, down to a 512th.
///
/// Without memory that a child finds empty there is no recording at all.
fn make_private(config: &Config, plan: &Plan) {
    let is_exact = config.interval == Interval::EXACT;
    let most = if is_exact { ROWS_EXACT } else { ROWS_SAMPLED };
    // What threads keep for themselves takes much address space, if little memory.
    let has_space = sys::limit(libc::RLIMIT_AS) == u64::MAX;
    let rows = |region| plan.capacity(region).min(most) as usize;
    let (sites, slots) = (rows(Region::Sites), rows(Region::Slots));
    for shift in [0, 3, 6, 9] {
        let room = private::Room {
            sites: sites >> shift,
            slots: slots >> shift,
            is_exact: is_exact && has_space,
        };
        if private::create(room).is_ok() {
            return;
        }
    }
}

/// Where this process stands.
pub fn phase() -> u64 {
    // Relaxed: decides only whether to ask again.
    private::runtime().map_or(runtime::phase::OFF, |runtime| {
        runtime.phase.load(Ordering::Relaxed)
    })
}

/// Makes the segment of this process; `None` when another thread is at it or there can be none.
pub fn start() -> Option<&'static Runtime> {
    let runtime = private::runtime()?;
    // Acquire and Release on the phase: one thread starts, and who sees RUNNING sees everything.
    runtime
        .phase
        .compare_exchange(
            runtime::phase::NEW,
            runtime::phase::STARTING,
            Ordering::Acquire,
            Ordering::Relaxed,
        )
        .ok()?;
    // SAFETY: written by `boot`, which came before, and never again.
    let settings = unsafe { &*SETTINGS.0.get() };
    // SAFETY: as above.
    let config = unsafe { settings.assume_init_ref() };
    // Relaxed: one thread at a time.
    let is_forked = STARTS.fetch_add(1, Ordering::Relaxed) > 0;
    if is_forked {
        filter::clear();
        bootstrap::mark();
        // Each rule learnt anew shows its module to this segment.
        unwind::forget_rules();
    }
    let is_made = make_segment(runtime, config, is_forked);
    let phase = if is_made {
        runtime::phase::RUNNING
    } else {
        runtime::phase::OFF
    };
    // Release pairs with the Acquire in `Runtime::running`.
    runtime.phase.store(phase, Ordering::Release);
    is_made.then_some(runtime)
}

fn make_segment(runtime: &'static Runtime, config: &Config, is_forked: bool) -> bool {
    let ids = sys::ids();
    let start_time = start_time();
    let Ok(fresh) = segment::create(config, &ids, start_time) else {
        return false;
    };
    // Relaxed throughout: published by the phase.
    runtime.set_segment(fresh.words);
    runtime
        .grows
        .store(u64::from(fresh.grows), Ordering::Relaxed);
    let interval = first_interval(config, is_forked);
    runtime
        .interval
        .store(u64::from(interval.exponent()), Ordering::Relaxed);
    runtime
        .generation
        .store(clock::now() | 1, Ordering::Relaxed);
    let seed = config
        .seed
        .map(|seed| seed ^ STARTS.load(Ordering::Relaxed) << 32);
    runtime
        .seed
        .store(seed.unwrap_or_else(sys::random), Ordering::Relaxed);
    let words = fresh.words;
    set(words, at::PIDS, pack(ids.pid, ids.parent));
    set(words, at::START_TIME, start_time);
    set(words, at::IDS, pack(ids.uid, ids.gid));
    set(
        words,
        at::ORIGIN,
        if is_forked {
            origin::FORKED
        } else {
            origin::STARTED
        },
    );
    set(words, at::STATE, state::RUNNING);
    set(words, at::RUN, config.run);
    set(words, at::GO_SET, go::rate_set());
    set(words, at::BYPASS, BYPASS.load(Ordering::Relaxed));
    clock::start(words);
    set(words, at::HEARTBEAT, clock::now());
    header::note_interval(words, clock::now(), interval);
    controller::start(runtime, config.budget());
    set(words, at::REJECTED, config.rejected);
    let is_usable = claim_first_rows(runtime);
    describe_program(runtime, words);
    header::publish(words);
    is_usable
}

/// The interval a process starts with: a forked child goes on with its parent's, for a server that
/// forks for each connection could not afford to begin finely every time.
fn first_interval(config: &Config, is_forked: bool) -> Interval {
    // Relaxed: only this thread touches the block, which is a copy of its parent's.
    let parents = tls::block().exponent.load(Ordering::Relaxed) as u8;
    if config.is_adaptive && is_forked {
        config.interval.max(Interval::from_exponent(parents))
    } else {
        config.interval
    }
}

/// The rows 0 that stand for what finds no row of its own, and the slot the free list begins with.
fn claim_first_rows(runtime: &'static Runtime) -> bool {
    let now = clock::now();
    let claimed = (|| {
        let site = runtime.claim(Region::Sites, 1)?;
        let unknown = Identity {
            hash: 1,
            made_ticks: now,
            ..Identity::default()
        };
        sites::publish(runtime.site(site as u32)?, &unknown);
        let thread = runtime.claim(Region::Threads, 1)?;
        let row = runtime.thread(thread as u32)?;
        threads::publish(row, u32::MAX, b"(other threads)\0", now);
        runtime.claim(Region::Slots, 1)
    })();
    if let Some(slot) = claimed {
        runtime.recycle().start(slot as u32);
    }
    claimed.is_some()
}

/// Executable, command line and boot id, read from /proc.
fn describe_program(runtime: &'static Runtime, words: &[Word]) {
    const ROOM: usize = 2 * memshim_abi::strings::STRING_BYTES_MAX;
    // A forked child may be on a small stack, so the buffer is a mapping of its own.
    let Some(mut room) = sys::Room::new(ROOM) else {
        return;
    };
    let room = room.bytes();
    let len = sys::read_link(c"/proc/self/exe", room);
    set(
        words,
        at::EXECUTABLE,
        modules::keep(runtime, room.get(..len).unwrap_or(&[])),
    );
    let len = sys::read_file(c"/proc/self/cmdline", room);
    set(
        words,
        at::COMMAND_LINE,
        modules::keep(runtime, room.get(..len).unwrap_or(&[])),
    );
    let len = sys::read_file(c"/proc/sys/kernel/random/boot_id", room);
    let (high, low) = boot_id(room.get(..len).unwrap_or(&[]));
    set(words, at::BOOT_ID, high);
    set(words, at::BOOT_ID + 1, low);
}

/// The 32 hexadecimal digits of a boot id as two words; dashes do not count.
fn boot_id(text: &[u8]) -> (u64, u64) {
    let digits = text
        .iter()
        .filter_map(|byte| char::from(*byte).to_digit(16));
    let id = digits.fold(0u128, |id, digit| id << 4 | u128::from(digit));
    ((id >> 64) as u64, id as u64)
}

/// When this process started, in clock ticks since boot: field 22 of /proc/self/stat (proc(5)).
fn start_time() -> u64 {
    let mut text = [0; 512];
    let len = sys::read_file(c"/proc/self/stat", &mut text);
    let text = text.get(..len).unwrap_or(&[]);
    // The second field is a name in parentheses that may hold anything; count from its end.
    let Some(name_end) = text.iter().rposition(|byte| *byte == b')') else {
        return 0;
    };
    let fields = text
        .get(name_end + 1..)
        .unwrap_or(&[])
        .split(|byte| *byte == b' ');
    let field = fields
        .filter(|field| !field.is_empty())
        .nth(22 - 3)
        .unwrap_or(&[]);
    core::str::from_utf8(field)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

/// Finds out whether the program's calls reach this library at all.
fn find_bypass() -> u64 {
    let lookup = |name: &CStr| {
        // SAFETY: `name` is a C string; RTLD_DEFAULT searches as the program would.
        unsafe { sys::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) as u64 }
    };
    let object_of = |address: u64| unwind::find_object(address).map(|object| object.start);
    let ours = object_of(find_bypass as *const () as u64);
    // The one that may fail comes first; see `real::find`.
    let new = lookup(c"_Znwm");
    let malloc = lookup(c"malloc");
    if object_of(malloc) != ours {
        return bypass::OWN_MALLOC;
    }
    // Relaxed: set by `real::find` just before.
    let real = real::REAL.malloc.load(Ordering::Relaxed) as u64;
    if new != 0 && object_of(new) == object_of(real) {
        bypass::OWN_NEW
    } else {
        bypass::NONE
    }
}

/// A call of the program's has come here, so its own malloc, if it seemed to have one, is not in the
/// way: an executable at a fixed address only lends its functions' names to all.
pub fn note_call(runtime: &Runtime) {
    // Relaxed: a note by itself; the process's children learn it too.
    if BYPASS.load(Ordering::Relaxed) == bypass::OWN_MALLOC {
        BYPASS.store(bypass::NONE, Ordering::Relaxed);
        set(runtime.segment(), at::BYPASS, bypass::NONE);
    }
}

/// Has `call::end` called when the calling thread ends.
pub fn watch_thread_end(value: &thread::Thread) {
    // Relaxed: set while booting.
    if let Ok(key @ 1..) = u32::try_from(THREAD_KEY.load(Ordering::Relaxed)) {
        sys::set_thread_key(key - 1, core::ptr::from_ref(value).cast::<c_void>());
    }
}

/// The constructor: a program that never allocates has a segment too.
#[cfg(not(test))]
#[ctor::ctor(unsafe, anonymous)]
fn begin() {
    if boot() {
        start();
    }
}

/// The destructor: the program went through exit(3).
#[cfg(not(test))]
#[used]
#[unsafe(link_section = ".fini_array")]
static FINISH: extern "C" fn() = finish;

#[cfg(not(test))]
extern "C" fn finish() {
    let Some(runtime) = Runtime::running() else {
        return;
    };
    call::flush();
    clock::note(runtime);
    controller::finish(runtime);
    let words = runtime.segment();
    set(words, at::STATE_TICKS, clock::now());
    set(words, at::STATE, state::EXITED);
}
