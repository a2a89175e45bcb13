//! The half of memshim that stands outside the profiled program and answers questions about it.
//!
//! An analysis fills a [`report::Report`]; [`symbols`] gives its frames names; an
//! [`output::Output`] draws it:
//!
//! ```
//! use memshim_reader::output::{self, Options};
//! use memshim_reader::report::{Fact, Report, Value};
//!
//! let mut report = Report::new("summary");
//! report.target.push(Fact::new("pid", "pid", Value::Id(42)));
//! let json = output::find("json").expect("json is always there");
//! let mut bytes = Vec::new();
//! json.write(&report, &Options::default(), &mut bytes)?;
//! assert!(bytes.starts_with(b"{"));
//! # Ok::<(), std::io::Error>(())
//! ```

// Not forbidden, since `source` and `run` ask the kernel for what std lacks; each of their files
// that does so says it.
#![deny(unsafe_code)]

pub mod alert;
pub mod analysis;
pub mod baseline;
pub mod check;
pub mod clean;
pub mod cli;
pub mod comparison;
pub mod diff;
pub mod digest;
pub mod error;
pub mod event;
pub mod frontend;
pub mod history;
pub mod list;
pub mod metrics;
pub mod moment;
pub mod output;
pub mod push;
pub mod quantity;
pub mod record;
pub mod recording;
pub mod report;
pub mod run;
pub mod series;
pub mod serve;
pub mod session;
pub mod source;
pub mod statistics;
pub mod symbols;
