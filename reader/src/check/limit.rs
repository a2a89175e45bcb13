//! Limits as people write them: `200MiB`, `5%`, `1000`.

#![forbid(unsafe_code)]

use std::fmt;

use clap::Args;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use crate::output::format;
use crate::quantity;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size(pub f64);

/// How much more is allowed: a part of what was, or bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Growth {
    /// Of 1: 0.05 is five percent.
    Share(f64),
    /// Bytes; numbers of blocks are then not limited.
    Bytes(f64),
}

/// Limits of a whole program, on the command line and at the head of a budget.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// How much more than the baseline: 5% of each total, or bytes such as 1MiB [with --baseline: 5%]
    ///
    /// It holds for what was allocated, in bytes and in blocks, for the peak, and for what is left
    /// at the end, of which a percentage is of the peak. No total may grow by more, and no single
    /// call stack by more than that part of the total, even where others make up for it.
    #[arg(long, value_name = "GROWTH")]
    pub max_growth: Option<Growth>,
    /// How many bytes may be left at the end that nobody freed
    ///
    /// What is live when the program has ended counts, less what is known to be left on purpose
    /// (stdio's buffers, the C++ runtime's emergency memory, the loader's own), and with a baseline
    /// less what was left there by the same call stack. Of a process that still runs nothing is
    /// known to be leaked, and the check is uncertain.
    #[arg(long, value_name = "BYTES")]
    pub max_leak: Option<Size>,
    /// How many bytes may be live at once; of several processes, in the largest
    #[arg(long, value_name = "BYTES")]
    pub max_peak: Option<Size>,
    /// How many bytes may be live at the end
    #[arg(long, value_name = "BYTES")]
    pub max_live: Option<Size>,
    /// How many bytes may be allocated in all
    #[arg(long, value_name = "BYTES")]
    pub max_allocated: Option<Size>,
    /// How many blocks may be allocated in all
    #[arg(long, value_name = "N")]
    pub max_allocations: Option<u64>,
}

impl Limits {
    /// These limits, and where there is none the other's.
    pub fn or(self, other: Limits) -> Limits {
        Limits {
            max_growth: self.max_growth.or(other.max_growth),
            max_leak: self.max_leak.or(other.max_leak),
            max_peak: self.max_peak.or(other.max_peak),
            max_live: self.max_live.or(other.max_live),
            max_allocated: self.max_allocated.or(other.max_allocated),
            max_allocations: self.max_allocations.or(other.max_allocations),
        }
    }

    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        let sizes = [
            self.max_leak,
            self.max_peak,
            self.max_live,
            self.max_allocated,
        ];
        self.max_growth.is_none()
            && self.max_allocations.is_none()
            && sizes.iter().all(Option::is_none)
    }
}

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        quantity::bytes(text).map(|bytes| Size(bytes as f64))
    }
}

impl std::str::FromStr for Growth {
    type Err = String;

    fn from_str(text: &str) -> Result<Growth, String> {
        let Some(number) = text.trim().strip_suffix('%') else {
            return text
                .parse()
                .map(|Size(bytes)| Growth::Bytes(bytes))
                .map_err(|_| format!("{text:?} is no growth; write 5% or bytes such as 1MiB"));
        };
        let percent: Result<f64, _> = number.trim().parse();
        match percent {
            Ok(percent) if percent >= 0.0 && percent.is_finite() => {
                Ok(Growth::Share(percent / 100.0))
            }
            _ => Err(format!("{text:?} is no percentage; write 5% or 0.5%")),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&format::bytes(self.0))
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Growth::Share(share) => formatter.write_str(&format::percent(share * 100.0)),
            Growth::Bytes(bytes) => formatter.write_str(&format::bytes(*bytes)),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        deserializer.deserialize_any(Written("a size such as 4096 or \"64KiB\"", Size))
    }
}

impl<'de> Deserialize<'de> for Growth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Growth, D::Error> {
        deserializer.deserialize_any(Written(
            "a growth such as \"5%\" or \"1MiB\"",
            Growth::Bytes,
        ))
    }
}

/// Takes a plain number, or a text as the command line does.
struct Written<T>(&'static str, fn(f64) -> T);

impl<T: std::str::FromStr<Err = String>> Visitor<'_> for Written<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        match u64::try_from(number) {
            Ok(number) => Ok(self.1(number as f64)),
            Err(_) => Err(E::custom("a limit is not negative")),
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        Ok(self.1(number as f64))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_a_part_or_bytes() {
        assert_eq!("5%".parse(), Ok(Growth::Share(0.05)));
        assert_eq!("0.5 %".parse(), Ok(Growth::Share(0.005)));
        assert_eq!("64K".parse(), Ok(Growth::Bytes(65_536.0)));
        assert!("-5%".parse::<Growth>().is_err());
        assert!("five".parse::<Growth>().is_err());
    }
}
