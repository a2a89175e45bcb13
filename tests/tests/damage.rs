//! A broken segment is a clear error or a careful answer, never a crash, a hang or a great
//! allocation.

use std::path::Path;
use std::time::Duration;

use memshim_tests::damage::Victim;
use memshim_tests::processes::is_root;
use memshim_tests::{Launch, Outcome, Scene, artefacts, program, skip};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

const ANALYSES: &[&str] = &["report", "sites", "leaks", "sizes"];

/// Bytes of the header, in whose words every place of the rest is written.
const HEADER: usize = 8192;

#[test]
fn an_unbroken_copy_is_answered() {
    let broken = Broken::new();
    for analysis in ANALYSES {
        assert_eq!(broken.ask(analysis).status.code(), Some(0), "{analysis}");
    }
}

#[test]
fn a_segment_cut_at_any_length_is_refused() {
    let broken = Broken::new();
    let whole = broken.victim.len();
    let near_powers = (0..31).flat_map(|power| [(1 << power) - 1, 1 << power, (1 << power) + 8]);
    let parts = (1..16).map(|part| whole / 16 * part);
    let empty = [0, 1, 7, 8, 100].into_iter();
    for len in empty
        .chain(near_powers)
        .chain(parts)
        .filter(|len| *len < whole)
    {
        broken.victim.truncate(len);
        broken.check_refused(&format!("cut at {len}"));
    }
}

#[test]
fn a_segment_of_zeros_is_refused() {
    let broken = Broken::new();
    broken.victim.zero(0..broken.victim.len());
    broken.check_refused("all zeros");
    broken.victim.zero(0..8);
    broken.check_refused("no magic");
}

#[test]
fn a_segment_with_holes_of_zeros_is_survived() {
    let broken = Broken::new();
    let part = broken.victim.len() / 24;
    for hole in 0..24 {
        broken.victim.zero(hole * part..(hole + 1) * part);
        broken.check("sites", &format!("hole {hole}"));
    }
}

#[test]
fn another_version_is_refused_by_name() {
    let broken = Broken::new();
    let next = memshim_abi::LAYOUT_VERSION as u16 + 1;
    for version in [1, next, 0x7fff, u16::MAX] {
        // The first word is the magic in its low six bytes and the layout version above.
        broken
            .victim
            .change(|bytes| bytes[6..8].copy_from_slice(&version.to_le_bytes()));
        let outcome = broken.check_refused(&format!("version {version}"));
        assert!(outcome.stderr.contains("version"), "{}", outcome.stderr);
    }
}

#[test]
fn every_word_of_the_header_may_be_absurd() {
    let broken = Broken::new();
    for word in 0..128 {
        let absurd = [u64::MAX, 1 << 62, 0][word % 3];
        broken.victim.change(|bytes| {
            bytes[word * 8..word * 8 + 8].copy_from_slice(&absurd.to_le_bytes());
        });
        broken.check(ANALYSES[word % 4], &format!("word {word} is {absurd:#x}"));
    }
}

#[test]
fn flipped_bits_are_survived() {
    let broken = Broken::new();
    let whole = broken.victim.len() * 8;
    let bit = prop_oneof![0..HEADER * 8, 0..whole];
    let case = (prop::collection::vec(bit, 1..40), 0..ANALYSES.len());
    run_seeded(96, case, |(bits, analysis)| {
        broken.victim.flip(&bits);
        broken.check(ANALYSES[analysis], &format!("bits {bits:?}"));
    });
}

#[test]
fn scribbled_words_are_survived() {
    let broken = Broken::new();
    let words = broken.victim.len() / 8;
    let value = prop_oneof![any::<u64>(), 0..words as u64 * 8, Just(u64::MAX)];
    let case = (
        prop::collection::vec((0..words, value), 1..400),
        0..ANALYSES.len(),
    );
    run_seeded(64, case, |(scribbles, analysis)| {
        broken.victim.change(|bytes| {
            // The magic stays, or nothing behind it would be read.
            for (word, value) in scribbles.iter().filter(|(word, _)| *word > 0) {
                bytes[word * 8..word * 8 + 8].copy_from_slice(&value.to_le_bytes());
            }
        });
        broken.check(ANALYSES[analysis], &format!("{} words", scribbles.len()));
    });
}

#[test]
fn a_list_with_a_broken_segment_in_it_still_answers() {
    let broken = Broken::new();
    let outcome = broken.scene.preloaded(program("die.c")).run().success();
    let segment = broken.scene.segment_of(outcome.pid);
    let file = std::fs::OpenOptions::new().write(true).open(&segment.path);
    file.and_then(|file| file.set_len(100))
        .expect("a segment can be cut");
    let list = broken.scene.reader(["list", "--format", "json"]).run();
    assert_eq!(list.status.code(), Some(0), "{}", list.stderr);
}

