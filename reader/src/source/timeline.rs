//! How much was live when, as the shim noted it.

#![forbid(unsafe_code)]

use memshim_abi::region::Region;
use memshim_abi::timeline;

use crate::source::{Issue, Issues, Segment};

pub use memshim_abi::timeline::Point;

impl Segment {
    /// What was live at each of up to [`timeline::POINTS_MAX`] moments, the earliest first.
    pub fn timeline(&self, issues: &mut Issues) -> Vec<Point> {
        let region = self.header().region(Region::Timeline);
        // Tells a file at rest how far it may be read ahead.
        self.words().next_data(region.row(0));
        let mut points = Vec::new();
        let is_whole = timeline::read(self.words(), region, |point| points.push(point));
        issues.add(Issue::TimelineTorn, u64::from(!is_whole));
        points
    }
}
