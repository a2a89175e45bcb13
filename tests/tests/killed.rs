//! Death for lack of memory: what the segment, `run` and a recording say of it afterwards.

use std::path::{Path, PathBuf};

use memshim_tests::processes::SIGKILL;
use memshim_tests::reading::Answer;
use memshim_tests::{Launch, Scene, not_allowed_here, program};

/// What a control group of the tests may use.
const LIMIT_BYTES: u64 = 96 << 20;

/// A control group with a memory limit; removed at the end.
struct Group {
    path: PathBuf,
}

impl Group {
    /// Nothing where the tests may make none.
    fn make(name: &str) -> Option<Group> {
        let name = format!("memshim-test-{}-{name}", std::process::id());
        let places = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
        ];
        for (root, limit) in places {
            let group = Group {
                path: Path::new(root).join(&name),
            };
            let is_made = std::fs::create_dir(&group.path).is_ok();
            if is_made && std::fs::write(group.path.join(limit), LIMIT_BYTES.to_string()).is_ok() {
                return Some(group);
            }
        }
        not_allowed_here("no control group with a memory limit can be made here");
        None
    }

    /// The same command, as a member of the group.
    fn around(&self, launch: Launch) -> Launch {
        let enter = format!(
            "echo $$ > '{}/cgroup.procs'; exec \"$@\"",
            self.path.display()
        );
        launch.wrapped_in(["/bin/sh", "-c", &enter, "sh"])
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        drop(std::fs::remove_dir(&self.path));
    }
}

fn end_of(answer: &Answer) -> (String, u64) {
    let sections = answer.json["sections"].as_array().expect("sections");
    let death = sections.iter().find(|it| it["name"] == "death");
    let facts = &death.unwrap_or_else(|| panic!("no end in {:#}", answer.json))["facts"];
    let end = facts["end"].as_str().expect("a sentence").to_owned();
    (end, facts["limit_bytes"].as_u64().unwrap_or(0))
}

/// The shim is preloaded for the program alone, not for the shell that enters the group.
fn in_group(scene: &Scene, group: &Group) -> Launch {
    let preload = scene.preloaded("env").words();
    assert_eq!(preload.len(), 1);
    group.around(scene.preloaded(program("grow_until_killed.c")))
}

#[test]
fn a_segment_tells_how_near_its_limit_a_killed_process_was_and_what_had_grown() {
    let scene = Scene::new();
    let Some(group) = Group::make("segment") else {
        return;
    };
    let outcome = in_group(&scene, &group).run();
    assert_eq!(outcome.signal(), Some(SIGKILL), "{}", outcome.stderr);
    let report = scene.report(&scene.segment_of(outcome.pid));
    let (end, limit_bytes) = end_of(&report);
    assert_eq!(limit_bytes, LIMIT_BYTES);
    assert!(
        end.starts_with("killed, crashed or left by _exit at "),
        "{end}"
    );
    assert!(
        end.contains("of the 96.0 MiB that its control group may have"),
        "{end}"
    );
    assert!(end.contains("the likely cause"), "{end}");
    let grown = &report.rows("growth")[0];
    assert!(grown["stack"].to_string().contains("keep_block"), "{grown}");
}

#[test]
fn run_and_a_recording_say_that_it_was_the_kernel() {
    let scene = Scene::new();
    let Some(group) = Group::make("seen") else {
        return;
    };
    let directory = scene.scratch_dir().join("recording");
    let mut grower = in_group(&scene, &group).start();
    grower.wait_for("holds 8");
    let recorder = scene
        .reader(["record", "--every", "20ms", "--output"])
        .arg(&directory)
        .arg(grower.pid.to_string())
        .start();
    assert_eq!(grower.finish().signal(), Some(SIGKILL));
    let log = recorder.finish().success().stderr;
    assert!(log.contains("was killed: no memory was left, at "), "{log}");
    let recorded = scene.reader(["report", "--format", "json"]).arg(&directory);
    let recorded = Answer::parse(&recorded.run().success().stdout);
    let killed = "killed by the kernel because memory was used up, at ";
    assert!(
        end_of(&recorded).0.starts_with(killed),
        "{:#}",
        recorded.json
    );
    let run = scene
        .reader([
            "run",
            "--interval",
            "exact",
            "--format",
            "json",
            "-o",
            "run.json",
            "--",
        ])
        .arg(program("grow_until_killed.c"));
    let outcome = group.around(run).run();
    assert_eq!(
        outcome.status.code(),
        Some(128 + SIGKILL),
        "{}",
        outcome.stderr
    );
    let written = std::fs::read_to_string(scene.scratch_dir().join("run.json"));
    let report = Answer::parse(&written.expect("the report was written"));
    assert!(end_of(&report).0.starts_with(killed), "{:#}", report.json);
}

#[test]
fn a_process_that_met_its_address_space_is_told_by_that_limit() {
    let scene = Scene::new();
    let limited = scene.preloaded(program("grow_until_killed.c")).wrapped_in([
        "/bin/sh",
        "-c",
        "ulimit -v 200000; exec \"$@\"",
        "sh",
    ]);
    let outcome = limited.run();
    assert_eq!(outcome.signal(), Some(libc::SIGABRT), "{}", outcome.stderr);
    let (end, limit_bytes) = end_of(&scene.report(&scene.segment_of(outcome.pid)));
    assert_eq!(limit_bytes, 200_000 << 10);
    assert!(
        end.contains("its address space (RLIMIT_AS) may have"),
        "{end}"
    );
    assert!(end.contains("the likely cause"), "{end}");
}
