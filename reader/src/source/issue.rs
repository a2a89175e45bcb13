//! What was found wrong in a segment while the rest of it was read.

#![forbid(unsafe_code)]

macro_rules! issues {
    ($($issue:ident $name:literal $meaning:literal;)*) => {
        /// One way in which a segment can contradict itself.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Issue {
            $(#[doc = $meaning] $issue),*
        }

        impl Issue {
            /// All of them, in the order in which reports list them.
            pub const ALL: &[Issue] = &[$(Issue::$issue),*];

            /// The stable name, as it stands in JSON.
            pub fn name(self) -> &'static str {
                match self { $(Issue::$issue => $name),* }
            }

            /// One line for people: what one of it means.
            pub fn meaning(self) -> &'static str {
                match self { $(Issue::$issue => $meaning),* }
            }
        }
    };
}

issues! {
    SlotTorn "slots_unreadable" "a sampled block was being rewritten or makes no sense";
    BlockWithoutSite "blocks_without_site" "a live block names a site that does not exist";
    FramesOutside "stacks_unreadable" "a site names frames that do not exist";
    TotalsBackwards "totals_backwards" "a site where more died than was born";
    ModuleBackwards "modules_unreadable" "a loaded object ends before it starts";
    RowsTooMany "rows_left_out" "a row beyond what any program needs was left out";
    TextOutside "texts_unreadable" "a path or command line that does not exist is named";
    EventUnknown "events_unreadable" "an event of an unknown kind";
    TimelineTorn "timeline_unreadable" "the heap over time was thinned while it was read; a part of it is missing";
}

/// How often each issue was met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Issues {
    counts: [u64; Issue::ALL.len()],
}

impl Issues {
    /// Notes `count` more of `issue`.
    pub fn add(&mut self, issue: Issue, count: u64) {
        let total = &mut self.counts[issue as usize];
        *total = total.saturating_add(count);
    }

    /// How often `issue` was met.
    pub fn count(&self, issue: Issue) -> u64 {
        self.counts[issue as usize]
    }
}
