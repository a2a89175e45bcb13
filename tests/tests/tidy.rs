//! Rules about the code itself: what STYLE and the layout of the tree promise to a newcomer.

use memshim_tests::tree::{SourceFile, rust_files, source_files};

/// Lines of a file, and of a function.
const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;

/// Files, or folders, that may contain `unsafe`; all others are forbidden to.
const MAY_BE_UNSAFE: &[&str] = &[
    "shim/src/address_map.rs",
    "shim/src/bootstrap.rs",
    "shim/src/call.rs",
    "shim/src/clock.rs",
    "shim/src/config.rs",
    "shim/src/elf.rs",
    "shim/src/exports.rs",
    "shim/src/filter.rs",
    "shim/src/go/image.rs",
    "shim/src/go/program.rs",
    "shim/src/go/tests.rs",
    "shim/src/lifecycle.rs",
    "shim/src/modules.rs",
    "shim/src/private.rs",
    "shim/src/real.rs",
    "shim/src/runtime.rs",
    "shim/src/scratch.rs",
    "shim/src/segment.rs",
    "shim/src/slow.rs",
    "shim/src/sys.rs",
    "shim/src/thread.rs",
    "shim/src/tls.rs",
    "shim/src/unwind/auxiliary.rs",
    "shim/src/unwind/bytes.rs",
    "shim/src/unwind/chain.rs",
    "shim/src/unwind/find.rs",
    "shim/src/unwind/segments.rs",
    "shim/src/unwind/stack.rs",
    "shim/src/unwind/x86_64.rs",
    "shim/src/unwind/tests",
    "shim/benches/unwinder.rs",
    "reader/src/source/",
    "reader/src/run/signals.rs",
    "reader/src/run/trace.rs",
    "tests/src/damage.rs",
    "tests/src/processes.rs",
    "tests/programs/",
];

/// Folders of the reader that may name the segment's layout.
const MAY_NAME_THE_SEGMENT: &[&str] = &[
    "reader/src/source",
    "reader/src/event",
    "reader/benches/segment",
];

/// What the modules in a folder of the reader may import from their own crate.
const ARROWS: &[(&str, &[&str])] = &[
    ("reader/src/output", &["report", "output"]),
    (
        "reader/src/metrics",
        &[
            "source", "history", "analysis", "report", "session", "metrics",
        ],
    ),
    (
        "reader/src/frontend/http",
        &[
            "analysis", "report", "output", "session", "metrics", "serve", "frontend", "error",
            "cli",
        ],
    ),
];

/// Names that do not say what may not go in.
const EMPTY_NAMES: &[&str] = &[
    "utils", "util", "common", "helpers", "helper", "types", "misc", "manager",
];

#[test]
fn files_are_short() {
    check_rust(|file| {
        let lines = file.text.lines().count();
        (lines > FILE_LINES)
            .then(|| format!("{lines} lines"))
            .into_iter()
            .collect()
    });
}

#[test]
fn functions_fit_a_screen() {
    check_rust(|file| {
        let functions = file.functions().into_iter();
        let long = functions.filter(|function| function.lines > FUNCTION_LINES);
        long.map(|function| format!("{} has {} lines", function.name, function.lines))
            .collect()
    });
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    check_rust(|file| {
        let opens = file.text.starts_with("//! ");
        (!opens)
            .then(|| String::from("no //! on the first line"))
            .into_iter()
            .collect()
    });
}

#[test]
fn names_say_what_may_not_go_in() {
    check_rust(|file| {
        let words = file.path.split(['/', '.']);
        words
            .filter(|word| EMPTY_NAMES.contains(word))
            .map(String::from)
            .collect()
    });
}

#[test]
fn unsafe_stands_only_where_it_is_listed() {
    check_rust(|file| {
        if is_below(file, MAY_BE_UNSAFE) {
            return Vec::new();
        }
        lines_with(file, |line| words(line).any(|word| word == "unsafe"))
    });
}

#[test]
fn only_source_and_event_know_the_segment() {
    check_rust(|file| {
        if !file.path.starts_with("reader/") || is_below(file, MAY_NAME_THE_SEGMENT) {
            return Vec::new();
        }
        lines_with(file, |line| words(line).any(|word| word == "memshim_abi"))
    });
}

