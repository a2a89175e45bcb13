//! The sections that exports draw, as plain numbers by the names of their columns.
//!
//! The formats of viewers have no place for what is unknown or for an interval. What is unknown
//! counts as nothing here, and of an estimate only the best single figure is taken.

#![forbid(unsafe_code)]

mod blocks;
mod curve;
mod process;
mod sites;

use crate::report::{Fact, Table, Value};

pub(super) use blocks::{Block, blocks, has_blocks};
pub(super) use curve::{Point, curve};
pub(super) use process::Process;
pub(super) use sites::{Amount, Site, has_sites, sites};

/// The largest number from which on not every whole one is a float, and far beyond all real ones.
const LARGEST: f64 = (1u64 << 53) as f64;

/// A number of the row, where its column is there and it is known; none is below zero.
fn quantity(row: &[Value], place: Option<usize>) -> Option<f64> {
    let number = row.get(place?)?.number()?;
    (!number.is_nan()).then(|| number.clamp(0.0, LARGEST))
}

/// The text of the row, or nothing.
fn text(row: &[Value], place: Option<usize>) -> &str {
    match place.and_then(|place| row.get(place)) {
        Some(Value::Text(text)) => text,
        _ => "",
    }
}

/// Where the columns called `keys` stand, in their order.
fn places<const N: usize>(table: &Table, keys: [&str; N]) -> [Option<usize>; N] {
    keys.map(|key| table.index(key))
}

fn fact<'a>(facts: &'a [Fact], name: &str) -> Option<&'a Value> {
    let found = facts.iter().find(|fact| fact.name == name);
    found.map(|fact| &fact.value)
}
