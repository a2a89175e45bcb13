//! Names of small programs that the system's compiler builds, and of this test itself.

#![forbid(unsafe_code)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::report::{Body, Column, Frame, Report, Section, Stack, Table, Unit, Value};
use crate::symbols::elf::Identity;
use crate::symbols::{Finding, Module, Search, Symbols, section};

/// Prints where a call returns to, line 7 inlined into line 10, and ends with its input.
const PROGRAM: &str = r#"#include <stdio.h>
static __attribute__((noinline)) void note(void) {
    printf("%p\n", __builtin_return_address(0));
    fflush(stdout);
}
static inline __attribute__((always_inline)) void inner(void) {
    note();
}
__attribute__((noinline)) void outer(void) {
    inner(); __asm__ volatile("");
}
int main(void) {
    outer();
    return getchar() == 'x';
}
"#;

/// The program, compiled, and the address that it prints.
struct Compiled {
    directory: TempDir,
    program: PathBuf,
    address: u64,
}

impl Compiled {
    fn new() -> Compiled {
        Compiled::with(&[])
    }

    fn with(flags: &[&str]) -> Compiled {
        let directory = TempDir::new().expect("a temporary directory");
        let (source, program) = (directory.path().join("a.c"), directory.path().join("a"));
        fs::write(&source, PROGRAM).expect("the source is written");
        let files = [source.as_os_str(), "-o".as_ref(), program.as_os_str()];
        let fixed = ["-g", "-O1", "-no-pie", "-Wl,--build-id"];
        run(Command::new("gcc").args(files).args(fixed).args(flags));
        let printed = run(&mut Command::new(&program));
        let digits = printed.trim().trim_start_matches("0x");
        let address = u64::from_str_radix(digits, 16).expect("the program prints an address");
        Compiled {
            directory,
            program,
            address,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Moves the debug information to `debug`, as distributions do.
    fn strip(&self, debug: &Path) {
        let debug_dir = debug.parent().expect("a file has a directory");
        fs::create_dir_all(debug_dir).expect("the directory is made");
        run(Command::new("objcopy")
            .arg("--only-keep-debug")
            .arg(&self.program)
            .arg(debug));
        run(Command::new("strip").arg(&self.program));
    }

    fn link(&self, debug: &Path) {
        let mut flag = std::ffi::OsString::from("--add-gnu-debuglink=");
        flag.push(debug);
        run(Command::new("objcopy").arg(flag).arg(&self.program));
    }

    fn module(&self) -> Module {
        let build_id = Identity::read(&self.program)
            .expect("gcc writes ELF")
            .build_id;
        let path = self.program.to_string_lossy().into_owned();
        Module {
            path,
            build_id,
            bias: 0,
            start: 0,
            end: u64::MAX,
        }
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("the command is installed");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("plain text")
}

/// The frames of one address, and what was wrong.
fn fill(module: Module, address: u64, search: Search) -> (Vec<Frame>, Vec<Finding>) {
    let mut table = Table::new(vec![Column::new("stack", "stack", Unit::Stack)]);
    table
        .rows
        .push(vec![Value::Stack(Stack::from_iter([Frame::new(
            address,
            Some(0),
        )]))]);
    let mut report = Report::new("test");
    report
        .sections
        .push(Section::new("sites", "Sites", Body::Table(table)));
    let findings = Symbols::new(search).fill(&mut report, &[module]);
    let frames = report
        .stacks_mut()
        .flat_map(|stack| &stack.0)
        .map(|frame| Frame::clone(frame))
        .collect();
    (frames, findings)
}

/// Compares frames as `function:line` or `?`, and the first finding's problem with a part of it.
fn check(module: Module, address: u64, search: Search, expected: &[&str], problem: Option<&str>) {
    let (frames, findings) = fill(module, address, search);
    let written: Vec<String> = frames.iter().map(written).collect();
    assert_eq!(written, expected, "with {findings:?}");
    let found = findings.first().map(|finding| finding.problem.as_str());
    match problem {
        None => assert_eq!(found, None),
        Some(part) => assert!(found.is_some_and(|found| found.contains(part)), "{found:?}"),
    }
}

fn written(frame: &Frame) -> String {
    let inlined = if frame.inlined { " inlined" } else { "" };
    match (&frame.function, frame.line) {
        (Some(function), Some(line)) => format!("{function}:{line}{inlined}"),
        (Some(function), None) => format!("{function}{inlined}"),
        (None, _) => "?".to_owned(),
    }
}

#[test]
fn a_call_in_an_inlined_function_has_two_frames() {
    let compiled = Compiled::new();
    let expected = ["inner:7 inlined", "outer:10"];
    check(
        compiled.module(),
        compiled.address,
        Search::default(),
        &expected,
        None,
    );
}

#[test]
fn a_frame_tells_its_module_build_and_offset() {
    let compiled = Compiled::new();
    let mut module = compiled.module();
    module.bias = 0x1000;
    let (frames, _) = fill(module.clone(), compiled.address + 0x1000, Search::default());
    let frame = frames.last().expect("there are frames");
    assert_eq!(frame.offset, Some(compiled.address - 1));
    assert_eq!(frame.module.as_deref(), Some(module.path.as_str()));
    assert_eq!(
        frame.build_id.as_deref(),
        Some(module.build_id_hex().as_str())
    );
    assert!(
        frame
            .file
            .as_deref()
            .is_some_and(|file| file.ends_with("/a.c")),
        "{frame:?}"
    );
}

#[test]
fn a_stripped_program_keeps_module_and_offset() {
    let compiled = Compiled::new();
    run(Command::new("strip").arg(&compiled.program));
    let module = compiled.module();
    check(
        module.clone(),
        compiled.address,
        Search::default(),
        &["?"],
        Some("stripped"),
    );
    let (frames, _) = fill(module, compiled.address, Search::default());
    assert_eq!(frames[0].offset, Some(compiled.address - 1));
}

#[test]
fn a_debug_link_next_to_the_program_is_followed() {
    let compiled = Compiled::new();
    let debug = compiled.path(".debug/a.debug");
    compiled.strip(&debug);
    compiled.link(&debug);
    let expected = ["inner:7 inlined", "outer:10"];
    check(
        compiled.module(),
        compiled.address,
        Search::default(),
        &expected,
        None,
    );
}

#[test]
fn a_debug_link_without_build_ids_needs_its_checksum() {
    let compiled = Compiled::with(&["-Wl,--build-id=none"]);
    let debug = compiled.path("a.debug");
    compiled.strip(&debug);
    compiled.link(&debug);
    let expected = ["inner:7 inlined", "outer:10"];
    check(
        compiled.module(),
        compiled.address,
        Search::default(),
        &expected,
        None,
    );

    let mut bytes = fs::read(&debug).expect("the debug file is there");
    bytes.push(0);
    fs::write(&debug, bytes).expect("the debug file is writable");
    check(
        compiled.module(),
        compiled.address,
        Search::default(),
        &["?"],
        Some("checksum"),
    );
}

#[test]
fn a_symbol_directory_is_searched_by_build_id() {
    let compiled = Compiled::new();
    let build_id = compiled.module().build_id_hex();
    let (first, rest) = build_id.split_at(2);
    let directory = compiled.path("symbols");
    compiled.strip(
        &directory
            .join(".build-id")
            .join(first)
            .join(format!("{rest}.debug")),
    );
    let search = Search {
        is_go: false,
        pid: None,
        directories: vec![directory],
    };
    let expected = ["inner:7 inlined", "outer:10"];
    check(compiled.module(), compiled.address, search, &expected, None);
}

#[test]
fn a_file_of_another_build_is_refused() {
    let compiled = Compiled::new();
    let mut module = compiled.module();
    module.build_id[0] ^= 1;
    check(
        module,
        compiled.address,
        Search::default(),
        &["?"],
        Some("is of another build"),
    );
}

#[test]
fn a_debug_file_of_another_build_is_refused() {
    let (compiled, other) = (Compiled::new(), Compiled::with(&["-DOTHER", "-O2"]));
    let debug = compiled.path("a.debug");
    compiled.strip(&debug);
    compiled.link(&debug);
    other.strip(&debug);
    check(
        compiled.module(),
        compiled.address,
        Search::default(),
        &["?"],
        Some("another build"),
    );
}

#[test]
fn a_copy_in_a_symbol_directory_replaces_a_lost_file() {
    let compiled = Compiled::new();
    let module = Module {
        path: "/nowhere/at/all/a".to_owned(),
        ..compiled.module()
    };
    let search = Search {
        is_go: false,
        pid: None,
        directories: vec![compiled.directory.path().to_owned()],
    };
    let expected = ["inner:7 inlined", "outer:10"];
    check(module.clone(), compiled.address, search, &expected, None);
    check(
        module,
        compiled.address,
        Search::default(),
        &["?"],
        Some("no file found"),
    );
}

#[test]
fn a_deleted_file_is_read_through_the_living_process() {
    let compiled = Compiled::new();
    let module = compiled.module();
    let mut child = Command::new(&compiled.program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut line = String::new();
    let stdout = child.stdout.as_mut().expect("its output is a pipe");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("it prints a line once it runs");
    fs::remove_file(&compiled.program).expect("the program can be removed");

    let search = Search {
        is_go: false,
        pid: Some(child.id()),
        directories: Vec::new(),
    };
    let (frames, findings) = fill(module, compiled.address, search);
    // Without the right to see map_files (proc(5)) there is no file, and no wrong name either.
    let map_files = format!("/proc/{}/map_files", child.id());
    let is_allowed = fs::read_dir(map_files).is_ok_and(|mut files| {
        files
            .next()
            .is_some_and(|file| file.is_ok_and(|file| fs::metadata(file.path()).is_ok()))
    });
    drop(child.stdin.take());
    child.wait().expect("the program ends with its input");
    let written: Vec<String> = frames.iter().map(written).collect();
    let expected: &[&str] = if is_allowed {
        &["inner:7 inlined", "outer:10"]
    } else {
        &["?"]
    };
    assert_eq!(written, expected, "with {findings:?}");
}

#[test]
fn a_pipe_in_place_of_a_file_does_not_hang_the_reader() {
    let compiled = Compiled::new();
    let module = compiled.module();
    fs::remove_file(&compiled.program).expect("the program can be removed");
    run(Command::new("mkfifo").arg(&compiled.program));
    let problem = Some("not a regular file");
    check(module, compiled.address, Search::default(), &["?"], problem);
}

#[test]
fn a_damaged_file_is_a_finding() {
    let compiled = Compiled::new();
    let module = compiled.module();
    fs::write(&compiled.program, b"\x7fELF\x02\x01\x01").expect("the program can be replaced");
    check(
        module,
        compiled.address,
        Search::default(),
        &["?"],
        Some("cannot be read"),
    );
}

#[test]
fn the_vdso_has_no_file_and_is_no_finding() {
    let module = Module {
        path: "[vdso]".to_owned(),
        ..Module::default()
    };
    check(module, 0x1000, Search::default(), &["?"], None);
}

#[test]
fn an_address_without_a_module_stays_an_address() {
    let (frames, findings) = fill(Module::default(), 0, Search::default());
    assert_eq!(frames, [Frame::new(0, Some(0))]);
    assert_eq!(section(&findings), None);
}

#[test]
fn a_function_of_rust_is_demangled_in_this_process() {
    let (module, pid) = (this_program(), Some(std::process::id()));
    let address = this_program as *const () as u64 + 1;
    let (frames, findings) = fill(
        module,
        address,
        Search {
            is_go: false,
            pid,
            directories: Vec::new(),
        },
    );
    let name = frames.last().and_then(|frame| frame.function.clone());
    assert_eq!(
        name.as_deref(),
        Some("memshim_reader::symbols::tests::this_program")
    );
    assert_eq!(findings, []);
}

/// The test's own executable as the loader placed it.
fn this_program() -> Module {
    let path = std::env::current_exe().expect("the test has a file");
    let maps = fs::read_to_string("/proc/self/maps").expect("the kernel tells our mappings");
    let name = path.to_string_lossy();
    let range = |line: &str| {
        let (start, end) = line.split(' ').next()?.split_once('-')?;
        Some((
            u64::from_str_radix(start, 16).ok()?,
            u64::from_str_radix(end, 16).ok()?,
        ))
    };
    let ranges: Vec<(u64, u64)> = maps
        .lines()
        .filter(|line| line.ends_with(&*name))
        .filter_map(range)
        .collect();
    let build_id = Identity::read(&path)
        .expect("the test is an ELF file")
        .build_id;
    let (start, end) = (ranges[0].0, ranges[ranges.len() - 1].1);
    Module {
        path: name.into_owned(),
        build_id,
        bias: start,
        start,
        end,
    }
}

#[test]
fn a_function_of_cxx_is_demangled() {
    let directory = TempDir::new().expect("a temporary directory");
    let (source, program) = (directory.path().join("a.cc"), directory.path().join("a.so"));
    let text = "namespace heap { template <class T> void grow(T*) {} template void grow(int*); }\n";
    fs::write(&source, text).expect("the source is written");
    run(Command::new("g++")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&program)
        .arg(&source));
    let printed = run(Command::new("nm").arg(&program));
    let line = printed
        .lines()
        .find(|line| line.contains("grow"))
        .expect("nm lists it");
    let address = u64::from_str_radix(&line[..16], 16).expect("nm prints addresses") + 1;
    let path = program.to_string_lossy().into_owned();
    let module = Module {
        path,
        end: u64::MAX,
        ..Module::default()
    };
    check(
        module,
        address,
        Search::default(),
        &["void heap::grow<int>(int*)"],
        None,
    );
}
