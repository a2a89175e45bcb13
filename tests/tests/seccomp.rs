//! Filters of system calls, as containers have them: what the guide says of them is true.

use std::collections::BTreeSet;

use memshim_tests::{Scene, program, workspace_root};

/// Calls without which the loader itself would not get far, with or without the shim.
const OF_THE_LOADER: [&str; 9] = [
    "openat",
    "read",
    "fstat",
    "close",
    "mmap",
    "munmap",
    "mprotect",
    "rt_sigaction",
    "rt_sigprocmask",
];

/// Every system call in the shim's sources.
fn calls_of_the_shim() -> BTreeSet<String> {
    let folder = workspace_root().join("shim/src");
    let entries = std::fs::read_dir(folder)
        .expect("the shim has sources")
        .flatten();
    let texts = entries.filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
    let in_text = |text: String| {
        let parts = text.split("SYS_").skip(1).map(|rest| {
            let is_part = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '_';
            rest.chars().take_while(is_part).collect::<String>()
        });
        parts.collect::<Vec<String>>()
    };
    texts.flat_map(in_text).collect()
}

#[test]
fn the_guide_names_every_system_call_of_the_shim() {
    let calls = calls_of_the_shim();
    assert!(calls.len() > 20, "{calls:?}");
    let guide = std::fs::read_to_string(workspace_root().join("docs/production.md"));
    let guide = guide.expect("the guide is there");
    let line = guide.lines().find(|line| line.contains("**seccomp.**"));
    let line = line.expect("the guide speaks of seccomp");
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let named: BTreeSet<&str> = line.split(|letter| !is_part(letter)).collect();
    // Those that tell ids are in every program, and named together.
    let tells_ids = |call: &String| call.starts_with("get") && call.ends_with("id");
    for call in calls.iter().filter(|call| !tells_ids(call)) {
        assert!(named.contains(&**call), "{call} is not in: {line}");
    }
}

#[test]
fn a_filter_that_refuses_a_call_changes_nothing_for_the_program() {
    let scene = Scene::new();
    let filter = program("refuse_call.c");
    let filter = filter.to_str().expect("a path of letters");
    let numbers = [
        ("pwrite64", libc::SYS_pwrite64),
        ("ftruncate", libc::SYS_ftruncate),
        ("fallocate", libc::SYS_fallocate),
        ("mkdir", libc::SYS_mkdir),
        ("unlinkat", libc::SYS_unlinkat),
        ("readlink", libc::SYS_readlink),
        ("getcwd", libc::SYS_getcwd),
        ("madvise", libc::SYS_madvise),
        ("clock_gettime", libc::SYS_clock_gettime),
        ("getrandom", libc::SYS_getrandom),
        ("prlimit64", libc::SYS_prlimit64),
        ("prctl", libc::SYS_prctl),
    ];
    let tried = numbers.map(|(name, _)| name);
    for call in calls_of_the_shim() {
        let is_known = tried.contains(&&*call) || OF_THE_LOADER.contains(&&*call);
        assert!(is_known || call.ends_with("id"), "{call} is not tried");
    }
    let wanted = scene.plain(program("busy.c")).arg("50000").run();
    for (name, number) in numbers {
        let launch = scene.preloaded(program("busy.c")).arg("50000");
        let outcome = launch.wrapped_in([filter, &number.to_string()]).run();
        eprintln!("without {name}");
        outcome.assert_same_as(&wanted);
    }
}
