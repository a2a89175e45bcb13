//! Connections on which nothing is being answered, which must not keep those out who want to ask.

#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use tokio::sync::Notify;

/// What is known of a connection that was accepted.
pub(super) struct Seat {
    /// Whether a request is being answered.
    pub(super) is_busy: Rc<Cell<bool>>,
    /// Tells it to end.
    pub(super) end: Rc<Notify>,
}

/// A seat as those see it who do not sit on it: whether it is busy, and how to end it.
type Entered = (Weak<Cell<bool>>, Weak<Notify>);

/// Every connection, the oldest first.
#[derive(Default)]
pub(super) struct Silent {
    entered: RefCell<VecDeque<Entered>>,
}

impl Silent {
    /// Notes one more connection.
    pub(super) fn enter(&self) -> Seat {
        let seat = Seat {
            is_busy: Rc::default(),
            end: Rc::default(),
        };
        let mut entered = self.entered.borrow_mut();
        entered.retain(|(is_busy, _)| is_busy.strong_count() > 0);
        entered.push_back((Rc::downgrade(&seat.is_busy), Rc::downgrade(&seat.end)));
        seat
    }

    /// Ends the oldest connection on which nothing is being answered, if there is one.
    pub(super) fn end_oldest(&self) {
        let mut entered = self.entered.borrow_mut();
        let is_silent = |is_busy: &Weak<Cell<bool>>| is_busy.upgrade().is_some_and(|it| !it.get());
        let place = entered.iter().position(|(is_busy, _)| is_silent(is_busy));
        let (_, end) = place
            .and_then(|place| entered.remove(place))
            .unwrap_or_default();
        if let Some(end) = end.upgrade() {
            end.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the seats was told to end.
    fn ended(seats: &[&Seat]) -> Vec<bool> {
        let is_told = |seat: &&Seat| {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let told = std::pin::pin!(seat.end.notified());
            Future::poll(told, &mut context).is_ready()
        };
        seats.iter().map(is_told).collect()
    }

    #[test]
    fn the_oldest_that_waits_for_no_answer_gives_its_place() {
        let silent = Silent::default();
        let [first, second, third] = [(); 3].map(|()| silent.enter());
        first.is_busy.set(true);
        silent.end_oldest();
        assert_eq!(ended(&[&first, &second, &third]), [false, true, false]);
        drop(second);
        silent.end_oldest();
        assert_eq!(ended(&[&first, &third]), [false, true]);
        first.is_busy.set(false);
        silent.end_oldest();
        assert_eq!(ended(&[&first, &third]), [true, false]);
    }

    #[test]
    fn where_all_wait_for_answers_nobody_is_ended() {
        let silent = Silent::default();
        let seat = silent.enter();
        seat.is_busy.set(true);
        silent.end_oldest();
        assert_eq!(ended(&[&seat]), [false]);
    }
}
