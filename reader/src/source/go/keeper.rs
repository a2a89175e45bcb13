//! Keeps the segment of a running Go program up to date, in the place of a shim.

#![forbid(unsafe_code)]

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use memshim_abi::header::{Header, at, go, state, unpack};

use crate::source::clock::monotonic_ns;
use crate::source::directory::{Name, Users, find, places};
use crate::source::go::segment::{Description, Ledger};
use crate::source::go::{Process, Readout, Refusal};
use crate::source::process::{self, Liveness};

/// The number of a process's first segment of this kind: far above those of shims, which take the
/// first that is free and believe that the one before it is over.
pub const FIRST_NUMBER: u32 = 1 << 16;

/// How the heap profile of a program came to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It was switched on before the first instruction.
    FromStart,
    /// It was switched on later.
    SwitchedOn,
    /// The program has it by itself.
    Own,
}

/// How old a segment may be before whoever opens it brings it up to date; longer than the time
/// between two read-outs of the one who keeps it.
const STALE_NS: u64 = 900_000_000;

/// Begins a segment of a Go program that runs, and switches its heap profile on where it is off
/// and `rate` says so. Gives where the segment is.
///
/// # Errors
///
/// [`Refusal::Off`] where it is off and stays so, and those of [`Process::open`].
pub fn attach(pid: u32, rate: Option<u64>) -> Result<PathBuf, Refusal> {
    let mut process = Process::open(pid)?;
    let is_off = process.rate()? == 0;
    let how = match (is_off, rate) {
        (true, None) => return Err(Refusal::Off),
        (true, Some(rate)) => {
            process.enable(rate, false)?;
            How::SwitchedOn
        }
        (false, _) => How::Own,
    };
    let mut keeper = Keeper::begin(process, how)?;
    keeper.refresh()?;
    Ok(keeper.path)
}

/// Brings a segment up to date that nobody has kept for a while, if its program still runs.
///
/// What is there is good, so whatever stands in the way is no reason to fail.
pub fn refresh_stale(path: &Path, header: &Header) {
    let is_running = header.word(at::GO) != go::NONE && header.word(at::STATE) == state::RUNNING;
    if !is_running || !is_stale(header) {
        return;
    }
    let (pid, _) = unpack(header.word(at::PIDS));
    let start_time = header.word(at::START_TIME);
    if process::liveness(pid, start_time) != Liveness::Alive {
        return;
    }
    // Whoever holds the lock is doing the same; a file that was replaced meanwhile is new.
    let Ok(file) = File::open(path) else {
        return;
    };
    let inode = |found: io::Result<fs::Metadata>| found.ok().map(|it| it.ino());
    if file.try_lock().is_err() || inode(file.metadata()) != inode(fs::metadata(path)) {
        return;
    }
    let refresh = || {
        let mut keeper = Keeper::resume(Process::open(pid)?, path)?;
        match keeper.is_of_same_program() {
            true => keeper.refresh(),
            false => Ok(()),
        }
    };
    let _ = refresh();
}

fn is_stale(header: &Header) -> bool {
    let now_ns = monotonic_ns().unwrap_or(0);
    now_ns.saturating_sub(header.word(at::HEARTBEAT)) > STALE_NS
}

/// A Go program with the segment that is kept of it.
pub struct Keeper {
    process: Process,
    ledger: Ledger,
    path: PathBuf,
    start_time: u64,
}

impl Keeper {
    /// Begins a segment for a program.
    ///
    /// # Errors
    ///
    /// [`Refusal::Storage`] where it finds no place.
    pub fn begin(mut process: Process, how: How) -> Result<Keeper, Refusal> {
        let pid = process.pid;
        let stat = process::stat(pid).ok_or(Refusal::NotFound("its process"))?;
        let directory = home().map_err(Refusal::Storage)?;
        let number = next_number(pid, stat.start_time);
        let name = Name {
            pid,
            start_time: stat.start_time,
            number,
        };
        let rate = process.rate().unwrap_or(0);
        let about = Description {
            rate,
            ..describe(&process, how, &stat)
        };
        let ledger = Ledger::new(&about);
        let keeper = Keeper {
            process,
            ledger,
            path: directory.join(name.to_string()),
            start_time: stat.start_time,
        };
        keeper.store()?;
        Ok(keeper)
    }

    /// Goes on with the segment that another reader began.
    ///
    /// # Errors
    ///
    /// [`Refusal::Storage`] where it cannot be read.
    pub fn resume(process: Process, path: &Path) -> Result<Keeper, Refusal> {
        let bytes = fs::read(path).map_err(Refusal::Storage)?;
        let stat = process::stat(process.pid).ok_or(Refusal::NotFound("its process"))?;
        let ledger = Ledger::of_bytes(&bytes);
        let ledger =
            ledger.ok_or_else(|| Refusal::Storage(io::Error::other("it is no segment of Go")))?;
        Ok(Keeper {
            process,
            ledger,
            path: path.to_path_buf(),
            start_time: stat.start_time,
        })
    }

