//! A turn that one thread at a time takes, and for which none waits.

#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};

/// A thread that held its turn for so many ticks left it by longjmp, or is gone.
const TURN_TICKS: u64 = 1 << 34;

/// When a thread took it, ticks; 0 while none has it, which is its first value.
#[derive(Default)]
pub struct Turn(AtomicU64);

impl Turn {
    /// Does `work` unless another thread does so now.
    pub fn run(&self, now_ticks: u64, work: impl FnOnce()) {
        // Relaxed: the exchange decides.
        let taken = self.0.load(Ordering::Relaxed);
        if taken != 0 && now_ticks.saturating_sub(taken) < TURN_TICKS {
            return;
        }
        let own = now_ticks | 1;
        // Acquire pairs with the Release below: `work` sees what the last one has left.
        let won = self
            .0
            .compare_exchange(taken, own, Ordering::Acquire, Ordering::Relaxed);
        if won.is_ok() {
            work();
            // Release pairs with the Acquire above. Whoever took so long that it lost its turn
            // must not end the next one's.
            let _ = self
                .0
                .compare_exchange(own, 0, Ordering::Release, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_at_a_time_has_its_turn_and_a_lost_turn_ends() {
        let turn = Turn::default();
        let mut lost = false;
        turn.run(1_000, || {
            turn.run(2_000, || unreachable!("the first has it"));
            turn.run(1_001 + TURN_TICKS, || lost = true);
            turn.run(1_002 + TURN_TICKS, || {});
        });
        assert!(lost);
        let mut is_free = false;
        turn.run(2_002 + TURN_TICKS, || is_free = true);
        assert!(is_free);
    }
}
