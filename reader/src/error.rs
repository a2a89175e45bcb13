//! Everything that can keep the reader from an answer, each with what to do about it.

#![forbid(unsafe_code)]

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::source::go::Refusal;

/// Why there is no answer.
///
/// The text of a variant is a lowercase phrase that names the file, process or argument; its
/// cause is the source; [`Error::advice`] says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no segment of this user in any place where segments are kept.
    #[error("no segment found in {}", directory.display())]
    NoSegment {
        /// Where segments would be.
        directory: PathBuf,
    },
    /// The process lives, but has no segment.
    #[error("process {pid} has no segment in {}", directory.display())]
    NotProfiled {
        /// The process that was asked for.
        pid: u32,
        /// Where its segment would be.
        directory: PathBuf,
    },
    /// A Go program runs without the heap profile that its runtime could keep.
    #[error("process {pid} is a Go program whose heap profile is off")]
    GoProfileOff {
        /// The process.
        pid: u32,
    },
    /// The heap of a Go program cannot be read.
    #[error("cannot read the Go heap of process {pid}")]
    Go {
        /// The process.
        pid: u32,
        /// Why not.
        source: Refusal,
    },
    /// The process is not there, and left no segment.
    #[error("process {pid} does not exist and left no segment")]
    NoProcess {
        /// The process that was asked for.
        pid: u32,
    },
    /// A file or directory could not be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file was opened, but not read or mapped.
    #[error("cannot read {} at offset {offset}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Where in the file, in bytes.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The file is too short to be what its name or header says.
    #[error("{} has {size_bytes} bytes where {needed_bytes} are needed", path.display())]
    TooShort {
        /// The file.
        path: PathBuf,
        /// How long it is.
        size_bytes: u64,
        /// How long it would have to be.
        needed_bytes: u64,
    },
    /// The file is something else.
    #[error("{} is neither a segment nor a recording", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The process has created its segment, but not finished its header.
    #[error("{} is not ready yet", path.display())]
    NotReady {
        /// The segment.
        path: PathBuf,
    },
    /// The file was written by a version that this reader does not know.
    #[error("{} has version {version}; this reader knows {known}", path.display())]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
        /// The newest version that can be read.
        known: u32,
    },
    /// The file contradicts itself where that cannot be worked around.
    #[error("{} is damaged at offset {offset}: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in the file, in bytes.
        offset: u64,
        /// What is wrong there, as a phrase.
        problem: String,
    },
    /// A text file is not what it should be.
    #[error("{}:{line}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there, as a phrase.
        problem: String,
    },
    /// A recording has more processes than one, and it was not said which is meant.
    #[error("{} has several processes: {}", path.display(), list_of(processes))]
    ManyProcesses {
        /// The recording.
        path: PathBuf,
        /// Who they are, those that were recorded last first.
        processes: Vec<String>,
    },
    /// A recording has not the process that was asked for.
    #[error("{} has no process {wanted}; it has {}", path.display(), list_of(processes))]
    NotInRecording {
        /// The recording.
        path: PathBuf,
        /// What was asked for.
        wanted: String,
        /// Who there is, those that were recorded last first.
        processes: Vec<String>,
    },
    /// A directory has no recording in it.
    #[error("{} has no recording in it", path.display())]
    NoRecording {
        /// The directory.
        path: PathBuf,
    },
    /// The library to preload was not found.
    #[error("libmemshim.so is not in {}", directories(searched))]
    NoShim {
        /// Where it was looked for.
        searched: Vec<PathBuf>,
    },
    /// The command to be profiled did not start.
    #[error("cannot run {command}")]
    Spawn {
        /// The command, without its arguments.
        command: String,
        /// What the system said.
        source: io::Error,
    },
    /// A command that was to be checked left nothing to check.
    #[error("{command} left no segment, so nothing was checked")]
    NotRecorded {
        /// The command, without its arguments.
        command: String,
    },
    /// No output has this name.
    #[error("there is no format {name}; there are {}", known.join(", "))]
    NoFormat {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// The format cannot show any part of this report.
    #[error("the format {format} can draw nothing of the report {report}")]
    CannotDraw {
        /// The format.
        format: &'static str,
        /// The report.
        report: String,
    },
    /// The report has no number of this name with its stacks.
    #[error(
        "the report {report} has no measure {measure}; it has {}",
        list_of(known)
    )]
    NoMeasure {
        /// What was asked for.
        measure: String,
        /// The report.
        report: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The report could not be written where it should go.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file; `-` is the standard output.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody can be served at this address.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address and the port.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// An argument is not what it should be.
    #[error("{argument} is not {wanted}")]
    Argument {
        /// What was given.
        argument: String,
        /// What it should have been, as a phrase: `a number of bytes such as 64K`.
        wanted: &'static str,
    },
}

