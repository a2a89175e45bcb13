//! The machine code of the shim keeps the shape that its cost depends on.
//!
//! Needs the Debian package binutils.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use memshim_tests::artefacts;

/// What the shim interposes; each is called by somebody else's code.
const EXPORTS: &[&str] = &[
    "aligned_alloc",
    "calloc",
    "free",
    "free_aligned_sized",
    "free_sized",
    "malloc",
    "memalign",
    "posix_memalign",
    "pvalloc",
    "realloc",
    "valloc",
];

/// Exported when the feature that needs them is built.
const OPTIONAL_EXPORTS: &[&str] = &["dlclose"];

/// Bytes of thread-local memory: static TLS is scarce, and shared with every other library.
const TLS_BYTES: u64 = 64;

/// Instructions of each entry point, its tail jump included; `instructions.rs` counts them in use.
#[cfg(target_arch = "x86_64")]
const FAST_PATHS: &[(&str, usize)] = &[
    ("malloc", 4),
    ("calloc", 7),
    ("realloc", 8),
    ("free", 5),
    ("free_sized", 5),
    ("free_aligned_sized", 5),
];

#[cfg(target_arch = "x86_64")]
#[test]
fn entry_points_are_leaves_that_end_in_a_tail_jump() {
    let code = disassembly();
    for (entry, most) in FAST_PATHS {
        let path = fast_path(&code, entry);
        for instruction in &path {
            let makes_frame = instruction.starts_with("push")
                || instruction.starts_with("call")
                || instruction.starts_with("sub") && instruction.ends_with("%rsp")
                || instruction.starts_with("enter");
            assert!(
                !makes_frame,
                "{entry} has `{instruction}` before its jump: {path:#?}"
            );
        }
        assert!(path.len() < *most, "{entry} is long: {path:#?}");
    }
}

#[test]
fn thread_locals_are_reached_without_a_call() {
    assert!(
        !disassembly().contains("__tls_get_addr"),
        "__tls_get_addr is called"
    );
    assert!(
        !disassembly().contains("tlsdesc"),
        "a TLS descriptor is called"
    );
    let imported = tool("nm", &["-D", "--undefined-only"]);
    assert!(
        !imported.contains("__tls_get_addr"),
        "__tls_get_addr is imported"
    );
}

#[test]
fn thread_locals_fit_in_one_cache_line() {
    let headers = tool("readelf", &["-lW"]);
    let line = headers
        .lines()
        .find(|line| line.trim_start().starts_with("TLS"));
    let line = line.expect("the countdown is thread-local");
    let size = line
        .split_whitespace()
        .nth(5)
        .expect("readelf prints the memory size sixth");
    let size = u64::from_str_radix(size.trim_start_matches("0x"), 16).expect("a hex number");
    assert!(size <= TLS_BYTES, "{size} bytes of thread-local memory");
}

#[test]
fn exports_are_exactly_the_interposed_names() {
    let defined = tool("nm", &["-D", "--defined-only"]);
    let found: BTreeSet<&str> = defined
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .collect();
    let required: BTreeSet<&str> = EXPORTS.iter().copied().collect();
    let missing: Vec<_> = required.difference(&found).collect();
    assert!(missing.is_empty(), "not interposed: {missing:?}");
    let extra = |name: &&&str| !required.contains(**name) && !OPTIONAL_EXPORTS.contains(*name);
    let extra: Vec<_> = found.iter().filter(extra).collect();
    assert!(extra.is_empty(), "exported without need: {extra:?}");
}

#[test]
fn the_shim_needs_no_other_library() {
    let dynamic = tool("readelf", &["-dW"]);
    assert!(!dynamic.contains("(NEEDED)"), "{dynamic}");
}

#[test]
fn nothing_in_the_shim_can_panic() {
    let symbols = tool("nm", &["-C"]);
    assert!(symbols.contains("memshim::slow"), "symbols were stripped");
    let panics: Vec<&str> = symbols
        .lines()
        .filter(|line| line.contains("panic"))
        .collect();
    assert!(panics.is_empty(), "linked, so called: {panics:#?}");
}

#[test]
fn imports_have_no_versions() {
    let imported = tool("nm", &["-D", "--undefined-only"]);
    let versioned: Vec<&str> = imported.lines().filter(|line| line.contains('@')).collect();
    assert!(versioned.is_empty(), "{versioned:?} would not load on musl");
}

/// The instructions of `entry` up to and without its indirect tail jump.
#[cfg(target_arch = "x86_64")]
fn fast_path(code: &str, entry: &str) -> Vec<String> {
    let label = format!("<{entry}>:");
    let body = code
        .lines()
        .skip_while(|line| !line.ends_with(&label))
        .skip(1);
    let instructions = body
        .filter_map(|line| {
            line.split_once(":\t")
                .map(|(_, instruction)| instruction.trim())
        })
        .map(|instruction| {
            instruction
                .split('#')
                .next()
                .unwrap_or("")
                .trim()
                .to_string()
        });
    let mut path = Vec::new();
    for instruction in instructions {
        if instruction.contains("jmp") && instruction.contains('*') {
            return path;
        }
        assert!(
            !instruction.starts_with("ret"),
            "{entry} returns before it jumps: {path:#?}"
        );
        path.push(instruction);
    }
    panic!("{entry} has no tail jump: {path:#?}");
}

fn disassembly() -> String {
    tool("objdump", &["-d", "--no-show-raw-insn"])
}

fn tool(name: &str, flags: &[&str]) -> String {
    let shim: &Path = &artefacts().shim;
    let output = Command::new(name).args(flags).arg(shim).output();
    let output = output.unwrap_or_else(|error| panic!("{name}, of the package binutils: {error}"));
    assert!(
        output.status.success(),
        "{name}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
