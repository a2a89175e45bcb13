//! Everything a test of memshim needs to run a program under the shim and to read what it left.
//!
//! A test opens a [`Scene`], launches a program in it, and asks the reader about its segment:
//!
//! ```no_run
//! use memshim_tests::{Scene, program};
//!
//! let scene = Scene::new();
//! let outcome = scene.preloaded(program("fifo.c")).run();
//! let sites = scene.sites(&scene.segment_of(outcome.pid));
//! assert_eq!(sites.through("fifo_allocate").allocated, 100_000);
//! ```

pub mod addresses;
pub mod artefacts;
pub mod counting;
pub mod damage;
pub mod deploy;
pub mod gdb;
pub mod go;
pub mod launch;
pub mod processes;
pub mod programs;
pub mod prometheus;
pub mod reading;
pub mod scene;
pub mod tree;

pub use artefacts::{Artefacts, artefacts};
pub use counting::{Count, count_calls, count_calls_of_each_process};
pub use launch::{Launch, Outcome, Running};
pub use programs::{library, program, program_with};
pub use prometheus::Prometheus;
pub use reading::{Answer, Estimate, Site, Totals};
pub use scene::{Scene, Segment};

use std::panic::{RefUnwindSafe, UnwindSafe, catch_unwind};
use std::path::PathBuf;

/// The root of the workspace.
pub fn workspace_root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Cargo's target directory, where built programs are kept between runs.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => absolute(workspace_root().join(dir)),
        None => absolute(workspace_root().join("target")),
    }
}

fn absolute(path: PathBuf) -> PathBuf {
    // The kernel and the reader name files by their real paths, so the tests do too.
    std::fs::create_dir_all(&path).expect("the target directory can be made");
    path.canonicalize().expect("the target directory is there")
}

/// Says why a test proves nothing on this machine; the caller then returns.
///
/// Where `MEMSHIM_TEST_DEMANDS_TOOLS` is set nothing may be missing, and the test fails.
pub fn skip(reason: &str) {
    let is_demanded = std::env::var_os("MEMSHIM_TEST_DEMANDS_TOOLS").is_some();
    assert!(!is_demanded, "{reason}");
    eprintln!("skipped: {reason}");
}

/// Says what this machine does not allow, whatever is installed on it; the caller then returns.
pub fn not_allowed_here(what: &str) {
    eprintln!("skipped: {what}");
}

/// Runs a test of a program that must keep its pace; one of three runs must be undisturbed.
///
/// On a machine that is busy with other things a program stands still now and then, and what it
/// did evenly is uneven by any clock. A fault shows in each run.
///
/// # Panics
///
/// As the test does in the last run.
pub fn at_an_even_pace(test: impl Fn() + UnwindSafe + RefUnwindSafe) {
    let disturbed = (1..3).all(|_| catch_unwind(&test).is_err());
    if disturbed {
        test();
    }
}

/// Whether `name` is an executable on the search path.
pub fn is_installed(name: &str) -> bool {
    find_installed(name).is_some()
}

/// The full path of the executable `name`, from the search path.
pub fn find_installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}
