//! The settings: every environment variable the shim reads, once, when the program starts.

use core::ffi::{CStr, c_char};

use memshim_abi::header::rejected;
use memshim_abi::weight::Interval;

use crate::{controller, sys};

/// The share of its processor time that a program gives where none is asked for, in millionths.
const DEFAULT_BUDGET: u64 = 5_000;

/// Mean bytes between samples of a Go runtime where nothing else is asked for: some percent of error
/// for what matters, and no cost that could be measured.
const DEFAULT_GO_RATE: u64 = 64 << 10;

/// A rate above which nothing would ever be sampled; readers take such a word for something else.
const GO_RATE_MAX: u64 = 1 << 40;

const DIRECTORY_BYTES: usize = 256;

/// The settings of a process and its forked children.
pub struct Config {
    /// Mean bytes between samples, at the start where there is a budget.
    pub interval: Interval,
    /// Whether that is only the first of the intervals, which follow the cost.
    pub is_adaptive: bool,
    /// Settings that were not understood: bits of [`rejected`].
    pub rejected: u64,
    /// Whether the user asked for nothing to be recorded.
    pub is_disabled: bool,
    /// Seed for reproducible draws; `None` for a fresh one in each process.
    pub seed: Option<u64>,
    /// The number by which `memshim-reader run` finds all processes that came of its command.
    pub run: u64,
    /// Whether the user asked for Go runtimes to be left alone.
    is_go_left_alone: bool,
    go_rate: u64,
    budget: u64,
    max_segment_bytes: Option<u64>,
    directory: [u8; DIRECTORY_BYTES],
    temporary: [u8; DIRECTORY_BYTES],
}

impl Config {
    /// Reads the environment.
    pub fn read() -> Self {
        let mut config = Self {
            interval: controller::FINEST,
            is_adaptive: true,
            rejected: 0,
            budget: DEFAULT_BUDGET,
            is_disabled: false,
            seed: None,
            run: 0,
            is_go_left_alone: false,
            go_rate: DEFAULT_GO_RATE,
            max_segment_bytes: None,
            directory: [0; DIRECTORY_BYTES],
            temporary: [0; DIRECTORY_BYTES],
        };
        for_each_variable(|name, value| config.take(name, value));
        config
    }

    fn take(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"MEMSHIM_INTERVAL" => self.take_interval(value),
            b"MEMSHIM_BUDGET" => {
                let budget = self.understood(value, millionths, rejected::BUDGET);
                self.budget = budget.unwrap_or(DEFAULT_BUDGET);
            }
            b"MEMSHIM_DIR" => copy(&mut self.directory, value),
            b"MEMSHIM_MAX_SEGMENT" => {
                self.max_segment_bytes = self.understood(value, size, rejected::MAX_SEGMENT);
            }
            b"MEMSHIM_DISABLE" => self.is_disabled |= !matches!(value, b"" | b"0"),
            b"MEMSHIM_PROGRAMS" => self.is_disabled |= !selects_this(value),
            b"MEMSHIM_SEED" => self.seed = self.understood(value, size, rejected::SEED),
            b"MEMSHIM_GO" => self.is_go_left_alone = value == b"0",
            b"MEMSHIM_GO_RATE" => {
                let rate = self.understood(value, go_rate, rejected::GO_RATE);
                self.go_rate = rate.unwrap_or(DEFAULT_GO_RATE);
            }
            b"MEMSHIM_RUN" => self.run = size(value).unwrap_or(0),
            b"TMPDIR" => copy(&mut self.temporary, value),
            _ => {}
        }
    }

    fn take_interval(&mut self, value: &[u8]) {
        let fixed = match value {
            b"auto" => None,
            b"exact" => Some(Interval::EXACT),
            _ => self
                .understood(value, size, rejected::INTERVAL)
                .map(Interval::at_most),
        };
        self.is_adaptive = fixed.is_none();
        self.interval = fixed.unwrap_or(controller::FINEST);
    }

    /// What `read` makes of a value; notes that it made nothing of one that is not empty.
    fn understood(
        &mut self,
        value: &[u8],
        read: impl FnOnce(&[u8]) -> Option<u64>,
        bit: u64,
    ) -> Option<u64> {
        let found = read(value);
        if found.is_none() && !value.is_empty() {
            self.rejected |= bit;
        }
        found
    }

    /// What sampling may cost, in millionths of the processor time; 0 where the interval is fixed.
    pub fn budget(&self) -> u64 {
        if self.is_adaptive { self.budget } else { 0 }
    }

    /// Mean bytes between the samples that Go runtimes are to take; `None` to leave them alone.
    pub fn go_rate(&self) -> Option<u64> {
        (!self.is_disabled && !self.is_go_left_alone).then_some(self.go_rate)
    }

    /// Directories to try for the segment, best first.
    pub fn directories(&self) -> impl Iterator<Item = &[u8]> {
        let is_chosen = self.directory.first() != Some(&0);
        let chosen: [&[u8]; 3] = [&self.directory, b"", b""];
        let usual: [&[u8]; 3] = [b"/dev/shm", &self.temporary, b"/tmp"];
        let candidates = if is_chosen { chosen } else { usual };
        candidates
            .into_iter()
            .filter(|path| path.first().is_some_and(|byte| *byte != 0))
    }

    /// The length that the segment may reach.
    pub fn max_segment_bytes(&self) -> u64 {
        let default = if self.interval == Interval::EXACT {
            8 << 30
        } else {
            256 << 20
        };
        self.max_segment_bytes.unwrap_or(default)
    }

    /// Chunks of history that are kept.
    pub fn ring_chunks(&self) -> u64 {
        if self.interval == Interval::EXACT {
            256
        } else {
            64
        }
    }
}

