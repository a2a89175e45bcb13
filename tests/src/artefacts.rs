//! The shim and the reader under test, built once however many test binaries run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::processes::lock_exclusively;
use crate::{target_dir, workspace_root};

/// Where the two built halves of memshim are.
#[derive(Debug)]
pub struct Artefacts {
    /// The library that goes into `LD_PRELOAD`.
    pub shim: PathBuf,
    /// The `memshim-reader` executable.
    pub reader: PathBuf,
}

/// The artefacts, built by the first caller.
///
/// With `MEMSHIM_TEST_BIN_DIR` set, nothing is built and both are taken from that directory.
pub fn artefacts() -> &'static Artefacts {
    static ARTEFACTS: OnceLock<Artefacts> = OnceLock::new();
    ARTEFACTS.get_or_init(|| match std::env::var_os("MEMSHIM_TEST_BIN_DIR") {
        Some(dir) => artefacts_in(&workspace_root().join(dir)),
        None => {
            build_release();
            artefacts_in(&target_dir().join("release"))
        }
    })
}

fn artefacts_in(dir: &Path) -> Artefacts {
    let present = |name: &str| {
        let path = dir.join(name);
        path.canonicalize()
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    Artefacts {
        shim: present("libmemshim.so"),
        reader: present("memshim-reader"),
    }
}

fn build_release() {
    let _lock = build_lock();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "build",
            "--release",
            "--locked",
            "-p",
            "memshim",
            "-p",
            "memshim-reader",
        ])
        .current_dir(workspace_root())
        .env_remove("LD_PRELOAD")
        .output()
        .expect("cargo starts");
    assert!(
        output.status.success(),
        "memshim does not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Held while something is built, so that test binaries never build the same thing together.
pub fn build_lock() -> File {
    let dir = target_dir().join("test-programs");
    std::fs::create_dir_all(&dir).expect("the target directory is writable");
    let file = File::create(dir.join("build.lock")).expect("the lock file is writable");
    lock_exclusively(&file);
    file
}
