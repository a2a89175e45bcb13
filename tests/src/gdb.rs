//! A second witness for stacks: gdb stops a program in some of its allocations and says who called.
//!
//! The library `stop_preload.c` is preloaded behind the shim and chooses the calls, so that gdb
//! sees only those: a breakpoint in malloc would stop in every call, a thousand times slower.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::artefacts::artefacts;
use crate::find_installed;
use crate::launch::{Launch, Running};
use crate::programs::library;
use crate::scene::Scene;

/// What gdb found at one stop.
#[derive(Clone, Debug)]
pub struct Stop {
    /// Why it found no more frames, in its own words.
    pub reason: String,
    /// The program's frames, innermost first.
    pub frames: Vec<GdbFrame>,
}

/// One frame, as gdb sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GdbFrame {
    /// Where it goes on.
    pub pc: u64,
    /// What is mapped there.
    pub memory: Memory,
    /// Its function, or nothing.
    pub function: String,
}

/// What an address leads to, by the kernel's own list of mappings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Code of a file, or of the kernel.
    Code,
    /// Code of the shim or of `stop_preload.c`, called in turn by something that one of them calls.
    OwnCode,
    /// Memory that may be run, but is in no file.
    GeneratedCode,
    /// Nothing that may be run: no function can be there.
    NoCode,
}

/// A program to be run under gdb, and the file that gdb will leave.
pub struct Witnessed {
    /// gdb with the program; the program's arguments can be added.
    pub launch: Launch,
    stops: PathBuf,
}

impl Stop {
    /// The addresses alone.
    pub fn pcs(&self) -> Vec<u64> {
        self.frames.iter().map(|frame| frame.pc).collect()
    }

    /// Whether gdb came to the bottom of the stack, by its own account.
    pub fn is_whole(&self) -> bool {
        self.reason == "outermost"
    }
}

impl Witnessed {
    /// `program` under gdb and the shim in exact mode, stopped in one of `every` allocations.
    ///
    /// `settings` are for the environment of the program, not of gdb, which has Python inside too.
    pub fn new(scene: &Scene, program: &Path, settings: &[&str], every: u32) -> Witnessed {
        let stops = scene.scratch_dir().join("stops");
        let behind = library("stop_preload.c");
        let mut wrapper = format!(
            "set exec-wrapper env LD_PRELOAD='{}:{}' MEMSHIM_DIR='{}' MEMSHIM_INTERVAL=exact \
             STOP_EVERY={every}",
            artefacts().shim.display(),
            behind.display(),
            scene.segment_dir().display(),
        );
        for setting in settings {
            wrapper.push_str(&format!(" '{setting}'"));
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gdb/stops.py");
        let launch = scene
            .plain("gdb")
            .env("SHELL", "/bin/sh")
            .args(["-nx", "-batch"])
            .args(["-iex", "set debuginfod enabled off"])
            .args(["-iex", "set auto-load no"])
            .args(["-ex", "set confirm off"])
            .args(["-ex", "set backtrace past-main on"])
            .args(["-ex", "set backtrace limit unlimited"])
            .args(["-ex", "handle all nostop noprint pass"])
            .args(["-ex", "handle SIGTRAP stop print nopass"])
            .args(["-ex", &wrapper])
            .args(["-ex", &format!("source {}", script.display())])
            .args(["-ex", &format!("python follow('{}')", stops.display())])
            .arg("--args")
            .arg(program);
        Witnessed { launch, stops }
    }

    /// Kills gdb and the program, and fails the test, when it takes longer than this.
    pub fn limit(self, limit: Duration) -> Witnessed {
        let launch = self.launch.limit(limit);
        Witnessed { launch, ..self }
    }

    /// Adds arguments for the program.
    pub fn args<'a>(self, args: impl IntoIterator<Item = &'a str>) -> Witnessed {
        let launch = self.launch.args(args);
        Witnessed { launch, ..self }
    }

    /// Runs gdb to the program's end.
    pub fn run(self) -> Vec<Stop> {
        let said = self.launch.run().success();
        read_stops(&self.stops).unwrap_or_else(|| panic!("gdb left no stops: {said:?}"))
    }

    /// Starts gdb and runs `then` beside it, which makes the program end.
    pub fn run_beside(self, then: impl FnOnce(&mut Running)) -> Vec<Stop> {
        let mut running = self.launch.start();
        then(&mut running);
        let said = running.finish().success();
        read_stops(&self.stops).unwrap_or_else(|| panic!("gdb left no stops: {said:?}"))
    }
}

/// Whether gdb is there. Where it is not, the caller's test proves nothing: that is said, and
/// fails the test if `MEMSHIM_TEST_DEMANDS_GDB` is set, as CI does.
pub fn is_there() -> bool {
    let found = find_installed("gdb").is_some();
    if !found {
        let is_demanded = std::env::var_os("MEMSHIM_TEST_DEMANDS_GDB").is_some();
        assert!(!is_demanded, "gdb is not installed, and CI demands it");
        crate::skip("gdb is not installed");
    }
    found
}

fn read_stops(path: &Path) -> Option<Vec<Stop>> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().map(parse_stop).collect()
}

/// One line of `stops.py`.
fn parse_stop(line: &str) -> Option<Stop> {
    let mut parts = line.split('\t');
    let reason = parts.next()?.to_string();
    let frames = parts.map(parse_frame).collect::<Option<_>>()?;
    Some(Stop { reason, frames })
}

fn parse_frame(text: &str) -> Option<GdbFrame> {
    let mark = text.find(['+', '*', '?', '-'])?;
    let memory = match &text[mark..=mark] {
        "+" => Memory::Code,
        "*" => Memory::OwnCode,
        "?" => Memory::GeneratedCode,
        _ => Memory::NoCode,
    };
    Some(GdbFrame {
        pc: u64::from_str_radix(&text[..mark], 16).ok()?,
        memory,
        function: text[mark + 1..].to_string(),
    })
}
