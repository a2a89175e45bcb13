//! Sizes and durations as people write them on a command line or in a file.

#![forbid(unsafe_code)]

/// Suffixes of sizes: a plain letter and the letters with `iB` are powers of 1,024, those with `B`
/// alone are powers of 1,000, as IEC 80000-13 has it.
const SIZES: &[(&str, f64)] = &[
    ("", 1.0),
    ("b", 1.0),
    ("k", 1024.0),
    ("kib", 1024.0),
    ("kb", 1e3),
    ("m", 1_048_576.0),
    ("mib", 1_048_576.0),
    ("mb", 1e6),
    ("g", 1_073_741_824.0),
    ("gib", 1_073_741_824.0),
    ("gb", 1e9),
    ("t", 1_099_511_627_776.0),
    ("tib", 1_099_511_627_776.0),
    ("tb", 1e12),
];

/// Suffixes of durations, in nanoseconds.
const DURATIONS: &[(&str, f64)] = &[
    ("ns", 1.0),
    ("us", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("min", 60e9),
    ("h", 3600e9),
    ("d", 86_400e9),
];

/// A number of bytes: `4096`, `64K`, `64KiB`, `1.5GiB`, `64kB` (64,000).
///
/// # Errors
///
/// What is expected instead, for people.
pub fn bytes(text: &str) -> Result<u64, String> {
    scaled(text, SIZES)
        .ok_or_else(|| format!("{text:?} is no size; write 4096, 64K, 1.5MiB or 2GiB"))
}

/// A duration in nanoseconds: `250us`, `5ms`, `90s`, `1.5h`, `7d`.
///
/// # Errors
///
/// What is expected instead, for people.
pub fn duration_ns(text: &str) -> Result<u64, String> {
    scaled(text, DURATIONS)
        .ok_or_else(|| format!("{text:?} is no duration; write 250us, 5ms, 90s, 10m, 2h or 7d"))
}

/// A number that is not negative, times what its suffix stands for, rounded to a whole.
fn scaled(text: &str, suffixes: &[(&str, f64)]) -> Option<u64> {
    let text = text.trim();
    let is_digit = |character: char| character.is_ascii_digit() || character == '.';
    let end = text.find(|character| !is_digit(character));
    let (number, suffix) = text.split_at(end.unwrap_or(text.len()));
    let suffix = suffix.trim().to_ascii_lowercase();
    let (_, factor) = suffixes.iter().find(|(known, _)| *known == suffix)?;
    let value = number.parse::<f64>().ok()? * factor;
    (value < u64::MAX as f64).then_some(value.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, expected) in [
            ("0", 0),
            ("4096", 4096),
            ("64K", 65_536),
            ("64 KiB", 65_536),
            ("64kB", 64_000),
            ("1.5m", 1_572_864),
            ("2GiB", 2 << 30),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, expected) in [
            ("250us", 250_000),
            ("5ms", 5_000_000),
            ("1.5h", 5_400_000_000_000),
        ] {
            assert_eq!(duration_ns(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in [
            "",
            "K",
            "-1",
            "1e9999",
            "5 parsecs",
            "1..2",
            "99999999999999T",
        ] {
            assert!(bytes(text).is_err(), "{text}");
        }
        for text in ["5", "s", "-5s"] {
            assert!(duration_ns(text).is_err(), "{text}");
        }
    }
}
