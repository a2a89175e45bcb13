//! The faces of the reader that stay: each owns its loop, and asks sessions for reports.

#![forbid(unsafe_code)]

pub mod http;