#[test]
fn what_is_no_segment_is_refused() {
    let broken = Broken::new();
    let scene = &broken.scene;
    let fifo = scene.scratch_dir().join("1-1-0.seg");
    scene.plain("mkfifo").arg(&fifo).run().success();
    let text = scene.file("text.seg", "This is no segment.\n".repeat(1_000));
    let empty = scene.file("empty.seg", "");
    let missing = scene.scratch_dir().join("missing.seg");
    for path in [
        &fifo,
        &text,
        &empty,
        &missing,
        &scene.scratch_dir(),
        Path::new("/dev/zero"),
    ] {
        check_refused(
            &broken.ask_about("report", path),
            &path.display().to_string(),
        );
    }
}

#[test]
fn the_segment_of_another_user_is_refused() {
    if !is_root() {
        return skip("only root can become somebody else");
    }
    let broken = Broken::new();
    // Others may have no way into the directory that this is built in.
    let reader = std::env::temp_dir().join(format!("memshim-reader-{}", std::process::id()));
    std::fs::copy(&artefacts().reader, &reader).expect("the reader can be copied");
    let launch = broken.scene.plain(&reader).arg("report");
    let launch = launch.arg(&broken.victim.path);
    let nobody = [
        "setpriv",
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
    ];
    let outcome = launch.wrapped_in(nobody).run();
    std::fs::remove_file(&reader).expect("a file of ours");
    check_refused(&outcome, "read by nobody");
}

#[test]
fn a_segment_planted_by_another_user_is_survived() {
    if !is_root() {
        return skip("only root can give a file away");
    }
    let broken = Broken::new();
    broken.victim.heal();
    std::os::unix::fs::chown(&broken.victim.path, Some(65_534), None).expect("root may");
    broken.check("report", "owned by nobody");
}

/// A segment that is about to be broken.
struct Broken {
    scene: Scene,
    victim: Victim,
}

impl Broken {
    fn new() -> Broken {
        let scene = Scene::new();
        let launch = scene
            .preloaded(program("die.c"))
            .env("MEMSHIM_MAX_SEGMENT", "4M");
        let segment = scene.segment_of(launch.run().success().pid);
        let dir = scene.scratch_dir();
        let victim = Victim::copy(&segment.path, &dir);
        std::fs::remove_file(&segment.path).expect("the original can be removed");
        Broken { scene, victim }
    }

    fn reader(&self, analysis: &str, path: &Path) -> Launch {
        // A reader that believes an absurd length must fail here, not take the machine with it.
        let bounded = ["sh", "-c", "ulimit -v 4000000; exec \"$0\" \"$@\""];
        let launch = self
            .scene
            .reader([analysis])
            .arg(path)
            .args(["--format", "json"]);
        launch.limit(Duration::from_secs(30)).wrapped_in(bounded)
    }

    fn ask_about(&self, analysis: &str, path: &Path) -> Outcome {
        self.reader(analysis, path).run()
    }

    fn ask(&self, analysis: &str) -> Outcome {
        self.ask_about(analysis, &self.victim.path)
    }

    fn check(&self, analysis: &str, damage: &str) {
        let outcome = self.ask(analysis);
        match outcome.status.code() {
            Some(0) => {
                let json: Result<serde_json::Value, _> = serde_json::from_str(&outcome.stdout);
                assert!(json.is_ok(), "{damage}: no JSON but {}", outcome.stdout);
            }
            _ => check_refused(&outcome, damage),
        }
    }

    fn check_refused(&self, damage: &str) -> Outcome {
        let outcome = self.ask("report");
        check_refused(&outcome, damage);
        outcome
    }
}

fn check_refused(outcome: &Outcome, damage: &str) {
    assert_eq!(outcome.status.code(), Some(3), "{damage}: {:?}", outcome);
    assert_eq!(outcome.stdout, "", "{damage}");
    assert!(
        !outcome.one_error_line().contains("panicked"),
        "{damage}: {}",
        outcome.stderr
    );
}

/// Runs the same cases every time; a failing one is shrunk before it is shown.
fn run_seeded<S: Strategy>(cases: u32, strategy: S, check: impl Fn(S::Value)) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let config = Config {
        max_shrink_iters: 32,
        ..config
    };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(config, random);
    let result = runner.run(&strategy, |value| {
        check(value);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