impl Error {
    /// What became of a file that could not be opened, for `map_err`.
    pub fn open(path: &Path) -> impl Fn(io::Error) -> Error + Copy + '_ {
        |source| Error::Open {
            path: path.to_path_buf(),
            source,
        }
    }

    /// What to do next, as one sentence; none where the error itself says it.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Error::NoSegment { .. } => Some(
                "Start a program with `memshim-reader run -- CMD`, or set MEMSHIM_DIR as the \
                 program has it.",
            ),
            Error::NotProfiled { .. } => Some(
                "Start it with LD_PRELOAD=libmemshim.so; static and set-uid programs and those \
                 with an allocator of their own cannot be profiled.",
            ),
            Error::GoProfileOff { .. } => Some(
                "Ask again with --enable, which sets its sampling rate, one word of its memory, and \
                 stops nothing; what it allocated until then stays unknown.",
            ),
            Error::Go { source, .. } => match source {
                Refusal::Memory(_) => {
                    Some("Run the reader as the user of the program, or as root.")
                }
                _ => None,
            },
            Error::NoProcess { .. } => Some("`memshim-reader list` shows what can be read."),
            Error::Open { source, .. } | Error::Read { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => {
                    Some("Run the reader as the user of the program, or as root.")
                }
                io::ErrorKind::NotFound => Some("`memshim-reader list` shows what can be read."),
                _ => None,
            },
            Error::ManyProcesses { .. } => Some("Say which with --process PID or --process NAME."),
            Error::NoRecording { .. } => {
                Some("`memshim-reader record --all --output DIR` makes one.")
            }
            Error::NotInRecording { .. } => None,
            Error::TooShort { .. } | Error::Damaged { .. } => {
                Some("The file was cut or overwritten; `memshim-reader list` shows others.")
            }
            Error::Foreign { .. } => Some("`memshim-reader list` shows what can be read."),
            Error::Listen { source, .. } => match source.kind() {
                io::ErrorKind::AddrInUse => Some(
                    "Another program has the port, perhaps another `serve`; --listen takes a \
                     different one.",
                ),
                io::ErrorKind::AddrNotAvailable => {
                    Some("It is no address of this machine; `ip address` shows them.")
                }
                io::ErrorKind::PermissionDenied => {
                    Some("Ports below 1024 are for root; --listen takes a different one.")
                }
                _ => None,
            },
            Error::NotReady { .. } => Some("The program is just starting; try again."),
            Error::OtherVersion { .. } => {
                Some("Use the reader that came with the program's libmemshim.so.")
            }
            Error::NotRecorded { .. } => Some(
                "Static and set-uid programs and those with an allocator of their own cannot be \
                 checked; --program must name an executable that the command runs.",
            ),
            Error::NoShim { .. } => Some("Say where it is with MEMSHIM_LIB=/path/libmemshim.so."),
            Error::Spawn { .. } => Some("Check the command's name and PATH."),
            Error::CannotDraw { .. } => {
                Some("Choose --format text or json, or a report with stacks such as `sites`.")
            }
            Error::Content { .. }
            | Error::Write { .. }
            | Error::NoFormat { .. }
            | Error::NoMeasure { .. }
            | Error::Argument { .. } => None,
        }
    }
}

fn list_of(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

fn directories(paths: &[PathBuf]) -> String {
    paths
        .iter()
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::io;

    use super::Error;

    fn check(error: Error, message: &str, advice: Option<&str>) {
        assert_eq!(error.to_string(), message);
        let given = error.advice();
        assert!(advice.is_none_or(|part| given.is_some_and(|given| given.contains(part))));
    }

    #[test]
    fn a_missing_segment_is_followed_by_a_way_to_get_one() {
        let directory = "/dev/shm/memshim-0".into();
        let message = "no segment found in /dev/shm/memshim-0";
        check(
            Error::NoSegment { directory },
            message,
            Some("memshim-reader run"),
        );
    }

    #[test]
    fn a_refused_file_keeps_its_cause() {
        let source = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = Error::Open {
            path: "/a.seg".into(),
            source,
        };
        assert!(error.source().is_some());
        check(error, "cannot open /a.seg", Some("as root"));
    }

    #[test]
    fn damage_says_where() {
        let problem = "extent of no length".to_owned();
        let error = Error::Damaged {
            path: "/a.seg".into(),
            offset: 4096,
            problem,
        };
        check(
            error,
            "/a.seg is damaged at offset 4096: extent of no length",
            Some("cut"),
        );
    }

    #[test]
    fn an_unknown_format_lists_the_known() {
        let error = Error::NoFormat {
            name: "xml".to_owned(),
            known: vec!["text", "json"],
        };
        check(error, "there is no format xml; there are text, json", None);
    }

    #[test]
    fn an_unknown_measure_lists_the_known() {
        let error = |known: &[&str]| Error::NoMeasure {
            measure: "size".to_owned(),
            report: "sites".to_owned(),
            known: known.iter().map(|name| name.to_string()).collect(),
        };
        let start = "the report sites has no measure size; it has";
        let known = ["live_bytes", "live_objects"];
        check(
            error(&known),
            &format!("{start} live_bytes, live_objects"),
            None,
        );
        check(error(&[]), &format!("{start} none"), None);
    }
}
