//! Tells the segment which objects are loaded, as stacks run into them, and which are gone.

use core::ffi::CStr;
use core::sync::atomic::Ordering;

use memshim_abi::modules::{self, BUILD_ID_BYTES_MAX, Module, state};
use memshim_abi::region::{Region, Table};
use memshim_abi::{counters, strings};

use crate::elf;
use crate::runtime::Runtime;
use crate::unwind::{self, Object};
use crate::{clock, private, segment, stack, sys};

/// Entries of the cache from an object's start to its row.
pub const CACHE: usize = 1024;

/// Makes sure that an object which a stack ran into has a row.
pub fn seen(runtime: &'static Runtime, object: &Object, now: u64) {
    let Some(table) = runtime.table(Region::Modules) else {
        return;
    };
    let cached = private::module_cache().get((object.start >> 12) as usize % CACHE);
    // Relaxed: the row it names is checked.
    let hint = cached.map_or(0, |row| row.load(Ordering::Relaxed));
    if hint
        .checked_sub(1)
        .is_some_and(|row| is_loaded_at(&table, u64::from(row), object.start))
    {
        return;
    }
    let known = (0..table.used())
        .rev()
        .find(|row| is_loaded_at(&table, *row, object.start));
    let row = known.or_else(|| record(runtime, &table, object, now));
    match (row, cached) {
        (Some(row), Some(cached)) => cached.store(row as u32 + 1, Ordering::Relaxed),
        _ => runtime.count(counters::MODULES_LOST, 1),
    }
}

fn is_loaded_at(table: &Table<'_>, row: u64, start: u64) -> bool {
    let Some([state, first, ..]) = table.row(row) else {
        return false;
    };
    // Acquire pairs with the Release in `modules::publish`.
    state.load(Ordering::Acquire) == self::state::LOADED && first.load(Ordering::Relaxed) == start
}

fn record(runtime: &'static Runtime, table: &Table<'_>, object: &Object, now: u64) -> Option<u64> {
    let row = runtime.claim(Region::Modules, 1)?;
    let mut build_id = [0; BUILD_ID_BYTES_MAX];
    let build_id_len = elf::build_id(object, &mut build_id);
    let module = Module {
        state: state::LOADED,
        start: object.start,
        end: object.end,
        bias: object.bias,
        loaded_ticks: now,
        unloaded_ticks: 0,
        path: name(runtime, object),
        build_id_len: build_id_len as u64,
        build_id,
    };
    modules::publish(table.row(row)?, &module);
    Some(row)
}

/// The object's path as a string of the segment; the loader's name is empty for the program.
fn name(runtime: &'static Runtime, object: &Object) -> u64 {
    let name = if object.name.is_null() {
        b""
    } else {
        // SAFETY: the loader keeps an object's name while it is loaded, and a stack runs
        // through it right now.
        unsafe { CStr::from_ptr(object.name) }.to_bytes()
    };
    if name.is_empty() {
        // Relaxed: stored at the start.
        let place = memshim_abi::header::at::EXECUTABLE;
        return runtime
            .header(place)
            .map_or(0, |word| word.load(Ordering::Relaxed));
    }
    let is_relative = name.contains(&b'/') && !name.starts_with(b"/");
    if !is_relative {
        return keep(runtime, name);
    }
    let mut path = crate::path::Path::new();
    let mut directory = [0; 256];
    let len = sys::current_dir(&mut directory);
    path.push(directory.get(..len).unwrap_or(&[]))
        .push(b"/")
        .push(name);
    keep(runtime, path.as_c_str().to_bytes())
}

/// Keeps a string in the segment; gives the word that names it.
pub fn keep(runtime: &'static Runtime, bytes: &[u8]) -> u64 {
    runtime.table(Region::Strings).map_or(0, |table| {
        strings::append(&table, bytes, |needed| {
            segment::grow(runtime, Region::Strings, needed)
        })
    })
}

/// After dlclose: closes the rows of objects that are gone and forgets what was known of them.
pub fn after_unload() {
    let Some(runtime) = Runtime::running() else {
        return;
    };
    let Some(table) = runtime.table(Region::Modules) else {
        return;
    };
    let mut has_gone = false;
    for row in (0..table.used()).filter_map(|row| table.row(row)) {
        let [state, start, end, ..] = row else {
            continue;
        };
        // Acquire pairs with the Release in `modules::publish`.
        if state.load(Ordering::Acquire) != self::state::LOADED {
            continue;
        }
        // Relaxed: published by the state.
        let (start, end) = (start.load(Ordering::Relaxed), end.load(Ordering::Relaxed));
        if unwind::find_object(start).is_some_and(|object| object.start == start) {
            continue;
        }
        modules::retire(row, clock::now());
        stack::forget(runtime, start, end);
        has_gone = true;
    }
    if has_gone {
        unwind::forget_rules();
    }
}
