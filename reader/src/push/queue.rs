//! What waits to be pushed: bounded, the oldest goes first, also when there is no room.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The most that waits, bytes: hours of a few programs, and no burden for the server.
const BYTES_MAX: usize = 16 << 20;

/// The shortest and the longest pause after a failure.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// One profile that is ready to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Where to, with name, labels and time.
    pub address: String,
    /// The form.
    pub body: Vec<u8>,
}

/// Parcels that wait, and since when the server takes none.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: VecDeque<Parcel>,
    bytes: usize,
    /// The pause that follows the next failure.
    pause: Option<Duration>,
    not_before: Option<Instant>,
}

impl Queue {
    /// Adds a parcel; gives how many older ones had to go for it.
    pub fn add(&mut self, parcel: Parcel) -> u64 {
        self.bytes += parcel.body.len();
        self.waiting.push_back(parcel);
        let mut dropped = 0;
        while self.bytes > BYTES_MAX && self.take().is_some() {
            dropped += 1;
        }
        dropped
    }

    /// The next one, if it may be tried by now.
    pub fn next(&self, now: Instant) -> Option<&Parcel> {
        let is_paused = self.not_before.is_some_and(|not_before| now < not_before);
        self.waiting.front().filter(|_| !is_paused)
    }

    /// When the next try is; `None` where nothing waits or it may be at once.
    pub fn not_before(&self) -> Option<Instant> {
        self.not_before.filter(|_| !self.waiting.is_empty())
    }

    /// The first one is done with, one way or the other, and the server answers.
    pub fn done(&mut self) {
        self.take();
        (self.pause, self.not_before) = (None, None);
    }

    /// The server did not take the first one; the next try is after a pause that doubles.
    pub fn failed(&mut self, now: Instant) {
        let (shortest, longest) = PAUSES;
        let pause = self.pause.unwrap_or(shortest);
        self.not_before = Some(now + pause);
        self.pause = Some((pause * 2).min(longest));
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn take(&mut self) -> Option<Parcel> {
        let parcel = self.waiting.pop_front()?;
        self.bytes -= parcel.body.len();
        Some(parcel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel(bytes: usize) -> Parcel {
        Parcel {
            address: String::new(),
            body: vec![0; bytes],
        }
    }

    #[test]
    fn what_has_no_room_is_the_oldest() {
        let mut queue = Queue::default();
        assert_eq!(queue.add(parcel(BYTES_MAX / 2)), 0);
        assert_eq!(queue.add(parcel(BYTES_MAX / 2)), 0);
        assert_eq!(queue.add(parcel(1)), 1);
        assert_eq!(queue.bytes(), BYTES_MAX / 2 + 1);
        // One that is too large by itself is not kept either.
        assert_eq!(queue.add(parcel(BYTES_MAX + 1)), 3);
        assert_eq!(queue.bytes(), 0);
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_end_with_success() {
        let mut queue = Queue::default();
        queue.add(parcel(1));
        queue.add(parcel(1));
        let now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            queue.failed(now);
            assert_eq!(queue.next(now), None);
            let not_before = queue.not_before().expect("it failed");
            assert!(queue.next(not_before).is_some());
            pauses.push((not_before - now).as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        queue.done();
        assert!(queue.next(now).is_some());
    }
}
