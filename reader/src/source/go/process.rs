//! A running Go program whose heap profile is read, and switched on where it is not.

#![forbid(unsafe_code)]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::source::go::buckets::Records;
use crate::source::go::layout::Layout;
use crate::source::go::locate::{self, Variables};
use crate::source::go::memory::Memory;
use crate::source::go::profile::{Profiler, StackTotals};
use crate::source::go::vitals::{Finder, Vitals};
use crate::source::go::{Executable, Refusal, Symbolizer};

/// How often everything is read again because a collection came in between.
const READINGS_MAX: usize = 3;

/// The rate that Go gives itself at its start; up to 1.20 whatever stood there before.
const USUAL_RATE: u64 = 512 << 10;

/// A rate above which the word is taken for something else.
const RATE_MAX: u64 = 1 << 40;

/// A Go program that runs.
#[derive(Debug)]
pub struct Process {
    /// Its process id.
    pub pid: u32,
    /// The path of its executable.
    pub path: PathBuf,
    /// What was added to the addresses in its file.
    pub bias: u64,
    symbolizer: Symbolizer,
    layout: Layout,
    variables: Variables,
    memory: Memory,
    records: Records,
    profiler: Profiler,
    vitals: Finder,
    /// The last rate that was not 0.
    known_rate: Option<u64>,
}

/// What the heap profile said at one moment.
#[derive(Debug, Default)]
pub struct Readout<'a> {
    /// Mean bytes between samples; 0 where the runtime takes none now.
    pub rate: u64,
    /// The call stacks, oldest first.
    pub stacks: &'a [StackTotals],
    /// Places of those that changed since the last read-out, new ones among them.
    pub changed: Vec<usize>,
    /// Whether there were more records than are read.
    pub is_cut: bool,
}

impl Process {
    /// Looks at a process, by the executable that it runs now.
    ///
    /// # Errors
    ///
    /// Why it cannot be read, or is nothing that memshim knows.
    pub fn open(pid: u32) -> Result<Process, Refusal> {
        // The memory first: if the process becomes another program, everything after it fails.
        let memory = Memory::open(pid).map_err(Refusal::Memory)?;
        let executable = Executable::open(Path::new(&format!("/proc/{pid}/exe")))?;
        let layout = Layout::of(executable.version, &executable.version_text)?;
        let path = fs::read_link(format!("/proc/{pid}/exe")).map_err(Refusal::Executable)?;
        let bias = match executable.is_position_independent {
            true => bias(pid, &path, &executable).ok_or(Refusal::NotFound("its first mapping"))?,
            false => 0,
        };
        let symbolizer = Symbolizer::of(executable)?;
        let variables = locate::variables(&symbolizer)?;
        Ok(Process {
            pid,
            path,
            bias,
            symbolizer,
            layout,
            variables,
            memory,
            records: Records::default(),
            profiler: Profiler::default(),
            vitals: Finder::default(),
            known_rate: None,
        })
    }

    /// The executable.
    pub fn executable(&self) -> &Executable {
        self.symbolizer.executable()
    }

    /// Whether the program had its profile switched off by the linker, which the runtime heeds at
    /// its start.
    pub fn is_disabled(&mut self) -> bool {
        let mut flag = [0];
        let address = self.variables.disabled;
        address.is_some_and(|it| self.memory.copy_now(it.wrapping_add(self.bias), &mut flag))
            && flag[0] != 0
    }

    /// Whether the linker left the profile on, since the program itself looks at it.
    pub fn is_own(&self) -> bool {
        let address = self.variables.disabled;
        let flag = address.and_then(|address| self.executable().read(address, 1));
        flag.is_none_or(|flag| flag == [0])
    }

    /// Mean bytes between samples now, 0 for none.
    ///
    /// # Errors
    ///
    /// [`Refusal::Inconsistent`] where it is no rate, and [`Refusal::NotFound`] where the process is
    /// gone.
    pub fn rate(&mut self) -> Result<u64, Refusal> {
        let address = self.variables.rate.wrapping_add(self.bias);
        let word = self.memory.word_now(address);
        match word.ok_or(Refusal::NotFound("its memory"))? {
            rate if rate <= RATE_MAX => Ok(rate),
            _ => Err(Refusal::Inconsistent("its rate is none")),
        }
    }

    /// Lets the runtime sample once every `rate` bytes.
    ///
    /// Before the program's first instruction the byte decides, later the word: every allocation
    /// reads it afresh. Go up to 1.20 then gives itself a rate that stands in its code, so there the
    /// constant is replaced in this process's copy of that code.
    ///
    /// # Errors
    ///
    /// [`Refusal::Memory`] where it cannot be written.
    pub fn enable(&mut self, rate: u64, is_at_start: bool) -> Result<(), Refusal> {
        if let Some(flag) = self.variables.disabled {
            self.write(flag, &[0])?;
        }
        if is_at_start && let Ok(constant) = u32::try_from(rate) {
            self.replace_usual_rate(constant)?;
        }
        self.write(self.variables.rate, &rate.to_le_bytes())
    }