fn copy(to: &mut [u8; DIRECTORY_BYTES], value: &[u8]) {
    // A path that does not fit is not used at all: a cut one would be another directory.
    if let Some(room) = to.get_mut(..value.len())
        && value.len() < DIRECTORY_BYTES
    {
        room.copy_from_slice(value);
    }
}

/// A percentage in millionths: digits with at most four decimals, above 0 and up to 100.
fn millionths(text: &[u8]) -> Option<u64> {
    const DECIMALS: usize = 4;
    let text = text.strip_suffix(b"%").unwrap_or(text);
    let point = text.iter().position(|byte| *byte == b'.');
    let (whole, decimals) = text.split_at_checked(point.unwrap_or(text.len()))?;
    let decimals = decimals.strip_prefix(b".").unwrap_or(decimals);
    if whole.is_empty() || decimals.len() > DECIMALS || point.is_some() && decimals.is_empty() {
        return None;
    }
    let zeros = core::iter::repeat_n(&b'0', DECIMALS - decimals.len());
    let mut number: u64 = 0;
    for digit in whole.iter().chain(decimals).chain(zeros) {
        let digit = char::from(*digit).to_digit(10)?;
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    (1..=controller::MILLION)
        .contains(&number)
        .then_some(number)
}

/// A rate that a Go runtime can sample at.
fn go_rate(text: &[u8]) -> Option<u64> {
    size(text).filter(|rate| (1..=GO_RATE_MAX).contains(rate))
}

/// A number of bytes: digits and an optional suffix K, M, G or T with or without iB or B.
///
/// All suffixes are powers of 1024.
fn size(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, suffix) = text.split_at_checked(digits)?;
    let number = core::str::from_utf8(digits).ok()?.parse::<u64>().ok()?;
    let (unit, rest) = suffix
        .split_first()
        .map_or((b'B', suffix), |(unit, rest)| (*unit, rest));
    let shift = match unit.to_ascii_uppercase() {
        b'B' => 0,
        b'K' => 10,
        b'M' => 20,
        b'G' => 30,
        b'T' => 40,
        _ => return None,
    };
    let is_plain = rest.is_empty();
    let is_long = rest.eq_ignore_ascii_case(b"iB") || rest.eq_ignore_ascii_case(b"B");
    if !is_plain && (!is_long || shift == 0) {
        return None;
    }
    number
        .checked_shl(shift)
        .filter(|shifted| shifted >> shift == number)
}

/// Whether the patterns select this process, by its executable's name or the one it was called by:
/// busybox, and redis-server on Debian, are links to an executable of another name.
fn selects_this(patterns: &[u8]) -> bool {
    let mut program = [0; 512];
    let len = sys::read_link(c"/proc/self/exe", &mut program);
    let program = program.get(..len).unwrap_or(&[]);
    let mut arguments = [0; 512];
    let filled = sys::read_file(c"/proc/self/cmdline", &mut arguments);
    let mut arguments = arguments
        .get(..filled)
        .unwrap_or(&[])
        .split(|byte| *byte == 0);
    let called = arguments.next().unwrap_or(program);
    selects(patterns, [base_name(program), base_name(called)])
}

fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// Whether a list of patterns selects a program that goes by two names: one pattern must match
/// one of them, and none of those after `!`.
///
/// Patterns are separated by commas; `*` stands for any text and `?` for one character.
fn selects(patterns: &[u8], names: [&[u8]; 2]) -> bool {
    let mut has_positive = false;
    let mut is_selected = false;
    for pattern in patterns
        .split(|byte| *byte == b',')
        .filter(|pattern| !pattern.is_empty())
    {
        let excluded = pattern.strip_prefix(b"!");
        let is_match = names
            .iter()
            .any(|name| matches(excluded.unwrap_or(pattern), name));
        match excluded {
            Some(_) if is_match => return false,
            Some(_) => {}
            None => {
                has_positive = true;
                is_selected |= is_match;
            }
        }
    }
    is_selected || !has_positive
}

fn matches(mut pattern: &[u8], mut text: &[u8]) -> bool {
    // After a star, remember both ends; on a mismatch let the star take one more character.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.split_first(), text.split_first()) {
            (Some((b'*', rest)), _) => {
                retry = Some((rest, text));
                pattern = rest;
            }
            (Some((wanted, rest)), Some((byte, after))) if wanted == byte || *wanted == b'?' => {
                (pattern, text) = (rest, after);
            }
            (None, None) => return true,
            _ => match retry {
                Some((rest, [_, after @ ..])) => {
                    retry = Some((rest, after));
                    (pattern, text) = (rest, after);
                }
                _ => return false,
            },
        }
    }
}

/// Calls `each` with name and value of every variable.
fn for_each_variable(mut each: impl FnMut(&[u8], &[u8])) {
    let mut entry = |text: &[u8]| {
        if let Some(at) = text.iter().position(|byte| *byte == b'=')
            && let (Some(name), Some(value)) = (text.get(..at), text.get(at + 1..))
        {
            each(name, value);
        }
    };
    let mut place = sys::environment();
    if place.is_null() {
        // Before the C library has set itself up; the kernel keeps the original.
        let mut buffer = [0; 4096];
        let filled = sys::read_file(c"/proc/self/environ", &mut buffer);
        buffer
            .get(..filled)
            .unwrap_or(&[])
            .split(|byte| *byte == 0)
            .for_each(entry);
        return;
    }
    loop {
        // SAFETY: `environ` is an array of pointers that ends with a null (environ(7)).
        let text: *const c_char = unsafe { place.read() };
        if text.is_null() {
            return;
        }
        // SAFETY: each pointer names a C string.
        entry(unsafe { CStr::from_ptr(text) }.to_bytes());
        place = place.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests;
