//! What is read of a Go program beside its call stacks, and of those that hide something.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use memshim_reader::source::Totals;
use memshim_reader::source::go::Process;
use memshim_tests::go::{Linked, go_program, toolchain};
use memshim_tests::{Scene, skip};

/// Whether a test can be done here.
fn has_go() -> bool {
    let is_there = toolchain().is_some();
    if !is_there {
        skip("there is no Go compiler");
    }
    is_there
}

/// The magic of the table of functions, for Go 1.19 and for later ones (runtime/symtab.go).
const TABLE_MAGICS: [[u8; 8]; 2] = [
    [0xf0, 0xff, 0xff, 0xff, 0, 0, 1, 8],
    [0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8],
];

#[test]
fn a_program_that_was_made_unrecognisable_is_refused_in_one_line() {
    if !has_go() {
        return;
    }
    for linked in [Linked::Plainly, Linked::WithoutSections] {
        let scene = Scene::new();
        let mut bytes =
            fs::read(go_program(&["allocations.go", "silent.go"], linked)).expect("a program");
        // Code has it too, as two halves; only the table begins with it whole.
        let tables = (0..bytes.len() - 8).filter(|at| {
            let eight = bytes[*at..*at + 8].first_chunk();
            eight.is_some_and(|it| TABLE_MAGICS.contains(it))
        });
        for at in tables.collect::<Vec<usize>>() {
            bytes[at] = 0x77;
        }
        let garbled = scene.file("garbled", bytes);
        let all_may = Permissions::from_mode(0o755);
        fs::set_permissions(&garbled, all_may).expect("it is ours");
        let garbled = garbled.to_str().expect("a plain path");
        let outcome = scene.reader(["run", "--", garbled, "exit"]).run();
        // Its own runtime does not recognise it either, and says so, as it does without memshim.
        let plain = scene.plain(garbled).arg("exit").run();
        assert_eq!(outcome.status.code(), plain.status.code());
        let own = outcome.stderr.lines();
        let own: Vec<&str> = own
            .filter(|it| it.starts_with("memshim-reader: "))
            .collect();
        assert_eq!(own.len(), 1, "{linked:?}: {}", outcome.stderr);
        assert!(
            own[0].contains("the table of its functions was not found"),
            "{own:?}"
        );
    }
}

#[test]
fn collections_and_goroutines_are_those_that_the_runtime_tells() {
    if !has_go() {
        return;
    }
    for linked in Linked::ALL {
        let scene = Scene::new();
        let mut running = scene.plain(go_program(&["figures.go"], linked)).start();
        running.wait_for("quiet");
        let answer = scene.ask("report", running.pid.to_string());
        let outcome = running.finish().success();
        let told = outcome.stdout.lines();
        let told = told.filter_map(|line| line.strip_prefix("figures "));
        let told: Vec<u64> = told
            .flat_map(|line| line.split(' '))
            .map(|word| word.parse().expect("a number"))
            .collect();
        let found = |name: &str| answer.json["target"][name].as_u64();
        let names = [
            "go_collections",
            "go_last_pause_ns",
            "go_pauses_ns",
            "go_last_collection_unix_ns",
            "go_goal_bytes",
        ];
        for (name, told) in names.iter().zip(&told) {
            assert_eq!(found(name), Some(*told), "{name}, {linked:?}");
        }
        // Only names say where goroutines are counted.
        let has_names = matches!(linked, Linked::Plainly | Linked::PositionIndependent);
        let goroutines = has_names.then_some(told[5]);
        assert_eq!(found("go_goroutines"), goroutines, "{linked:?}");
    }
}

#[test]
fn more_stacks_than_one_read_out_should_take_long_for_are_all_there() {
    const DEPTH: u32 = 12;
    if !has_go() {
        return;
    }
    let scene = Scene::new();
    let program = go_program(&["many_stacks.go"], Linked::WithoutSymbols);
    let launch = scene.plain(program).arg(DEPTH.to_string());
    let mut running = launch.start();
    running.wait_for("quiet 1");
    let mut process = Process::open(running.pid).expect("a Go program");
    let readout = process.read_out().expect("its profile");
    let of_48 = |born: &Totals| born.raw_objects * 48 == born.raw_bytes;
    let whole = |depth: usize| depth == DEPTH as usize + 4;
    let stacks = readout.stacks.iter();
    let kept = stacks.filter(|it| whole(it.stack.len()) && of_48(&it.born));
    assert_eq!(kept.count(), 1 << DEPTH);
    assert_eq!(readout.changed.len(), readout.stacks.len());
    let again = process.read_out().expect("its profile");
    // What waits for the next line may have allocated meanwhile, and the runtime itself.
    let changed = again.changed.len();
    assert!(changed < 32, "{changed} of {}", again.stacks.len());
    assert_eq!(again.stacks.len() >> DEPTH, 1);
    drop(running);
}