#[test]
fn imports_follow_the_arrows() {
    check_rust(|file| {
        let allowed = ARROWS
            .iter()
            .find(|(folder, _)| file.path.starts_with(folder));
        let Some((_, allowed)) = allowed else {
            return Vec::new();
        };
        let imported = crate_imports(file).into_iter();
        let wrong = imported.filter(|name| !allowed.contains(&name.as_str()));
        wrong.map(|name| format!("imports crate::{name}")).collect()
    });
}

#[test]
fn tests_wait_for_conditions_and_not_for_time() {
    check_rust(|file| {
        let sleep = concat!("thread::", "sleep");
        if !file.path.starts_with("tests/") {
            return Vec::new();
        }
        lines_with(file, |line| line.contains(sleep))
    });
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let machine_paths = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    check(source_files(), |file| {
        let lines = file.text.lines().enumerate();
        let found = lines.filter(|(_, line)| machine_paths.iter().any(|path| line.contains(path)));
        found
            .map(|(index, line)| format!("line {}: {}", index + 1, line.trim()))
            .collect()
    });
}

#[test]
fn every_member_obeys_the_lints_of_the_workspace() {
    let members = source_files()
        .into_iter()
        .filter(|file| file.path.ends_with("/Cargo.toml"));
    check(members.collect(), |file| {
        let obeys = file.text.contains("[lints]\nworkspace = true");
        (!obeys)
            .then(|| String::from("no [lints] workspace = true"))
            .into_iter()
            .collect()
    });
}

#[test]
fn every_test_program_says_its_truth() {
    let programs = source_files()
        .into_iter()
        .filter(|file| file.path.contains("tests/programs/"));
    check(programs.collect(), |file| {
        let is_library = file.path.contains("plugin");
        let says = file.text.starts_with("//") && (is_library || file.text.contains("Truth: "));
        (!says)
            .then(|| String::from("no comment with its truth"))
            .into_iter()
            .collect()
    });
}

fn check_rust(rule: impl Fn(&SourceFile) -> Vec<String>) {
    check(rust_files(), rule);
}

/// Applies a rule to files and shows every breach of it at once.
fn check(files: Vec<SourceFile>, rule: impl Fn(&SourceFile) -> Vec<String>) {
    assert!(!files.is_empty(), "the tree is not found");
    let breaches: Vec<String> = files
        .iter()
        .flat_map(|file| {
            rule(file)
                .into_iter()
                .map(|breach| format!("{}: {breach}", file.path))
        })
        .collect();
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

fn is_below(file: &SourceFile, places: &[&str]) -> bool {
    places.iter().any(|place| file.path.starts_with(place))
}

fn lines_with(file: &SourceFile, is_wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let lines = file.code_lines().filter(|(_, line)| is_wrong(line));
    lines
        .map(|(number, line)| format!("line {number}: {}", line.trim()))
        .collect()
}

/// The words of the code on a line, without what stands in quotes.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let code = line.split('"').step_by(2);
    code.flat_map(|part| part.split(|c: char| !c.is_alphanumeric() && c != '_'))
}

/// The first segment of every path that begins with `crate::`, outside of tests.
fn crate_imports(file: &SourceFile) -> Vec<String> {
    if file.path.ends_with("tests.rs") {
        return Vec::new();
    }
    let code: Vec<&str> = file.code_lines().map(|(_, line)| line).collect();
    let code = code.join("\n");
    let code = code.split("#[cfg(test)]").next().unwrap_or_default();
    let mut imports = Vec::new();
    for part in code.split("crate::").skip(1) {
        match part.strip_prefix('{') {
            Some(group) => imports.extend(names_of_group(group)),
            None => imports.extend(words(part).next().map(String::from)),
        }
    }
    imports
}

/// The names directly inside a group of imports, whose opening brace is behind us.
fn names_of_group(group: &str) -> Vec<String> {
    let (mut depth, mut name, mut names) = (0, String::new(), Vec::new());
    for character in group.chars() {
        match character {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(std::mem::take(&mut name)),
            _ if depth == 0 => name.push(character),
            _ => {}
        }
    }
    names.push(name);
    let first = |name: &String| words(name.trim()).next().map(String::from);
    names
        .iter()
        .filter_map(first)
        .filter(|name| !name.is_empty())
        .collect()
}
