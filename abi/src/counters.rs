//! Every counter of a segment: its place, its name, its unit and what it means.
//!
//! Readers print counters from this list, so a tool needs no change to show a new one.
#![forbid(unsafe_code)]

/// What a counter is about; decides where a report shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// How much was recorded.
    Activity,
    /// Something that happened in the program and is not in the tables or the ring.
    Loss,
    /// What memshim itself cost the program.
    Cost,
}

/// One counter of the header.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    /// Index in the header's counter words.
    pub id: usize,
    /// Stable name, as it stands in JSON and metrics.
    pub name: &'static str,
    /// What it is about.
    pub subject: Subject,
    /// One line for people: what a count of one means.
    pub meaning: &'static str,
}

macro_rules! counters {
    ($($id:ident $name:literal $subject:ident $meaning:literal;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Place { $($id),* }
        $(#[doc = $meaning] pub const $id: usize = Place::$id as usize;)*
        /// All counters, in the order of their ids.
        pub const COUNTERS: &[Counter] = &[
            $(Counter { id: $id, name: $name, subject: Subject::$subject, meaning: $meaning }),*
        ];
    };
}

counters! {
    SAMPLED "sampled_blocks" Activity "a block was sampled";
    FREED "sampled_frees" Activity "a sampled block was freed";
    REALLOCATED "sampled_reallocs" Activity "a sampled block was passed to realloc";
    EVENTS "events" Activity "an event was written to the ring";
    WALKS_COMPLETE "complete_stacks" Activity "a stack was walked down to its root";
    SITES_LOST "sites_full" Loss "a new call stack found the site table full; charged to the site `unknown`";
    SLOTS_LOST "blocks_untracked" Loss "a sampled block found the slot table full; its death will not be seen";
    UNTRACKED_BYTES "untracked_bytes" Loss "one byte, weighted, of blocks whose death will not be seen";
    MODULES_LOST "modules_full" Loss "a loaded object found the module table full; its frames have no name";
    THREADS_LOST "threads_full" Loss "a thread found the thread table full; charged to thread 0";
    EVENTS_LOST "events_lost" Loss "an event found every ring chunk in use; only history is missing";
    STACKS_TRUNCATED "stacks_truncated" Loss "a stack could not be walked to its root";
    STACKS_ELIDED "stacks_elided" Loss "a stack was deeper than the buffer; its middle frames are left out";
    STACKS_MISSING "stacks_missing" Loss "a stack could not be walked because all scratch memory was in use";
    FREES_MISSED "frees_missed" Loss "a block was found dead because its address was given out again";
    REENTRANT "reentrant_calls" Loss "an allocation made inside memshim's own work was passed through";
    STORAGE_REFUSED "storage_refused" Loss "the file system refused more room for the segment";
    SLOW_CALLS "slow_calls" Cost "a call took the slow path";
    SLOW_TICKS "slow_ticks" Cost "one clock tick spent in the slow path";
    STRAYS "lookups_in_vain" Cost "a free or realloc looked for its block, which was not sampled";
}

/// Counter words that the header holds; the list must fit.
pub const COUNTER_CAPACITY: usize = 64;

const _: () = assert!(COUNTERS.len() <= COUNTER_CAPACITY);
