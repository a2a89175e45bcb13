//! The programs under `tests/programs`, each compiled once and kept by the hash of its source.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::artefacts::build_lock;
use crate::target_dir;

/// Optimised as real programs are, but with every call and every named function kept.
const C_FLAGS: &[&str] = &[
    "-g",
    "-O2",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fno-builtin",
    "-fno-optimize-sibling-calls",
];
const LINK_FLAGS: &[&str] = &["-Wl,--build-id", "-pthread", "-ldl"];
const RUST_FLAGS: &[&str] = &["--edition", "2024", "-O", "-g"];

/// The executable made from `tests/programs/SOURCE`.
pub fn program(source: &str) -> PathBuf {
    program_with(source, &[])
}

/// As [`program`], with more flags for the compiler.
pub fn program_with(source: &str, flags: &[&str]) -> PathBuf {
    build(source, flags)
}

/// The shared library made from `tests/programs/SOURCE`.
pub fn library(source: &str) -> PathBuf {
    let name = format!("lib{}.so", stem(source));
    library_with(
        source,
        &["-shared", "-fPIC", &format!("-Wl,-soname,{name}")],
    )
}

/// A shared library compiled with exactly these flags beside the usual ones.
pub fn library_with(source: &str, flags: &[&str]) -> PathBuf {
    build(source, flags)
}

/// Where the sources of the programs are.
pub fn sources() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("programs")
}

fn build(source: &str, flags: &[&str]) -> PathBuf {
    let path = sources().join(source);
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{source}: {error}"));
    let mut hasher = DefaultHasher::new();
    (&text, source, flags, C_FLAGS, LINK_FLAGS, RUST_FLAGS).hash(&mut hasher);
    let dir = target_dir()
        .join("test-programs")
        .join(format!("{:016x}", hasher.finish()));
    let built = dir.join(file_name(source, flags));
    if built.exists() {
        return built;
    }
    let _lock = build_lock();
    if !built.exists() {
        std::fs::create_dir_all(&dir).expect("the target directory is writable");
        compile(&path, &dir.join("unfinished"), flags);
        std::fs::rename(dir.join("unfinished"), &built).expect("a finished program can be named");
    }
    built
}

fn compile(source: &Path, output: &Path, flags: &[&str]) {
    let mut command = match source.extension().and_then(|extension| extension.to_str()) {
        Some("c") => c_compiler("gcc"),
        Some("cpp") => c_compiler("g++"),
        Some("rs") => rust_compiler(source),
        other => panic!("no compiler for {other:?}"),
    };
    command.arg(source).arg("-o").arg(output).args(flags);
    if source
        .extension()
        .is_some_and(|extension| extension != "rs")
    {
        command.args(LINK_FLAGS);
    }
    let done = command
        .env_remove("LD_PRELOAD")
        .output()
        .expect("the compiler starts");
    assert!(
        done.status.success(),
        "{} does not compile:\n{}",
        source.display(),
        String::from_utf8_lossy(&done.stderr)
    );
}

fn c_compiler(name: &str) -> Command {
    let mut command = Command::new(name);
    command.args(C_FLAGS);
    command
}

fn rust_compiler(source: &Path) -> Command {
    let mut command = Command::new("rustc");
    let name = source
        .file_stem()
        .and_then(|stem| stem.to_str())
        .expect("a plain file name");
    command.args(RUST_FLAGS).args(["--crate-name", name]);
    command
}

/// The name of a source without its folder and its extension.
fn stem(source: &str) -> &str {
    let stem = Path::new(source).file_stem().and_then(|stem| stem.to_str());
    stem.unwrap_or(source)
}

fn file_name(source: &str, flags: &[&str]) -> String {
    match flags.contains(&"-shared") {
        true => format!("lib{}.so", stem(source)),
        false => stem(source).to_string(),
    }
}
