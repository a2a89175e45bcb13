//! Sums of weighted samples that no input can overflow.

#![forbid(unsafe_code)]

use crate::source::{OBJECT_UNIT, Totals, Weight};

/// What a number of sampled blocks stand for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sum {
    /// Blocks, in 1/[`OBJECT_UNIT`].
    pub object_parts: u128,
    /// Bytes.
    pub bytes: u128,
    /// Blocks that were sampled.
    pub raw_objects: u128,
    /// Bytes of the blocks that were sampled.
    pub raw_bytes: u128,
    /// Estimated variance of the blocks.
    pub objects_variance: f64,
    /// Estimated variance of the bytes.
    pub bytes_variance: f64,
}

impl Sum {
    /// The totals of one site.
    pub fn of(totals: &Totals) -> Sum {
        Sum {
            object_parts: totals.objects.into(),
            bytes: totals.bytes.into(),
            raw_objects: totals.raw_objects.into(),
            raw_bytes: totals.raw_bytes.into(),
            objects_variance: totals.objects_variance,
            bytes_variance: totals.bytes_variance,
        }
    }

    /// Adds one sampled block.
    pub fn add(&mut self, size_bytes: u64, weight: &Weight) {
        *self = self.plus(&Sum::of_block(size_bytes, weight));
    }

    /// One sampled block.
    pub fn of_block(size_bytes: u64, weight: &Weight) -> Sum {
        Sum {
            object_parts: weight.objects.into(),
            bytes: weight.bytes.into(),
            raw_objects: 1,
            raw_bytes: size_bytes.into(),
            objects_variance: weight.objects_variance,
            bytes_variance: weight.bytes_variance,
        }
    }

    /// Blocks.
    pub fn objects(&self) -> f64 {
        self.object_parts as f64 / OBJECT_UNIT as f64
    }

    /// Both together.
    pub fn plus(&self, other: &Sum) -> Sum {
        Sum {
            object_parts: self.object_parts.saturating_add(other.object_parts),
            bytes: self.bytes.saturating_add(other.bytes),
            raw_objects: self.raw_objects.saturating_add(other.raw_objects),
            raw_bytes: self.raw_bytes.saturating_add(other.raw_bytes),
            objects_variance: self.objects_variance + other.objects_variance,
            bytes_variance: self.bytes_variance + other.bytes_variance,
        }
    }

    /// What is left when `other`, which is a part of this, is taken away; never below nothing.
    ///
    /// A block gives back at its death exactly what it gave at its birth, its variance included.
    pub fn minus(&self, other: &Sum) -> Sum {
        Sum {
            object_parts: self.object_parts.saturating_sub(other.object_parts),
            bytes: self.bytes.saturating_sub(other.bytes),
            raw_objects: self.raw_objects.saturating_sub(other.raw_objects),
            raw_bytes: self.raw_bytes.saturating_sub(other.raw_bytes),
            objects_variance: (self.objects_variance - other.objects_variance).max(0.0),
            bytes_variance: (self.bytes_variance - other.bytes_variance).max(0.0),
        }
    }
}

impl std::iter::Sum for Sum {
    fn sum<I: Iterator<Item = Sum>>(sums: I) -> Sum {
        sums.fold(Sum::default(), |total, sum| total.plus(&sum))
    }
}
