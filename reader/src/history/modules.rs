//! Which loaded object an address belonged to, although libraries come and go at one place.
//!
//! The rule is the segment's: of all modules older than the site that cover the byte before the
//! return address, the newest.

#![forbid(unsafe_code)]

use crate::source::Module;

/// The loaded objects with an index by address.
///
/// The index is a segment tree over the ranges between all starts and ends: a module hangs at the
/// few nodes that make up its range, oldest first, and an address looks along one path. Even
/// thousands of modules that all overlap cost a lookup only some hundred steps.
#[derive(Debug, Clone, Default)]
pub struct Modules {
    /// Every module, oldest first.
    pub all: Vec<Module>,
    bounds: Vec<u64>,
    nodes: Vec<Vec<usize>>,
}

impl Modules {
    /// Indexes modules, oldest first.
    pub fn new(all: Vec<Module>) -> Modules {
        let mut bounds: Vec<u64> = all
            .iter()
            .flat_map(|module| [module.start, module.end])
            .collect();
        bounds.sort_unstable();
        bounds.dedup();
        let mut nodes = vec![Vec::new(); 2 * bounds.len()];
        for (index, module) in all.iter().enumerate() {
            let place = |bound| bounds.partition_point(|known| *known < bound) + bounds.len();
            let (mut left, mut right) = (place(module.start), place(module.end));
            while left < right {
                if left % 2 == 1 {
                    nodes[left].push(index);
                    left += 1;
                }
                if right % 2 == 1 {
                    right -= 1;
                    nodes[right].push(index);
                }
                left /= 2;
                right /= 2;
            }
        }
        Modules { all, bounds, nodes }
    }

    /// The index of the module that held the call before `return_address`, as seen by a site that
    /// knew the module rows below `generations`.
    pub fn find(&self, return_address: u64, generations: u64) -> Option<usize> {
        let address = return_address.checked_sub(1)?;
        let range = self
            .bounds
            .partition_point(|bound| *bound <= address)
            .checked_sub(1)?;
        let mut node = range + self.bounds.len();
        let mut newest = None;
        while node > 0 {
            let modules = self.nodes.get(node).map_or(&[][..], Vec::as_slice);
            let is_known = |index: &usize| self.all[*index].generation < generations;
            let known = modules.partition_point(is_known);
            newest = newest.max(modules[..known].last().copied());
            node /= 2;
        }
        newest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn modules(ranges: &[(u64, u64)]) -> Modules {
        let module = |(generation, (start, end)): (u64, &(u64, u64))| Module {
            generation,
            start: *start,
            end: *end,
            bias: 0,
            path: "".into(),
            build_id: Vec::new(),
            is_unloaded: false,
        };
        Modules::new((0..).zip(ranges).map(module).collect())
    }

    #[test]
    fn the_newest_that_the_site_knew_is_taken() {
        let modules = modules(&[(10, 20), (10, 20), (15, 30)]);
        assert_eq!(modules.find(16, 3), Some(2));
        assert_eq!(modules.find(16, 2), Some(1));
        assert_eq!(modules.find(16, 1), Some(0));
        assert_eq!(modules.find(16, 0), None);
    }

    #[test]
    fn a_call_at_the_very_end_of_a_module_belongs_to_it() {
        let modules = modules(&[(10, 20)]);
        assert_eq!(modules.find(20, 1), Some(0));
        assert_eq!(modules.find(21, 1), None);
        assert_eq!(modules.find(10, 1), None);
        assert_eq!(modules.find(0, 1), None);
    }

    proptest! {
        #[test]
        fn the_index_agrees_with_a_look_at_every_module(
            ranges in prop::collection::vec((0u64..40, 1u64..20), 0..30),
            address in 0u64..70, generations in 0u64..32,
        ) {
            let ranges: Vec<_> = ranges.iter().map(|(start, len)| (*start, start + len)).collect();
            let covers = |(start, end): &(u64, u64)| address > *start && address <= *end;
            let known = ranges.len().min(generations as usize);
            let expected = ranges[..known].iter().rposition(covers);
            prop_assert_eq!(modules(&ranges).find(address, generations), expected);
        }
    }
}
