//! Storage that is full, tiny, forbidden or gone never harms the program, and what was given up
//! is said.

use std::path::{Path, PathBuf};

use memshim_tests::processes::is_root;
use memshim_tests::scene::segments_below;
use memshim_tests::{Answer, Launch, Outcome, Scene, artefacts, program, skip};

#[test]
fn a_missing_directory_is_survived() {
    let scene = Scene::new();
    check_unharmed(&scene, in_dir(&scene, Path::new("/proc/nothing/here")));
}

#[test]
fn a_file_in_place_of_the_directory_is_survived() {
    let scene = Scene::new();
    let file = scene.file("no-directory", "");
    check_unharmed(&scene, in_dir(&scene, &file));
    assert_eq!(std::fs::read(&file).expect("the file is still there"), b"");
}

#[test]
fn a_directory_below_a_file_is_survived() {
    let scene = Scene::new();
    let file = scene.file("no-directory", "");
    check_unharmed(&scene, in_dir(&scene, &file.join("below")));
}

#[test]
fn a_directory_of_another_user_is_not_used() {
    let scene = Scene::new();
    let user = memshim_tests::processes::user_id();
    let planted = scene.segment_dir().join(format!("memshim-{user}"));
    let elsewhere = scene.scratch_dir().join("elsewhere");
    std::fs::create_dir(&elsewhere).expect("a scene is writable");
    std::os::unix::fs::symlink(&elsewhere, &planted).expect("a scene is writable");
    check_unharmed(&scene, scene.preloaded(program("many_sites.c")));
    let written = std::fs::read_dir(&elsewhere)
        .expect("the directory is there")
        .count();
    assert_eq!(written, 0, "a link planted by somebody else was followed");
}

#[test]
fn a_file_system_of_64_kib_is_survived() {
    check_small_file_system("64k");
}

#[test]
fn a_file_system_of_1_mib_is_survived() {
    check_small_file_system("1m");
}

#[test]
fn a_full_file_system_is_survived() {
    let Some(scene) = scene_for_mounts() else {
        return;
    };
    let full = "mount -t tmpfs -o size=64k none \"$MEMSHIM_DIR\"; \
                head -c 65536 /dev/zero > \"$MEMSHIM_DIR/full\" || true";
    check_unharmed(&scene, in_mounts(&scene, full, ""));
}

#[test]
fn a_read_only_file_system_is_survived() {
    let Some(scene) = scene_for_mounts() else {
        return;
    };
    let read_only = "mount -t tmpfs -o ro none \"$MEMSHIM_DIR\"";
    check_unharmed(&scene, in_mounts(&scene, read_only, ""));
}

#[test]
fn a_container_with_64_kib_of_shared_memory_is_survived() {
    let Some(scene) = scene_for_mounts() else {
        return;
    };
    let setup = "cd /; unset MEMSHIM_DIR; mount -t tmpfs -o size=64k none /dev/shm";
    check_unharmed(
        &scene,
        in_mounts(&scene, setup, "").env("TMPDIR", "/proc/nothing"),
    );
}

#[test]
fn a_machine_without_shared_memory_uses_its_temporary_directory() {
    let Some(scene) = scene_for_mounts() else {
        return;
    };
    let temporary = std::env::temp_dir().join(format!("memshim-tmpdir-{}", std::process::id()));
    std::fs::create_dir(&temporary).expect("the temporary directory is writable");
    let setup = "cd /; unset MEMSHIM_DIR; mount -t tmpfs -o ro none /dev/shm";
    let outcome = in_mounts(&scene, setup, "").env("TMPDIR", &temporary).run();
    let segments = segments_below(&temporary);
    drop(std::fs::remove_dir_all(&temporary));
    assert_eq!(outcome.stdout, expected_output(&scene));
    assert_eq!(segments.len(), 1, "{segments:?}");
}

#[test]
fn a_limit_of_zero_on_files_is_survived() {
    let scene = Scene::new();
    check_unharmed(&scene, limited(&scene, "ulimit -f 0"));
}

#[test]
fn a_limit_of_512_kib_on_files_is_survived() {
    let scene = Scene::new();
    let outcome = check_unharmed(&scene, limited(&scene, "ulimit -f 1024"));
    check_said(&scene, outcome.pid);
}

#[test]
fn a_limit_on_the_address_space_is_survived() {
    for kib in [14_000, 16_000, 24_000, 64_000] {
        let scene = Scene::new();
        let limit = format!("ulimit -v {kib}");
        let alone = limited(&scene, &limit)
            .without_env("LD_PRELOAD")
            .env("PRELOAD", "")
            .run();
        assert_eq!(
            alone.stdout,
            expected_output(&scene),
            "the program alone needs more"
        );
        check_unharmed(&scene, limited(&scene, &limit));
    }
}

#[test]
fn a_limit_of_no_descriptors_is_survived() {
    let scene = Scene::new();
    // Four are what the program and its loader need themselves.
    check_unharmed(&scene, limited(&scene, "ulimit -n 4"));
}

#[test]
fn a_daemon_may_close_all_descriptors() {
    let scene = Scene::new();
    let file = scene.scratch_dir().join("written");
    let launch = scene.preloaded(program("close_descriptors.c")).arg(&file);
    let outcome = launch.run().success();
    let written = std::fs::read(&file).expect("the program has written it");
    assert!(written.len() == 5_000 && written.iter().all(|byte| *byte == b'x'));
    let sites = scene.sites(&scene.segment_of(outcome.pid));
    assert_eq!(sites.through("after_close").live, 5_000);
}

