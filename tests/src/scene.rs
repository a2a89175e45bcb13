//! A fresh place for one test: its own `MEMSHIM_DIR`, its own scratch files, gone at the end.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::artefacts::artefacts;
use crate::launch::Launch;
use crate::reading::Answer;
use crate::target_dir;

/// The directories of one test.
pub struct Scene {
    segments: PathBuf,
    scratch: PathBuf,
}

/// One segment file, by the parts of its name `<pid>-<starttime>-<n>.seg`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    /// The process that wrote it.
    pub pid: u32,
    /// The start time of that process, in clock ticks after boot.
    pub start_time: u64,
    /// Counts the programs that one process has executed.
    pub number: u32,
    /// The file.
    pub path: PathBuf,
}

impl Default for Scene {
    fn default() -> Scene {
        Scene::new()
    }
}

impl Scene {
    /// An empty scene: its segments are in memory where the machine has `/dev/shm`, its scratch
    /// files where programs can be executed.
    pub fn new() -> Scene {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Relaxed: the number only has to differ, nothing is published with it.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("memshim-test-{}-{number}", std::process::id());
        let shm = Path::new("/dev/shm");
        let parent = if shm.is_dir() {
            shm.to_path_buf()
        } else {
            std::env::temp_dir()
        };
        let scene = Scene {
            segments: parent.join(&name),
            scratch: target_dir().join("test-scenes").join(&name),
        };
        std::fs::create_dir(&scene.segments).expect("the place for segments is writable");
        std::fs::create_dir_all(&scene.scratch).expect("the target directory is writable");
        scene
    }

    /// What `MEMSHIM_DIR` is set to.
    pub fn segment_dir(&self) -> PathBuf {
        self.segments.clone()
    }

    /// Room for the files of a test and of its programs.
    pub fn scratch_dir(&self) -> PathBuf {
        self.scratch.clone()
    }

    /// Writes a scratch file and gives its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.scratch_dir().join(name);
        std::fs::write(&path, content).expect("a scene is writable");
        path
    }

    /// `program` without memshim, in the same directory and environment as with it.
    pub fn plain(&self, program: impl AsRef<OsStr>) -> Launch {
        Launch::new(program)
            .current_dir(self.scratch_dir())
            .env("LC_ALL", "C")
    }

    /// `program` under the shim, in exact mode.
    pub fn preloaded(&self, program: impl AsRef<OsStr>) -> Launch {
        self.preloaded_with(&[], program)
    }

    /// As [`Scene::preloaded`], with more libraries preloaded behind the shim.
    pub fn preloaded_with(&self, behind: &[&Path], program: impl AsRef<OsStr>) -> Launch {
        let mut preload = OsString::from(&artefacts().shim);
        for library in behind {
            preload.push(":");
            preload.push(library);
        }
        self.plain(program)
            .env("LD_PRELOAD", preload)
            .env("MEMSHIM_DIR", self.segment_dir())
            .interval("exact")
    }

    /// Runs `program` plainly and under the shim in exact mode, checks that nobody could tell the
    /// difference, and gives the sites of the process that was started.
    pub fn profile(&self, program: impl AsRef<OsStr>, args: &[&str]) -> Answer {
        let outcome = self.preloaded(program.as_ref()).args(args).run();
        let plain = self.plain(program.as_ref()).args(args).run();
        outcome.assert_same_as(&plain);
        self.sites(&self.segment_of(outcome.pid))
    }

    /// Every segment in the scene, by process, oldest first.
    pub fn segments(&self) -> Vec<Segment> {
        segments_below(&self.segment_dir())
    }

    /// The segment of the last program that `pid` executed.
    pub fn segment_of(&self, pid: u32) -> Segment {
        let all = self.segments();
        let found = all.iter().rfind(|segment| segment.pid == pid).cloned();
        found.unwrap_or_else(|| panic!("process {pid} has no segment among {all:?}"))
    }

    /// The segments of all processes but `pid`.
    pub fn segments_beside(&self, pid: u32) -> Vec<Segment> {
        self.segments()
            .into_iter()
            .filter(|segment| segment.pid != pid)
            .collect()
    }

    /// A command line of `memshim-reader`.
    pub fn reader<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Launch {
        self.plain(&artefacts().reader)
            .env("MEMSHIM_DIR", self.segment_dir())
            .args(args)
    }

    /// The reader's JSON answer to `analysis` of `target`.
    pub fn ask(&self, analysis: &str, target: impl AsRef<OsStr>) -> Answer {
        let launch = self
            .reader([analysis])
            .arg(target)
            .args(["--format", "json"]);
        Answer::parse(&launch.run().success().stdout)
    }

    /// The summary of one segment.
    pub fn report(&self, segment: &Segment) -> Answer {
        self.ask("report", &segment.path)
    }

    /// The reader's JSON answer to `list`.
    pub fn list(&self) -> Answer {
        let launch = self.reader(["list", "--format", "json"]);
        Answer::parse(&launch.run().success().stdout)
    }

    /// Every site of one segment, however many there are.
    pub fn sites(&self, segment: &Segment) -> Answer {
        let launch = self.reader(["sites"]).arg(&segment.path);
        let launch = launch.args(["--top", "1000000", "--format", "json"]);
        Answer::parse(&launch.run().success().stdout)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the scene of the failed test was {:?}", self.segments());
        }
        // A test that failed to clean up must not hide why it failed before that.
        drop(std::fs::remove_dir_all(&self.segments));
        drop(std::fs::remove_dir_all(&self.scratch));
    }
}

/// The segments of all users below a `MEMSHIM_DIR`.
pub fn segments_below(dir: &Path) -> Vec<Segment> {
    let mut segments = Vec::new();
    for user_dir in entries(dir) {
        let name = user_dir
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with("memshim-") && user_dir.is_dir() {
            segments.extend(entries(&user_dir).into_iter().filter_map(Segment::parse));
        }
    }
    segments.sort();
    segments
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect()
}

impl Segment {
    /// The segment at `path`, if its name is that of one.
    pub fn parse(path: PathBuf) -> Option<Segment> {
        let name = path.file_name()?.to_str()?.strip_suffix(".seg")?;
        let mut parts = name.split('-');
        let pid = parts.next()?.parse().ok()?;
        let start_time = parts.next()?.parse().ok()?;
        let number = parts.next()?.parse().ok()?;
        parts.next().is_none().then_some(Segment {
            pid,
            start_time,
            number,
            path,
        })
    }
}
