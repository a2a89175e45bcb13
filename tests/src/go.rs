//! Programs in Go under `tests/programs/go`, built by Debian's Go or the one that
//! `MEMSHIM_TEST_GOROOT` names.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::artefacts::build_lock;
use crate::programs::sources;
use crate::{find_installed, target_dir};

/// How a program is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Linked {
    /// As `go build` does it, with a symbol table.
    Plainly,
    /// With `-ldflags='-s -w'`, as programs are released.
    WithoutSymbols,
    /// Plainly, and then `strip` has been over it.
    Stripped,
    /// To be loaded anywhere.
    PositionIndependent,
    /// As packers leave them: what says where the sections are is overwritten.
    WithoutSections,
    /// The same of one that is to be loaded anywhere.
    PositionIndependentWithoutSections,
}

impl Linked {
    /// All ways.
    pub const ALL: [Linked; 6] = [
        Linked::Plainly,
        Linked::WithoutSymbols,
        Linked::Stripped,
        Linked::PositionIndependent,
        Linked::WithoutSections,
        Linked::PositionIndependentWithoutSections,
    ];

    fn flags(self) -> &'static [&'static str] {
        match self {
            Linked::Plainly | Linked::Stripped | Linked::WithoutSections => &[],
            Linked::WithoutSymbols => &["-ldflags=-s -w"],
            Linked::PositionIndependent | Linked::PositionIndependentWithoutSections => {
                &["-buildmode=pie"]
            }
        }
    }

    fn has_sections(self) -> bool {
        let without = [
            Linked::WithoutSections,
            Linked::PositionIndependentWithoutSections,
        ];
        !without.contains(&self)
    }
}

/// The line of a program under `tests/programs/go` that has some text, the first if there are more.
pub fn line_with(source: &str, text: &str) -> u64 {
    let path = sources().join("go").join(source);
    let program = std::fs::read_to_string(path).expect("a program");
    let place = program.lines().position(|line| line.contains(text));
    place.expect("a line with it") as u64 + 1
}

/// The command `go`; `None` where there is none.
pub fn toolchain() -> Option<PathBuf> {
    match std::env::var_os("MEMSHIM_TEST_GOROOT") {
        Some(root) => Some(PathBuf::from(root).join("bin/go")),
        None => find_installed("go"),
    }
}

/// The executable made of these files, without cgo.
pub fn go_program(files: &[&str], linked: Linked) -> PathBuf {
    build(files, linked, false)
}

/// The executable made of these files, with C in them.
pub fn cgo_program(files: &[&str]) -> PathBuf {
    build(files, Linked::Plainly, true)
}

fn build(files: &[&str], linked: Linked, has_c: bool) -> PathBuf {
    let go = toolchain().expect("whoever builds asked for the toolchain before");
    let folder = sources().join("go");
    let mut hasher = DefaultHasher::new();
    (files, linked, has_c, &go).hash(&mut hasher);
    for file in files {
        let text = std::fs::read(folder.join(file));
        text.unwrap_or_else(|error| panic!("{file}: {error}"))
            .hash(&mut hasher);
    }
    let dir = target_dir()
        .join("test-programs")
        .join(format!("{:016x}", hasher.finish()));
    let name = files[0].strip_suffix(".go").unwrap_or(files[0]);
    let built = dir.join(name);
    let _lock = build_lock();
    if !built.exists() {
        std::fs::create_dir_all(&dir).expect("the target directory is writable");
        let unfinished = dir.join("unfinished");
        let mut command = command(&go, has_c);
        command.args(["build", "-o"]).arg(&unfinished);
        command.args(linked.flags());
        command.args(files.iter().map(|file| folder.join(file)));
        run(command);
        if linked == Linked::Stripped {
            let mut strip = Command::new("strip");
            strip.arg(&unfinished);
            run(strip);
        }
        if !linked.has_sections() {
            forget_sections(&unfinished);
        }
        std::fs::rename(unfinished, &built).expect("a finished program can be named");
    }
    built
}

/// Clears what the header of a 64-bit ELF file says of sections: e_shoff, and e_shentsize to
/// e_shstrndx (elf(5)).
fn forget_sections(path: &Path) {
    let mut bytes = std::fs::read(path).expect("what was built can be read");
    bytes[0x28..0x30].fill(0);
    bytes[0x3a..0x40].fill(0);
    std::fs::write(path, bytes).expect("the target directory is writable");
}

/// `go` with settings that no machine's own can change.
pub fn command(go: &Path, has_c: bool) -> Command {
    let mut command = Command::new(go);
    command
        .env_remove("LD_PRELOAD")
        .env_remove("GOFLAGS")
        .env("GOTOOLCHAIN", "local")
        .env("GO111MODULE", "off")
        .env("CGO_ENABLED", if has_c { "1" } else { "0" })
        .env("GOCACHE", target_dir().join("go-cache"));
    if let Some(root) = std::env::var_os("MEMSHIM_TEST_GOROOT") {
        command.env("GOROOT", root);
    }
    command
}

fn run(mut command: Command) {
    let done = command.output().expect("the compiler starts");
    assert!(
        done.status.success(),
        "{command:?} failed:\n{}",
        String::from_utf8_lossy(&done.stderr)
    );
}