#[test]
fn a_program_may_start_with_all_descriptors_closed() {
    let scene = Scene::new();
    let file = scene.scratch_dir().join("written");
    let closer = program("close_descriptors.c");
    let launch = scene.preloaded(&closer).arg("exec").arg(&closer).arg(&file);
    let outcome = launch.run().success();
    let sites = scene.sites(&scene.segment_of(outcome.pid));
    assert_eq!(sites.through("after_close").live, 5_000);
}

#[test]
fn a_program_may_change_its_root() {
    if !is_root() {
        return skip("only root can chroot");
    }
    let scene = Scene::new();
    let empty = scene.scratch_dir().join("empty");
    std::fs::create_dir(&empty).expect("a scene is writable");
    let outcome = scene
        .preloaded(program("chroot_itself.c"))
        .arg(&empty)
        .run()
        .success();
    let segment = scene.segment_of(outcome.pid);
    let (report, sites) = (scene.report(&segment), scene.sites(&segment));
    assert_eq!(sites.through("before_chroot").live, 100);
    assert!(sites.through("after_chroot").live == 30_000 || report.admits_loss());
}

#[test]
fn a_program_may_start_in_a_root_without_proc_and_shared_memory() {
    if !is_root() {
        return skip("only root can chroot");
    }
    let scene = Scene::new();
    let root = scene.scratch_dir().join("root");
    let program = program("many_sites.c");
    for file in files_needed_by(&program) {
        let copy = root.join(file.strip_prefix("/").expect("an absolute path"));
        std::fs::create_dir_all(copy.parent().expect("a file has a parent")).expect("writable");
        std::fs::copy(&file, &copy).expect("a library can be copied");
    }
    std::fs::copy(&artefacts().shim, root.join("libmemshim.so")).expect("the shim can be copied");
    std::fs::copy(&program, root.join("program")).expect("a program can be copied");
    let line = "LD_PRELOAD=/libmemshim.so exec chroot \"$0\" /program";
    // The preload is missing in the old root, where chroot itself runs: the loader only warns.
    let outcome = scene.plain("sh").args(["-c", line]).arg(&root).run();
    assert_eq!(outcome.stdout, expected_output(&scene));
    assert_eq!(outcome.status.code(), Some(0), "{}", outcome.stderr);
}

fn in_dir(scene: &Scene, dir: &Path) -> Launch {
    scene
        .preloaded(program("many_sites.c"))
        .env("MEMSHIM_DIR", dir)
}

fn expected_output(scene: &Scene) -> String {
    scene.plain(program("many_sites.c")).run().success().stdout
}

fn check_unharmed(scene: &Scene, launch: Launch) -> Outcome {
    let outcome = launch.run();
    assert_eq!(outcome.stdout, expected_output(scene), "{}", outcome.stderr);
    assert_eq!(outcome.stderr, "");
    assert_eq!(outcome.status.code(), Some(0));
    outcome
}

/// If there is a segment at all, it says that something was lost.
fn check_said(scene: &Scene, pid: u32) {
    if scene.segments().iter().any(|segment| segment.pid == pid) {
        let report = scene.report(&scene.segment_of(pid));
        assert!(
            report.admits_loss(),
            "no loss among {:#}",
            report.json["losses"]
        );
    }
}

/// The workload behind a limit of the shell; the shell itself runs without the shim.
fn limited(scene: &Scene, limit: &str) -> Launch {
    let line = format!("{limit}; LD_PRELOAD=\"$PRELOAD\" exec \"$0\"");
    scene
        .preloaded("sh")
        .without_env("LD_PRELOAD")
        .env("PRELOAD", &artefacts().shim)
        .args(["-c", &line])
        .arg(program("many_sites.c"))
}

/// The workload in a mount namespace of its own, so that no mount outlives the test.
fn in_mounts(scene: &Scene, setup: &str, after: &str) -> Launch {
    let line = format!("set -e\n{setup}\nLD_PRELOAD=\"$PRELOAD\" \"$0\"\n{after}");
    scene
        .preloaded("unshare")
        .without_env("LD_PRELOAD")
        .env("PRELOAD", &artefacts().shim)
        .args(["-m", "sh", "-c", &line])
        .arg(program("many_sites.c"))
}

fn scene_for_mounts() -> Option<Scene> {
    let scene = Scene::new();
    let probe = scene
        .plain("unshare")
        .args(["-m", "mount", "-t", "tmpfs", "none", "."])
        .run();
    if !probe.status.success() {
        skip(&format!("cannot mount: {}", probe.stderr.trim()));
        return None;
    }
    Some(scene)
}

fn check_small_file_system(size: &str) {
    let Some(scene) = scene_for_mounts() else {
        return;
    };
    let answer = scene.scratch_dir().join("answer.json");
    let setup = format!("mount -t tmpfs -o size={size} none \"$MEMSHIM_DIR\"");
    let after = "if ls \"$MEMSHIM_DIR\"/memshim-*/*.seg >/dev/null 2>&1; then \
                 \"$READER\" report --format json -o \"$ANSWER\"; fi";
    let launch = in_mounts(&scene, &setup, after);
    let launch = launch
        .env("READER", &artefacts().reader)
        .env("ANSWER", &answer);
    check_unharmed(&scene, launch);
    // No segment at all is an answer too; one that is there must say what it lacks.
    if let Ok(text) = std::fs::read_to_string(&answer) {
        let answer = Answer::parse(&text);
        assert!(
            answer.admits_loss(),
            "no loss among {:#}",
            answer.json["losses"]
        );
    }
}

/// The program's libraries and its loader, as ldd(1) names them.
fn files_needed_by(program: &Path) -> Vec<PathBuf> {
    let output = std::process::Command::new("ldd")
        .arg(program)
        .output()
        .expect("ldd starts");
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = listed
        .split_whitespace()
        .filter(|word| word.starts_with('/'));
    words.map(PathBuf::from).collect()
}
