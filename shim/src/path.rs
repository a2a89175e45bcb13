//! File names put together without allocating.

#![forbid(unsafe_code)]

use core::ffi::CStr;

const CAPACITY: usize = 512;

/// A path being built; too long a path ends at the capacity and will not be found.
pub struct Path {
    bytes: [u8; CAPACITY],
    len: usize,
}

impl Path {
    /// An empty path.
    pub const fn new() -> Self {
        Self {
            bytes: [0; CAPACITY],
            len: 0,
        }
    }

    /// Appends bytes up to the first 0.
    pub fn push(&mut self, bytes: &[u8]) -> &mut Self {
        for &byte in bytes.iter().take_while(|byte| **byte != 0) {
            // The last byte stays 0.
            if self.len + 1 < CAPACITY
                && let Some(place) = self.bytes.get_mut(self.len)
            {
                *place = byte;
                self.len += 1;
            }
        }
        self
    }

    /// Appends a number in decimal.
    pub fn push_number(&mut self, number: u64) -> &mut Self {
        let mut digits = [0u8; 20];
        let mut rest = number;
        let mut count = 0;
        for place in digits.iter_mut().rev() {
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
            count += 1;
            if rest == 0 {
                break;
            }
        }
        let digits = digits.get(digits.len() - count..).unwrap_or(&[]);
        self.push(digits)
    }

    /// The path for a system call.
    pub fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_its_parts_in_order() {
        let mut path = Path::new();
        path.push(b"/dev/shm\0ignored")
            .push(b"/memshim-")
            .push_number(0)
            .push_number(1234567890);
        assert_eq!(path.as_c_str(), c"/dev/shm/memshim-01234567890");
    }

    #[test]
    fn a_path_that_is_too_long_is_cut_and_still_terminated() {
        let mut path = Path::new();
        path.push(&[b'x'; 2 * CAPACITY]);
        assert_eq!(path.as_c_str().count_bytes(), CAPACITY - 1);
    }
}
