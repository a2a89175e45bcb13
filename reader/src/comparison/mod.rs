//! Two profiles against each other: what changed, by how much, and whether chance explains it.
//!
//! ```text
//! segment, baseline ─► Profile (rows by call stack, as two builds have them in common)
//!                        └► matching: which row is which ─► Change ─► significance: p and verdict
//! ```
//!
//! It works on names, which addresses get after every analysis, so it stands beside the analyses
//! and not among them.

#![forbid(unsafe_code)]

mod change;
mod key;
mod matching;
mod moments;
mod profile;
mod section;
mod significance;

pub use change::{Change, Comparison, Verdict};
pub(crate) use key::module_name as build_independent_name;
pub use key::{Key, Part};
pub(crate) use matching::MERGED;
pub use moments::between;
pub use profile::{Measure, Origin, Profile, Quantity, Row};
pub use section::sections;
pub(crate) use section::{describe, place_of};
pub use significance::{Evidence, Level, are_significant, estimate, exceeds, growth};
