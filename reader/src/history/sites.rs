//! The call stacks that allocate, with what each has done.

#![forbid(unsafe_code)]

mod twins;

#[cfg(doc)]
use crate::history::History;
use crate::history::blocks::Slots;
use crate::history::{Counts, Modules, Sum};
use crate::source::{
    self, AtPeak, Issue, Issues, Segment, StackIdentity, Totals, UNKNOWN_SITE, size_bucket,
    size_bucket_start,
};

/// The place of a site in [`Sites::all`].
pub type SiteIndex = usize;

/// One site: everything that was allocated by one call stack.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Site {
    /// Its row in the segment; the first of them where it has several.
    pub row: u64,
    /// What its stack is.
    pub identity: StackIdentity,
    /// The latest birth, ticks.
    pub last_ticks: u64,
    /// Blocks that were passed to realloc, raw.
    pub reallocs: u64,
    /// Deaths on another thread than the birth, raw.
    pub foreign_deaths: u64,
    /// Blocks born by size bucket, in 1/1024.
    pub sizes: Counts,
    /// Blocks died by lifetime bucket, in 1/1024.
    pub lifetimes: Counts,
    /// The smallest block sampled here, as far as the slots still tell.
    pub smallest_seen_bytes: Option<u64>,
    /// Bytes that garbage collections had left alive at each of [`History::moments`]; none where
    /// blocks are freed one by one.
    pub moments: Vec<u64>,
    born: Totals,
    died: Totals,
    at_peak: Balance,
    /// Where its stack begins among all frames; empty where it could not be read.
    frames: (usize, u16),
}

/// What is live of one row: below nothing where blocks of its twins died in it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Balance {
    objects: i64,
    bytes: i64,
    objects_variance: f64,
    bytes_variance: f64,
}

impl Site {
    fn of(row: u64, record: &source::Site, smallest_seen_bytes: Option<u64>) -> Site {
        Site {
            row,
            identity: record.identity,
            last_ticks: record.last_ticks,
            reallocs: record.reallocs,
            foreign_deaths: record.foreign_deaths,
            sizes: Counts::of(&record.sizes),
            lifetimes: Counts::of(&record.lifetimes),
            smallest_seen_bytes,
            moments: Vec::new(),
            born: record.born,
            died: record.died,
            at_peak: Balance::default(),
            frames: (0, 0),
        }
    }

    /// Whether it stands for all stacks that found the table full.
    pub fn is_unknown(&self) -> bool {
        self.row == UNKNOWN_SITE
    }

    /// Whether the middle of its stack is left out.
    pub fn is_elided(&self) -> bool {
        source::is_elided(&self.identity)
    }

    /// Whether the walk of its stack ended before the root.
    pub fn is_truncated(&self) -> bool {
        source::is_truncated(&self.identity)
    }

    /// All blocks that were born here.
    pub fn born(&self) -> Sum {
        Sum::of(&self.born)
    }

    /// Those of them that died.
    pub fn died(&self) -> Sum {
        Sum::of(&self.died)
    }

    /// Those of them that live.
    pub fn live(&self) -> Sum {
        self.born().minus(&self.died())
    }

    /// What lived here at the peak of the process; how much of it was seen is not kept.
    pub fn at_peak(&self) -> Sum {
        Sum {
            object_parts: u64::try_from(self.at_peak.objects).unwrap_or(0).into(),
            bytes: u64::try_from(self.at_peak.bytes).unwrap_or(0).into(),
            objects_variance: self.at_peak.objects_variance.max(0.0),
            bytes_variance: self.at_peak.bytes_variance.max(0.0),
            ..Sum::default()
        }
    }

    /// Gives it other totals, and forgets what lived here at the peak.
    pub(super) fn set_totals(&mut self, born: Totals, died: Totals) {
        self.born = born;
        self.died = died;
        self.at_peak = Balance::default();
    }

    /// The smallest block sampled here: what its slot says, or else the least that its place in
    /// the histogram allows; `None` where nothing was sampled.
    pub fn smallest_bytes(&self) -> Option<u64> {
        let bucket = self.sizes.first()?;
        let seen = self
            .smallest_seen_bytes
            .filter(|bytes| size_bucket(*bytes) == bucket);
        Some(seen.unwrap_or_else(|| size_bucket_start(bucket)).max(1))
    }

