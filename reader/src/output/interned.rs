//! Things that are written once and then named by their place.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::hash::Hash;

/// Distinct things in the order in which they first came.
#[derive(Debug)]
pub(super) struct Interned<T> {
    all: Vec<T>,
    places: HashMap<T, usize>,
}

impl<T> Default for Interned<T> {
    fn default() -> Interned<T> {
        Interned {
            all: Vec::new(),
            places: HashMap::new(),
        }
    }
}

impl<T: Clone + Eq + Hash> Interned<T> {
    /// The place of `thing`, counted from 0; the next one where it is new.
    pub fn place(&mut self, thing: T) -> usize {
        if let Some(place) = self.places.get(&thing) {
            return *place;
        }
        let place = self.all.len();
        self.all.push(thing.clone());
        self.places.insert(thing, place);
        place
    }

    /// All of them, each at its place.
    pub fn all(&self) -> &[T] {
        &self.all
    }
}
