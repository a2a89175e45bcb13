//! Answers over HTTP/1.1, on one thread: metrics, profiles, reports and pages.
//!
//! ```text
//! connection ─► server (limits, time) ─► guard (Host, token) ─► route (path) ─► answer
//!                                                                  desk ◄──────────┘
//! ```

#![forbid(unsafe_code)]

mod answer;
mod guard;
mod pages;
mod profile;
mod query;
mod reply;
mod route;
mod server;
mod silent;

pub use guard::Guard;
pub use server::run;