    /// Where the segment is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The program.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Whether the process still is the one that the segment is of.
    pub fn is_of_same_process(&self) -> bool {
        process::stat(self.process.pid).is_some_and(|stat| stat.start_time == self.start_time)
    }

    /// Whether the process has not become another program since the segment was begun.
    fn is_of_same_program(&self) -> bool {
        self.ledger.range() == self.process.range()
            && self.ledger.executable() == self.process.path.as_os_str().as_encoded_bytes()
    }

    /// Reads the program's heap profile and replaces the segment by what it says.
    ///
    /// # Errors
    ///
    /// Those of [`Process::read_out`], after which the segment is as it was; and
    /// [`Refusal::Storage`].
    pub fn refresh(&mut self) -> Result<(), Refusal> {
        let readout = match self.process.read_out() {
            // It was switched on, or is about to be, and has sampled nothing yet.
            Err(Refusal::Off) => Readout::default(),
            readout => readout?,
        };
        self.ledger
            .update(&readout, monotonic_ns().unwrap_or_default());
        if let Some(stat) = process::stat(self.process.pid) {
            self.ledger.set(at::CPU_NS, stat.cpu_ns);
        }
        let vitals = self.process.vitals();
        self.ledger.note_vitals(&vitals);
        self.store()
    }

    /// Notes that the program left by itself.
    ///
    /// # Errors
    ///
    /// [`Refusal::Storage`].
    pub fn note_exit(&mut self) -> Result<(), Refusal> {
        self.note_end(state::EXITED)
    }

    /// Notes that the process has become another program.
    ///
    /// # Errors
    ///
    /// [`Refusal::Storage`].
    pub fn note_replaced(&mut self) -> Result<(), Refusal> {
        self.note_end(state::REPLACED)
    }

    fn note_end(&mut self, state: u64) -> Result<(), Refusal> {
        self.ledger.set(at::STATE, state);
        self.ledger
            .set(at::STATE_TICKS, self.ledger.word(at::HEARTBEAT));
        self.store()
    }

    /// Replaces the file, so that whoever reads it sees one moment and never half of another.
    fn store(&self) -> Result<(), Refusal> {
        replace(&self.path, |file| self.ledger.write(file)).map_err(Refusal::Storage)
    }
}

fn describe(process: &Process, how: How, stat: &process::Stat) -> Description {
    let pid = process.pid;
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    let metadata = fs::metadata(format!("/proc/{pid}"));
    Description {
        pid,
        parent_pid: stat.parent_pid,
        start_time: stat.start_time,
        user: metadata.map_or(0, |it| it.uid()),
        boot_id: process::boot_id().unwrap_or_default(),
        run: run_number(pid),
        how: match how {
            How::FromStart => go::FROM_START,
            How::SwitchedOn => go::SWITCHED_ON,
            How::Own => go::OWN,
        },
        rate: 0,
        path: process.path.as_os_str().as_encoded_bytes().to_vec(),
        command_line: fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default(),
        range: process.range(),
        bias: process.bias,
        build_id: process.executable().build_id.clone(),
        monotonic_ns: monotonic_ns().unwrap_or(1),
        realtime_ns: since_epoch.map_or(0, |time| time.as_nanos() as u64),
    }
}

/// The number that `run` gave to all that came of it, as the environment of the process has it.
fn run_number(pid: u32) -> u64 {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let mut variables = environment.split(|byte| *byte == 0);
    let value = variables.find_map(|variable| variable.strip_prefix(b"MEMSHIM_RUN="));
    let value = value.and_then(|value| std::str::from_utf8(value).ok());
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// The number of the next segment of a process, which may have been other programs before.
fn next_number(pid: u32, start_time: u64) -> u32 {
    let found = find(Users::Own).into_iter();
    let own = found.filter(|it| it.name.pid == pid && it.name.start_time == start_time);
    let go = own.filter(|it| it.name.number >= FIRST_NUMBER);
    go.map(|it| it.name.number.saturating_add(1))
        .max()
        .unwrap_or(FIRST_NUMBER)
}

/// The directory for segments of this user, made if it is missing.
fn home() -> io::Result<PathBuf> {
    let (user, _) = process::own_ids().ok_or(io::ErrorKind::NotFound)?;
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for place in places() {
        let directory = place.join(format!("memshim-{user}"));
        let made = match DirBuilder::new().mode(0o700).create(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => fs::symlink_metadata(&directory),
        };
        match made {
            // A directory of somebody else is a trap.
            Ok(it) if it.is_dir() && it.uid() == user && it.mode() & 0o022 == 0 => {
                return Ok(directory);
            }
            Ok(_) => last = io::ErrorKind::PermissionDenied.into(),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn replace(path: &Path, write: impl Fn(&File) -> io::Result<()>) -> io::Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    let beside = path.with_file_name(name);
    let written = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&beside)
        .and_then(|file| write(&file))
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // Half a file is of no use to anybody, and the file system may be full.
        let _ = fs::remove_file(&beside);
    }
    written
}
