//! Every publication of the segment, in every order that the memory model allows.
//!
//! Built only with `--cfg loom`; `scripts/loom` runs them and shows that each notices when an
//! ordering is weakened.
//! The arrays hold only the words that a test needs: the reader's half sees 0 past the end.
#![expect(
    clippy::single_range_in_vec_init,
    reason = "some views have one moving part"
)]

use core::ops::Range;
use std::boxed::Box;
use std::sync::Arc;
use std::vec::Vec;

use loom::thread::JoinHandle;

use crate::{AtomicU64, Words};

mod header;
mod peak;
mod ring;
mod rows;
mod slots;
mod tables;
mod timeline;

/// How many times one thread may be stopped in favour of another where it need not be.
#[derive(Clone, Copy)]
enum Switches {
    /// As often as there are places for it.
    Any,
    /// Bounded, where all of them would take minutes.
    UpTo(usize),
}

/// Runs `model` in every interleaving within `switches`, with every value that each load may
/// return in them.
fn explore(switches: Switches, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = match switches {
        Switches::Any => None,
        Switches::UpTo(most) => Some(most),
    };
    builder.max_branches = 10_000;
    builder.check(model);
}

/// Fresh words, all 0.
fn words(count: usize) -> Arc<Vec<AtomicU64>> {
    Arc::new((0..count).map(|_| AtomicU64::new(0)).collect())
}

/// A second thread of the model, with room for the copies that a reader keeps on its stack.
fn spawn<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    const STACK_WORDS: usize = 1 << 15;
    let builder = loom::thread::Builder::new().stack_size(STACK_WORDS);
    builder
        .spawn(run)
        .expect("loom has room for another thread")
}

/// A segment of which some words move and the rest stand still; only the moving ones cost loom
/// anything.
struct View {
    words: Arc<Vec<AtomicU64>>,
    moving: &'static [Range<u64>],
    still: Box<[u64]>,
}

impl View {
    fn new(words: &Arc<Vec<AtomicU64>>, moving: &'static [Range<u64>]) -> Self {
        Self {
            words: Arc::clone(words),
            moving,
            still: Box::default(),
        }
    }

    fn is_moving(&self, index: u64) -> bool {
        self.moving.iter().any(|range| range.contains(&index))
    }
}

impl Words for View {
    fn load(&self, index: u64) -> u64 {
        if self.is_moving(index) {
            self.words.load(index)
        } else {
            self.still.load(index)
        }
    }

    fn copy(&self, index: u64, into: &mut [u64]) {
        for (index, to) in (index..).zip(into.chunks_mut(1)) {
            if self.is_moving(index) {
                self.words.copy(index, to);
            } else {
                self.still.copy(index, to);
            }
        }
    }
}
