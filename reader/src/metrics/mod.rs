//! What a Prometheus server scrapes: the figures of every process, summed by program.
//!
//! ```text
//! Session ─► Figures (one process) ─► families (all, by program) ─► exposition (text)
//!               └ Counters: only rise, and are kept when their process ends
//! ```
//!
//! Both text forms are written from one list of families. A library would bring its own registry
//! of live counters, which a reader of other processes' counters has no use for, and the classic
//! form, which `promtool check metrics` takes, would still be ours.

#![forbid(unsafe_code)]

mod counters;
mod exposition;
mod families;
mod family;
mod figures;
mod place;

pub use counters::{Counters, LIFETIME_LIMITS_SECONDS, SIZE_LIMITS_BYTES};
pub use exposition::Form;
pub use families::{Detail, Member, Own, Pushed, families};
pub use family::{Family, Kind, Sample};
pub use figures::{Figures, Grown, Kept};
pub use place::Place;
