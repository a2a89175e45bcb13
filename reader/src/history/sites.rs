//! The call stacks that allocate, with what each has done.

#![forbid(unsafe_code)]

use std::collections::HashMap;

use crate::history::Sum;
use crate::source::{
    self, AtPeak, Issue, Issues, Segment, UNKNOWN_SITE, size_bucket, size_bucket_start,
};

/// The place of a site in [`Sites::all`].
pub type SiteIndex = usize;

/// One site.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// Its row in the segment.
    pub row: u64,
    /// What the shim wrote.
    pub record: source::Site,
    /// Its stack, leaf first; empty where it could not be read.
    pub frames: Vec<u64>,
    /// The smallest block sampled here, as far as the slots still tell.
    pub smallest_seen_bytes: Option<u64>,
}

impl Site {
    /// Whether it stands for all stacks that found the table full.
    pub fn is_unknown(&self) -> bool {
        self.row == UNKNOWN_SITE
    }

    /// All blocks that were born here.
    pub fn born(&self) -> Sum {
        Sum::of(&self.record.born)
    }

    /// Those of them that died.
    pub fn died(&self) -> Sum {
        Sum::of(&self.record.died)
    }

    /// Those of them that live.
    pub fn live(&self) -> Sum {
        self.born().minus(&self.died())
    }

    /// What lived here at the peak of `epoch`.
    pub fn at_peak(&self, epoch: u64) -> AtPeak {
        source::at_peak(&self.record, epoch)
    }

    /// The smallest block sampled here: what its slot says, or else the least that its place in
    /// the histogram allows; `None` where nothing was sampled.
    pub fn smallest_bytes(&self) -> Option<u64> {
        let bucket = self.record.sizes.iter().position(|objects| *objects > 0)?;
        let seen = self
            .smallest_seen_bytes
            .filter(|bytes| size_bucket(*bytes) == bucket);
        Some(seen.unwrap_or_else(|| size_bucket_start(bucket)).max(1))
    }
}

/// All sites, in the order of their rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sites {
    /// One entry a site.
    pub all: Vec<Site>,
}

impl Sites {
    /// Reads every site; the row for stacks without one is left out while nothing needed it.
    ///
    /// `smallest` has the smallest block of each row that still has slots. Totals that contradict
    /// each other are an issue only where `is_final`: nobody writes them any more.
    pub(crate) fn of(
        segment: &Segment,
        smallest: &HashMap<u64, u64>,
        is_final: bool,
        issues: &mut Issues,
    ) -> Sites {
        let mut all = Vec::new();
        for (row, record) in segment.sites() {
            if row == UNKNOWN_SITE && record.born.raw_objects == 0 {
                continue;
            }
            let frames = segment.frames(&record);
            issues.add(Issue::FramesOutside, u64::from(frames.is_none()));
            let (born, died) = (&record.born, &record.died);
            let is_backwards = died.objects > born.objects || died.bytes > born.bytes;
            issues.add(Issue::TotalsBackwards, u64::from(is_final && is_backwards));
            all.push(Site {
                row,
                record,
                frames: frames.unwrap_or_default(),
                smallest_seen_bytes: smallest.get(&row).copied(),
            });
        }
        Sites { all }
    }

    /// The site of a row.
    pub fn index_of_row(&self, row: u64) -> Option<SiteIndex> {
        // Rows without gaps stand at their own number.
        let likely = usize::try_from(row).ok()?;
        if self.all.get(likely).is_some_and(|site| site.row == row) {
            return Some(likely);
        }
        self.all.binary_search_by_key(&row, |site| site.row).ok()
    }
}
