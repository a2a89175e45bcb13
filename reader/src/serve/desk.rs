//! The one thread that reads segments, and the way to ask it.
//!
//! Names of code must stay in the thread that made them, and reading is work for a processor
//! rather than waiting: so questions stand in a bounded queue, and whoever finds it full is told.

#![forbid(unsafe_code)]

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use tokio::sync::oneshot;

use crate::serve::Processes;

/// Questions that may wait.
const WAITING_MAX: usize = 32;

type Job = Box<dyn FnOnce(&mut Processes) + Send>;

/// Why a question got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Too many questions wait.
    Busy,
    /// The thread has ended.
    Gone,
}

/// Takes questions for the reading thread.
#[derive(Clone)]
pub struct Desk {
    jobs: SyncSender<Job>,
}

impl Desk {
    /// Starts the thread, which ends with the last desk; `open` runs in it.
    pub fn start(open: impl FnOnce() -> Processes + Send + 'static) -> Desk {
        let (jobs, waiting) = sync_channel(WAITING_MAX);
        thread::spawn(move || work(open(), waiting));
        Desk { jobs }
    }

    /// Asks something and waits for the answer.
    ///
    /// # Errors
    ///
    /// [`Refusal::Busy`] when too many questions wait, [`Refusal::Gone`] when the thread has ended.
    pub async fn ask<A: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Processes) -> A + Send + 'static,
    ) -> Result<A, Refusal> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |processes| {
            // Nobody waits any more where the connection was closed.
            if !answer.is_closed() {
                drop(answer.send(question(processes)));
            }
        });
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Refusal::Busy,
            TrySendError::Disconnected(_) => Refusal::Gone,
        })?;
        answered.await.map_err(|_| Refusal::Gone)
    }

    /// Asks something from a thread that may wait.
    ///
    /// # Errors
    ///
    /// As [`Desk::ask`].
    pub fn wait_for<A: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Processes) -> A + Send + 'static,
    ) -> Result<A, Refusal> {
        let (answer, answered) = sync_channel(1);
        let job: Job = Box::new(move |processes| drop(answer.send(question(processes))));
        self.jobs.send(job).map_err(|_| Refusal::Gone)?;
        answered.recv().map_err(|_| Refusal::Gone)
    }
}

fn work(mut processes: Processes, waiting: Receiver<Job>) {
    for job in waiting {
        job(&mut processes);
    }
}