    fn replace_usual_rate(&mut self, rate: u32) -> Result<(), Refusal> {
        const LAST_WITH_CONSTANT: u32 = 20;
        let version = self.executable().version;
        if version.is_none_or(|(minor, _)| minor > LAST_WITH_CONSTANT) {
            return Ok(());
        }
        let Some(address) = locate::code::usual_rate(&self.symbolizer) else {
            return Ok(());
        };
        let mut constant = [0; 4];
        let is_there = self
            .memory
            .copy_now(address.wrapping_add(self.bias), &mut constant);
        if is_there && u64::from(u32::from_le_bytes(constant)) == USUAL_RATE {
            self.write(address, &rate.to_le_bytes())?;
        }
        Ok(())
    }

    /// After [`Process::enable`], while the runtime may not be through its start: sets the rate
    /// again where the runtime gave itself another, be it none or the usual one.
    ///
    /// # Errors
    ///
    /// As [`Process::rate`] and [`Process::enable`].
    pub fn hold_rate(&mut self, rate: u64) -> Result<(), Refusal> {
        match self.rate()? {
            0 | USUAL_RATE if rate != 0 => self.write(self.variables.rate, &rate.to_le_bytes()),
            _ => Ok(()),
        }
    }

    fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Refusal> {
        let address = address.wrapping_add(self.bias);
        self.memory.write(address, bytes).map_err(Refusal::Memory)
    }

    /// Reads the profile, while the program goes on: what is new and what changed, since the rest is
    /// known.
    ///
    /// # Errors
    ///
    /// [`Refusal::Off`] where nothing was ever sampled and nothing will be, and
    /// [`Refusal::Inconsistent`] where the records make no sense.
    pub fn read_out(&mut self) -> Result<Readout<'_>, Refusal> {
        let mut result = Err(Refusal::NotFound("its memory"));
        for _ in 0..READINGS_MAX {
            let before = self.cycle();
            result = self.read_once();
            if before.is_some() && before == self.cycle() && result.is_ok() {
                break;
            }
        }
        let rate = result?;
        let news = self.records.take_news();
        self.profiler
            .update(self.records.all(), &news, rate, self.bias, &self.symbolizer);
        Ok(Readout {
            rate,
            changed: self.profiler.take_changed(),
            stacks: self.profiler.stacks(),
            is_cut: self.records.is_cut(),
        })
    }

    /// Reads the records once; gives the rate at which they were made.
    fn read_once(&mut self) -> Result<u64, Refusal> {
        let rate = self.rate()?;
        let list = self.variables.list.wrapping_add(self.bias);
        let read = self.records.read(&mut self.memory, list, self.layout);
        if read.is_err() {
            // Nothing of it can be relied on, so the next reading begins at the beginning.
            self.records = Records::default();
            self.profiler = Profiler::default();
        }
        read?;
        if rate == 0 && self.records.all().len() <= 1 {
            // One record may be there without any sampling: that of the start itself (Go 1.27).
            return Err(Refusal::Off);
        }
        // A program that stopped sampling keeps its records, which were made at the rate before.
        self.known_rate = Some(rate).filter(|rate| *rate != 0).or(self.known_rate);
        Ok(self.known_rate.unwrap_or(USUAL_RATE))
    }

    /// What the runtime says of its collections and its goroutines now.
    pub fn vitals(&mut self) -> Vitals {
        let executable = self.symbolizer.executable();
        self.vitals.read(&mut self.memory, executable, self.bias)
    }

    /// The word that changes with every collection.
    fn cycle(&mut self) -> Option<u32> {
        let mut bytes = [0; 4];
        let address = self.variables.cycle.wrapping_add(self.bias);
        self.memory
            .copy_now(address, &mut bytes)
            .then(|| u32::from_le_bytes(bytes))
    }

    /// The first and one past the last address of the executable in memory.
    pub fn range(&self) -> (u64, u64) {
        let loads = &self.executable().loads;
        let start = loads.first().map_or(0, |load| load.address);
        let end = loads
            .iter()
            .map(|load| load.address.saturating_add(load.memory_bytes))
            .max();
        let bias = self.bias;
        (
            start.wrapping_add(bias),
            end.unwrap_or(start + 1).wrapping_add(bias),
        )
    }
}

/// How far the executable lies from where its file says.
fn bias(pid: u32, path: &Path, executable: &Executable) -> Option<u64> {
    let maps = fs::read(format!("/proc/{pid}/maps")).ok()?;
    let maps = String::from_utf8_lossy(&maps).into_owned();
    let path = path.to_string_lossy();
    let line = maps.lines().find(|line| line.ends_with(&*path))?;
    let start = line.split('-').next()?;
    let start = u64::from_str_radix(start, 16).ok()?;
    let first = executable.loads.first()?;
    const PAGE_BYTES: u64 = 4 << 10;
    Some(start.wrapping_sub(first.address - first.address % PAGE_BYTES))
}

/// Whether a process runs a Go program, found out without reading more than its first pages.
///
/// # Errors
///
/// Those of the kernel.
pub fn is_go(pid: u32) -> io::Result<bool> {
    match Executable::open(Path::new(&format!("/proc/{pid}/exe"))) {
        Ok(_) => Ok(true),
        Err(Refusal::Executable(error)) => Err(error),
        Err(_) => Ok(false),
    }
}