    /// Notes what lived here at the peak of `epoch`: what the row kept then, or, where it has not
    /// changed since, what lives in it now.
    ///
    /// All differences are signed, since a row alone may have seen more die than be born.
    fn settle_peak(&mut self, kept: &AtPeak, epoch: u64) {
        let (born, died) = (&self.born, &self.died);
        self.at_peak = match kept.epoch == epoch {
            true => Balance {
                objects: kept.objects,
                bytes: kept.bytes,
                objects_variance: kept.objects_variance,
                bytes_variance: kept.bytes_variance,
            },
            false => Balance {
                objects: born.objects.wrapping_sub(died.objects) as i64,
                bytes: born.bytes.wrapping_sub(died.bytes) as i64,
                objects_variance: born.objects_variance - died.objects_variance,
                bytes_variance: born.bytes_variance - died.bytes_variance,
            },
        };
    }
}

/// All sites, in the order of their rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sites {
    /// One entry a call stack.
    pub all: Vec<Site>,
    /// The stacks, one after the other.
    frames: Vec<u64>,
    /// The place of the site of every row, in the order of the rows.
    places: Vec<(u64, SiteIndex)>,
}

impl Sites {
    /// Reads every site; the row for stacks without one is left out while nothing needed it.
    ///
    /// `slots` were read before, so that their sites are here even while the program goes on.
    pub(crate) fn of(segment: &Segment, slots: &Slots, issues: &mut Issues) -> Sites {
        let (mut all, mut kept) = (Vec::new(), Vec::new());
        let moments = segment.go_moments().map(|moments| moments.len());
        for (row, record) in segment.sites() {
            if row == UNKNOWN_SITE && record.born.raw_objects == 0 {
                continue;
            }
            let mut site = Site::of(row, &record, slots.smallest_bytes(row));
            if let Some(moments) = moments {
                // Such a segment has these where others have lifetimes.
                let values = record.lifetimes.get(..moments);
                site.moments = values.unwrap_or_default().to_vec();
                site.lifetimes = Counts::default();
            }
            all.push(site);
            kept.push(record.at_peak);
        }
        // Read after the rows: one that kept nothing for this peak has not changed since.
        let epoch = segment.peak().epoch;
        for (site, kept) in all.iter_mut().zip(&kept) {
            site.settle_peak(kept, epoch);
        }
        let frames = stacks(segment, &mut all, issues);
        let places = (0..).zip(&all).map(|(index, site)| (site.row, index));
        Sites {
            places: places.collect(),
            all,
            frames,
        }
    }

    /// Makes one site of the rows that stand for one stack.
    ///
    /// Totals that contradict each other are an issue only where `is_final`: nobody writes them
    /// any more.
    pub(crate) fn merge_twins(&mut self, modules: &Modules, is_final: bool, issues: &mut Issues) {
        let leaders = twins::leaders(self, modules);
        twins::merge(&mut self.all, &mut self.places, &leaders);
        for site in self.all.iter().filter(|_| is_final) {
            let (born, died) = (&site.born, &site.died);
            let is_backwards = died.objects > born.objects || died.bytes > born.bytes;
            issues.add(Issue::TotalsBackwards, u64::from(is_backwards));
        }
    }

    /// The return addresses of a site, leaf first; empty where they could not be read.
    pub fn frames(&self, site: &Site) -> &[u64] {
        let (start, depth) = site.frames;
        let rest = self.frames.get(start..).unwrap_or_default();
        rest.get(..usize::from(depth)).unwrap_or_default()
    }

    /// The site of a row.
    pub fn index_of_row(&self, row: u64) -> Option<SiteIndex> {
        // Rows without gaps stand as far from the first as their numbers are.
        let (first, _) = self.places.first()?;
        let likely = usize::try_from(row.checked_sub(*first)?);
        let likely = likely.ok().and_then(|likely| self.places.get(likely));
        if let Some((_, place)) = likely.filter(|(known, _)| *known == row) {
            return Some(*place);
        }
        let found = self.places.binary_search_by_key(&row, |(known, _)| *known);
        found.ok().map(|at| self.places[at].1)
    }
}

/// Reads the stacks of all sites, and notes those that do not exist.
fn stacks(segment: &Segment, sites: &mut [Site], issues: &mut Issues) -> Vec<u64> {
    let mut frames = Vec::new();
    for site in sites {
        let start = frames.len();
        let is_read = segment.append_frames(&site.identity, &mut frames);
        issues.add(Issue::FramesOutside, u64::from(!is_read));
        let depth = u16::try_from(frames.len() - start);
        site.frames = (start, depth.unwrap_or(0));
    }
    frames
}
