//! Loaded objects: without them the addresses of a dead process mean nothing.
//!
//! ```text
//!   0 state: 1 loaded, 2 unloaded; stored with Release after the rest
//!   1 start address   2 end address   3 load bias   4 seen loaded, ticks   5 seen unloaded, ticks
//!   6 path (strings)  7 build-id length, bytes   8 build-id (4 words)   12.. 0
//! ```
//!
//! A row's number is the module's generation.
//! A site knows how many rows there were when it was made: of all rows below that number that
//! cover an address, the newest is the one the address belongs to, although libraries may have
//! come and gone at the same place.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use crate::region::RegionShape;
use crate::sync::AtomicU64;
use crate::words::Words;

/// Words in a row.
pub const MODULE_WORDS: usize = 16;

/// The longest build-id kept, in bytes; linkers write 20 or fewer.
pub const BUILD_ID_BYTES_MAX: usize = 32;

/// Values of a row's state word.
pub mod state {
    /// In memory when last heard of.
    pub const LOADED: u64 = 1;
    /// Gone; its addresses may belong to another by now.
    pub const UNLOADED: u64 = 2;
}

/// One loaded object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Module {
    /// One of [`state`].
    pub state: u64,
    /// First address.
    pub start: u64,
    /// One past the last address.
    pub end: u64,
    /// What was added to the addresses in the file.
    pub bias: u64,
    /// When it was first seen, ticks.
    pub loaded_ticks: u64,
    /// When it was found gone, ticks; 0 while loaded.
    pub unloaded_ticks: u64,
    /// Its path, named in the strings region.
    pub path: u64,
    /// Bytes of `build_id` that count.
    pub build_id_len: u64,
    /// The GNU build-id, zero-padded.
    pub build_id: [u8; BUILD_ID_BYTES_MAX],
}

/// The writer's half: fills a fresh row and publishes it.
pub fn publish(row: &[AtomicU64], module: &Module) {
    let values = [
        module.start,
        module.end,
        module.bias,
        module.loaded_ticks,
        module.unloaded_ticks,
        module.path,
        module.build_id_len,
    ];
    for (word, value) in row.get(1..).unwrap_or(&[]).iter().zip(values) {
        // Relaxed: published by the state below.
        word.store(value, Ordering::Relaxed);
    }
    crate::strings::store_bytes(row.get(8..12).unwrap_or(&[]), &module.build_id);
    if let Some(state) = row.first() {
        // Release pairs with the Acquire in `read`.
        state.store(module.state, Ordering::Release);
    }
}

/// The writer's half: notes that the object of a row is gone.
pub fn retire(row: &[AtomicU64], now_ticks: u64) {
    if let [state, _, _, _, _, unloaded, ..] = row {
        // Relaxed: published by the state below.
        unloaded.store(now_ticks, Ordering::Relaxed);
        // Release pairs with the Acquire in `read`.
        state.store(self::state::UNLOADED, Ordering::Release);
    }
}

/// The reader's half: the module of a row, `None` while it is not published.
pub fn read<W: Words + ?Sized>(words: &W, region: RegionShape, row: u64) -> Option<Module> {
    let first = region.row(row);
    // Acquire (in `load`) pairs with the Release in `publish`.
    let state = words.load(first);
    if state == 0 {
        return None;
    }
    let mut copy = [0; MODULE_WORDS];
    words.copy(first, &mut copy);
    let [
        _,
        start,
        end,
        bias,
        loaded_ticks,
        unloaded_ticks,
        path,
        build_id_len,
        id @ ..,
    ] = copy;
    let mut build_id = [0; BUILD_ID_BYTES_MAX];
    for (part, word) in build_id.chunks_mut(8).zip(id) {
        part.copy_from_slice(&word.to_le_bytes());
    }
    let build_id_len = build_id_len.min(BUILD_ID_BYTES_MAX as u64);
    // `retire` stores the time first, so the time may be there before the state is.
    let unloaded_ticks = if state == self::state::UNLOADED {
        unloaded_ticks
    } else {
        0
    };
    Some(Module {
        state,
        start,
        end,
        bias,
        loaded_ticks,
        unloaded_ticks,
        path,
        build_id_len,
        build_id,
    })
}
