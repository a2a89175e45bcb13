//! In which order processes and call stacks stand; the first order of each is the usual one.

#![forbid(unsafe_code)]

use std::cmp::Ordering;

use crate::analysis::watch::Watched;
use crate::frontend::terminal::news::ProcessRow;

/// An order of the list of processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum ProcessOrder {
    #[default]
    Live,
    Change,
    Allocated,
    Leaks,
    Pid,
}

/// An order of the call stacks of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum SiteOrder {
    #[default]
    Live,
    Growth,
    Allocated,
    Leak,
}

impl ProcessOrder {
    /// The order after this one; after the last comes the first.
    pub(super) fn next(self) -> ProcessOrder {
        match self {
            ProcessOrder::Live => ProcessOrder::Change,
            ProcessOrder::Change => ProcessOrder::Allocated,
            ProcessOrder::Allocated => ProcessOrder::Leaks,
            ProcessOrder::Leaks => ProcessOrder::Pid,
            ProcessOrder::Pid => ProcessOrder::Live,
        }
    }

    /// Which of two processes comes first; those that are over come last.
    pub(super) fn compare(self, left: &ProcessRow, right: &ProcessRow) -> Ordering {
        let is_over = |row: &ProcessRow| !row.followed.glance.is_alive;
        let leak = |row: &ProcessRow| row.leaks.map(|leaks| leaks.bytes_per_second);
        let by_pid = left.followed.glance.pid.cmp(&right.followed.glance.pid);
        let by_figure = match self {
            ProcessOrder::Live => descending(
                Some(left.followed.glance.live.value),
                Some(right.followed.glance.live.value),
            ),
            ProcessOrder::Change => descending(
                left.followed.change_per_second,
                right.followed.change_per_second,
            ),
            ProcessOrder::Allocated => descending(
                left.followed.allocated_per_second,
                right.followed.allocated_per_second,
            ),
            ProcessOrder::Leaks => descending(leak(left), leak(right)),
            ProcessOrder::Pid => Ordering::Equal,
        };
        is_over(left)
            .cmp(&is_over(right))
            .then(by_figure)
            .then(by_pid)
    }
}

impl SiteOrder {
    /// All of them.
    pub(super) const ALL: [SiteOrder; 4] = [
        SiteOrder::Live,
        SiteOrder::Growth,
        SiteOrder::Allocated,
        SiteOrder::Leak,
    ];

    /// The order after this one; after the last comes the first.
    pub(super) fn next(self) -> SiteOrder {
        match self {
            SiteOrder::Live => SiteOrder::Growth,
            SiteOrder::Growth => SiteOrder::Allocated,
            SiteOrder::Allocated => SiteOrder::Leak,
            SiteOrder::Leak => SiteOrder::Live,
        }
    }

    /// Which of two call stacks comes first.
    pub(super) fn compare(self, left: &Watched, right: &Watched) -> Ordering {
        let by_live = descending(Some(left.live.value), Some(right.live.value));
        let growth = |site: &Watched| site.growth.map(|growth| growth.value);
        let by_figure = match self {
            SiteOrder::Live => Ordering::Equal,
            SiteOrder::Growth => descending(growth(left), growth(right)),
            SiteOrder::Allocated => {
                descending(left.allocated_per_second, right.allocated_per_second)
            }
            // Classes stand in the order in which they deserve attention.
            SiteOrder::Leak => left.verdict.cmp(&right.verdict).then(descending(
                left.leak.map(|leak| leak.value),
                right.leak.map(|leak| leak.value),
            )),
        };
        by_figure.then(by_live).then(left.site.cmp(&right.site))
    }
}

/// The larger first; what is not known comes last.
fn descending(left: Option<f64>, right: Option<f64>) -> Ordering {
    let known = |figure: Option<f64>| figure.unwrap_or(f64::NEG_INFINITY);
    known(right).total_cmp(&known(left))
}
