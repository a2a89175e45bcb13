//! Tells a webhook: the facts as JSON by POST, tried again after longer and longer pauses.

#![forbid(unsafe_code)]

use std::thread;
use std::time::{Duration, Instant};

use crate::alert::deliver::{ATTENTION, Ending};
use crate::alert::notice::Notice;

/// The pauses between tries: a minute in all, for a server that is just being restarted.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
    Duration::from_secs(32),
];

/// Posts a notice until it was taken.
///
/// # Errors
///
/// Why it was not, for people.
pub(super) fn post(
    url: &str,
    timeout: Duration,
    notice: &Notice,
    ending: &Ending,
) -> Result<(), String> {
    let body = notice.json();
    let mut pauses = PAUSES.iter();
    loop {
        let trouble = match once(url, timeout, &body) {
            Ok(()) => return Ok(()),
            Err(Failure::ForGood(trouble)) => return Err(trouble),
            Err(Failure::ForNow(trouble)) => trouble,
        };
        let Some(pause) = pauses.next() else {
            return Err(format!("{trouble}, {} times", PAUSES.len() + 1));
        };
        let end = Instant::now() + *pause;
        while Instant::now() < end {
            if ending.is_soon() {
                return Err(format!("{trouble}, and the recorder ends"));
            }
            thread::sleep(ATTENTION);
        }
    }
}

/// Why a try failed.
enum Failure {
    /// It may work later.
    ForNow(String),
    /// The server understood, and wants nothing of it.
    ForGood(String),
}

fn once(url: &str, timeout: Duration, body: &str) -> Result<(), Failure> {
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(timeout))
        // A notice may hold names of programs; it goes where the user said and nowhere else.
        .max_redirects(0)
        .proxy(None)
        .user_agent(concat!("memshim-reader/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent();
    let sent = agent
        .post(url)
        .content_type("application/json")
        .send(body.as_bytes());
    match sent {
        Ok(_) => Ok(()),
        Err(ureq::Error::StatusCode(code @ (408 | 429 | 500..))) => {
            Err(Failure::ForNow(format!("{url} answered {code}")))
        }
        Err(ureq::Error::StatusCode(code)) => {
            Err(Failure::ForGood(format!("{url} answered {code}")))
        }
        Err(error) => Err(Failure::ForNow(format!("cannot reach {url}: {error}"))),
    }
}
