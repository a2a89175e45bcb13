//! Programs that nobody here wrote: output and status are the same with and without the shim.
//!
//! Needs the Debian packages g++, git, nodejs and python3; what is missing is skipped.

use std::path::{Path, PathBuf};

use memshim_tests::{Launch, Scene, find_installed, program, skip};

#[test]
fn a_rust_program_with_threads_is_unchanged() {
    check_unchanged(&Scene::new(), |launch| launch, program("rust_threads.rs"));
}

#[test]
fn a_cpp_program_with_exceptions_is_unchanged() {
    check_unchanged(&Scene::new(), |launch| launch, program("exceptions.cpp"));
}

#[test]
fn node_is_unchanged() {
    let Some(node) = installed("node") else {
        return;
    };
    let script = "const o = []; for (let i = 0; i < 2000; i++) \
                  o.push(JSON.parse(JSON.stringify({ i, list: Array(200).fill(i) }))); \
                  console.log(o.length, o[1999].list[7]); process.exit(5)";
    check_unchanged(&Scene::new(), |launch| launch.args(["-e", script]), node);
}

#[test]
fn python_is_unchanged() {
    let Some(python) = installed("python3") else {
        return;
    };
    for allocator in ["malloc", "pymalloc"] {
        let json = |launch: Launch| {
            launch
                .args(["-c", JSON_LOOP])
                .env("PYTHONMALLOC", allocator)
        };
        check_unchanged(&Scene::new(), json, &python);
    }
}

#[test]
fn run_prints_what_python_prints_and_then_names_its_functions() {
    let Some(python) = installed("python3") else {
        return;
    };
    let scene = Scene::new();
    let outcome = scene
        .reader(["run", "--"])
        .arg(python)
        .args(["-c", JSON_LOOP])
        .run()
        .success();
    assert!(outcome.stdout.starts_with("3000\n"), "{}", outcome.stdout);
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(
        said.contains("Py"),
        "no function of the interpreter in {said}"
    );
}

#[test]
fn every_process_of_the_c_compiler_has_its_segment() {
    check_compiler(
        "gcc",
        "#include <stdio.h>\nint main(void) { puts(\"\"); }\n",
        "c",
        "cc1",
    );
}

#[test]
fn every_process_of_the_cpp_compiler_has_its_segment() {
    check_compiler(
        "g++",
        "#include <bits/stdc++.h>\nint main() {}\n",
        "cpp",
        "cc1plus",
    );
}

#[test]
fn git_gc_with_threads_is_unchanged() {
    let Some(git) = installed("git") else { return };
    let scene = Scene::new();
    let [plain, preloaded] = ["plain", "preloaded"].map(|name| scene.scratch_dir().join(name));
    for repository in [&plain, &preloaded] {
        make_repository(&scene, &git, repository);
    }
    let gc = |launch: Launch, repository: &Path| {
        let launch = launch.args(["-c", "pack.threads=2", "gc", "--quiet", "--prune=now"]);
        git_in(&scene, launch, repository).run()
    };
    let alone = gc(scene.plain(&git), &plain);
    let watched = gc(scene.preloaded(&git).interval("64K"), &preloaded);
    watched.assert_same_as(&alone);
    let describe = |repository: &Path| {
        let launch = scene.plain(&git).args(["count-objects", "-v"]);
        let counted = git_in(&scene, launch, repository).run().success().stdout;
        let fsck = git_in(
            &scene,
            scene.plain(&git).args(["fsck", "--full"]),
            repository,
        );
        (
            counted.lines().next().map(String::from),
            fsck.run().success().stdout,
        )
    };
    assert_eq!(describe(&preloaded), describe(&plain));
    assert!(
        scene.segments().len() >= 2,
        "git starts other programs: {:?}",
        scene.segments()
    );
}

const JSON_LOOP: &str = "import json; d=[json.loads(json.dumps({'k':list(range(200))})) for _ in range(3000)]; print(len(d))";

fn installed(name: &str) -> Option<PathBuf> {
    let found = find_installed(name);
    if found.is_none() {
        skip(&format!("{name} is not installed"));
    }
    found
}

/// Plain, by default, at a coarse interval and at a fine one: the same to every user.
fn check_unchanged(scene: &Scene, set: impl Fn(Launch) -> Launch, program: impl AsRef<Path>) {
    let program = program.as_ref();
    let plain = set(scene.plain(program)).run();
    for interval in ["auto", "512K", "1K", "exact"] {
        let outcome = set(scene.preloaded(program)).interval(interval).run();
        outcome.assert_same_as(&plain);
        assert!(
            !scene.segments().is_empty(),
            "{} was not profiled",
            program.display()
        );
    }
}

fn check_compiler(compiler: &str, source: &str, extension: &str, inner: &str) {
    let Some(compiler_path) = installed(compiler) else {
        return;
    };
    let scene = Scene::new();
    let source = scene.file(&format!("source.{extension}"), source);
    let [plain, preloaded] = ["plain.o", "preloaded.o"].map(|name| scene.scratch_dir().join(name));
    let compile = |launch: Launch, object: &Path| {
        launch
            .args(["-O0", "-c", "-o"])
            .arg(object)
            .arg(&source)
            .run()
    };
    let alone = compile(scene.plain(&compiler_path), &plain);
    let watched = compile(
        scene
            .preloaded(&compiler_path)
            .without_env("MEMSHIM_INTERVAL"),
        &preloaded,
    );
    watched.assert_same_as(&alone);
    let read = |object: &Path| std::fs::read(object).expect("the object is written");
    assert!(read(&plain) == read(&preloaded), "the object files differ");
    let list = scene.list();
    let listed = format!("{:?}", list.rows_with("program"));
    let text = scene.reader(["list"]).run().success().stdout;
    for program in [compiler, inner, "as"] {
        assert!(listed.contains(program), "{program} is not in {listed}");
        assert!(text.contains(program), "{program} is not in {text}");
    }
    assert_eq!(scene.segments().len(), 3, "driver, compiler and assembler");
    scene.report(&scene.segment_of(watched.pid));
}

/// A repository of 200 commits, written as one stream.
fn make_repository(scene: &Scene, git: &Path, repository: &Path) {
    std::fs::create_dir(repository).expect("a scene is writable");
    let launch = scene.plain(git).args(["init", "--quiet", "."]);
    git_in(scene, launch, repository).run().success();
    let mut stream = String::new();
    for commit in 1..=200 {
        let content = format!("line {commit}\n").repeat(50 + commit);
        stream.push_str(&format!(
            "commit refs/heads/main\ncommitter A <a@b.c> {commit} +0000\ndata 2\nc\n\
             M 100644 inline file{}\ndata {}\n{content}\n",
            commit % 20,
            content.len()
        ));
    }
    let launch = scene
        .plain(git)
        .args(["fast-import", "--quiet"])
        .input(stream);
    git_in(scene, launch, repository).run().success();
}

fn git_in(scene: &Scene, launch: Launch, repository: &Path) -> Launch {
    let launch = launch
        .env("HOME", scene.scratch_dir())
        .env("GIT_CONFIG_NOSYSTEM", "1");
    launch.current_dir(repository)
}
