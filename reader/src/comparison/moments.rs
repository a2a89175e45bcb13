//! Two moments of one process, of which most blocks of the second were there at the first.
//!
//! A block that lived at both moments is in both samples or in neither. The difference of the two
//! estimates would count its weight's uncertainty twice although it changed nothing, so the change
//! is what came since less what has gone since, two disjoint samples.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use crate::comparison::profile::Sums;
use crate::comparison::{Comparison, Key, Profile, Quantity};
use crate::history::{Block, Sum};
use crate::session::{Request, Session};

/// Compares two segments, or copies of one, that one process wrote at different times.
pub fn between(before: &mut Session, after: &mut Session, request: &Request) -> Comparison {
    let stayed = born_until(after, before.history().now_ticks(), request);
    let before = Profile::of(before, request);
    let after = Profile::of(after, request);
    Comparison::of_moments(&before, &after, &stayed)
}

/// What lives of the blocks that were born until a moment, by call stack.
fn born_until(
    session: &mut Session,
    ticks: u64,
    request: &Request,
) -> BTreeMap<Key, [Quantity; 6]> {
    let named = session.named_sites(request);
    let history = session.history();
    let mut sums = vec![Sum::default(); history.sites.all.len()];
    for block in history
        .blocks
        .iter()
        .filter(|block| block.birth_ticks <= ticks)
    {
        let sum = &mut sums[block.site()];
        *sum = sum.plus(&sum_of(block));
    }
    let mut stayed: BTreeMap<Key, Sums> = BTreeMap::new();
    for (index, stack) in named {
        let sum = stayed.entry(Key::of(&stack)).or_default();
        sum.live = sum.live.plus(&sums[index]);
    }
    stayed
        .into_iter()
        .map(|(key, sums)| (key, sums.figures()))
        .collect()
}

/// What one sampled block stands for.
fn sum_of(block: &Block) -> Sum {
    let weight = block.weight();
    Sum {
        object_parts: weight.objects.into(),
        bytes: weight.bytes.into(),
        raw_objects: 1,
        raw_bytes: block.size_bytes.into(),
        objects_variance: weight.objects_variance,
        bytes_variance: weight.bytes_variance,
    }
}
