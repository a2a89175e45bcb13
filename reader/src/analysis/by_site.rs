//! The blocks of each site, found without a search of all blocks for every site.

#![forbid(unsafe_code)]

use crate::history::SiteIndex;

/// The places of the elements of a list, sorted by site: 4 bytes an element, 4 a site.
pub(crate) struct BySite {
    places: Vec<u32>,
    /// Where the places of each site begin, and where those of the last end.
    starts: Vec<u32>,
}

impl BySite {
    /// Sorts elements of whom `sites` gives the sites in order, all below `site_count`.
    pub(crate) fn new(site_count: usize, sites: impl Iterator<Item = SiteIndex> + Clone) -> BySite {
        let mut starts = vec![0u32; site_count + 1];
        for site in sites.clone() {
            starts[site + 1] += 1;
        }
        for site in 0..site_count {
            starts[site + 1] += starts[site];
        }
        let mut next = starts.clone();
        let mut places = vec![0; starts[site_count] as usize];
        for (place, site) in (0..).zip(sites) {
            places[next[site] as usize] = place;
            next[site] += 1;
        }
        BySite { places, starts }
    }

    /// The places of one site's elements, in order.
    pub(crate) fn of(&self, site: SiteIndex) -> impl Iterator<Item = usize> {
        let range = self.starts[site] as usize..self.starts[site + 1] as usize;
        self.places[range].iter().map(|place| *place as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_found_under_its_site_and_in_order() {
        let sites = [2, 0, 2, 3, 2];
        let by_site = BySite::new(5, sites.iter().copied());
        let found = |site| by_site.of(site).collect::<Vec<_>>();
        assert_eq!(
            [0, 1, 2, 3, 4].map(found),
            [vec![1], vec![], vec![0, 2, 4], vec![3], vec![]]
        );
    }
}
