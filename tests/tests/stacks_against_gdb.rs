//! The stacks of real programs are those that gdb finds at the same calls, address by address.
//!
//! Needs gdb and the Debian packages g++, git, perl, python3, redis-server, redis-tools and
//! sqlite3; a program that is missing is skipped.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use memshim_tests::addresses::{Stack, Stacks, flag};
use memshim_tests::gdb::{self, GdbFrame, Memory, Stop, Witnessed};
use memshim_tests::{Scene, artefacts, find_installed, program, skip};

/// Stops in each program: enough for every part of its run, and done in a few seconds.
const USUAL_STOPS: u32 = 300;

/// The larger variant, in minutes.
const MANY_STOPS: u32 = 6_000;

/// What became of the stops of one program.
#[derive(Debug, Default)]
struct Verdict {
    equal: usize,
    /// An allocation that the shim itself brought about, by looking up a name: those are passed on.
    inside_the_shim: usize,
    /// gdb went on below the bottom of a stack, to an address where there is no code at all.
    beyond_the_bottom: usize,
    /// gdb lost its way in code without unwind data: the next frame of its own is no code, or the
    /// next but one of generated code, of which it knows nothing.
    lost_by_gdb: usize,
    /// gdb says itself that it could not go on.
    gdb_gave_up: usize,
    /// The middle is left out of the shim's, its two ends are gdb's.
    elided: usize,
    different: Vec<Stop>,
}

/// One program and how it is made to allocate.
struct Subject {
    name: &'static str,
    path: PathBuf,
    args: Vec<String>,
    settings: &'static [&'static str],
    /// How many allocations its run makes, about.
    allocations: u32,
}

#[test]
fn stacks_of_sqlite_are_those_of_gdb() {
    check(sqlite, USUAL_STOPS);
}

#[test]
fn stacks_of_python_are_those_of_gdb() {
    check(python, USUAL_STOPS);
}

#[test]
fn stacks_of_the_cpp_compiler_are_those_of_gdb() {
    check(cpp_compiler, USUAL_STOPS);
}

#[test]
fn stacks_of_our_own_reader_are_those_of_gdb() {
    check(reader, USUAL_STOPS);
}

#[test]
fn stacks_of_git_are_those_of_gdb() {
    check(git, USUAL_STOPS);
}

#[test]
fn stacks_of_perl_are_those_of_gdb() {
    check(perl, USUAL_STOPS);
}

#[test]
fn stacks_of_redis_are_those_of_gdb() {
    check_redis(2_000, USUAL_STOPS);
}

#[test]
fn stacks_of_fibers_are_those_of_gdb_but_for_what_it_finds_below_them() {
    let verdict = check(fibers, USUAL_STOPS);
    assert!(verdict.is_none_or(|verdict| verdict.beyond_the_bottom > 0));
}

#[test]
fn stacks_of_signal_handlers_are_those_of_gdb() {
    check(signal_handlers, USUAL_STOPS);
}

#[test]
#[ignore = "thousands of stops in each program: minutes"]
fn stacks_of_many_calls_are_those_of_gdb() {
    for subject in [sqlite, python, cpp_compiler, reader, git, perl] {
        check(subject, MANY_STOPS);
    }
    check_redis(20_000, MANY_STOPS);
}

#[test]
#[ignore = "gdb needs many seconds to load node"]
fn stacks_of_node_are_those_of_gdb_as_far_as_gdb_has_unwind_data() {
    check(node, USUAL_STOPS);
}

fn sqlite(_: &Scene) -> Option<Subject> {
    let script = "create table t(a, b); \
                  with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000) \
                  insert into t select i, hex(randomblob(9)) from n; \
                  create index by_b on t(b); \
                  select count(*), max(length(group_concat(b))) from t group by a % 7 order by 1;";
    Some(Subject {
        name: "sqlite3",
        path: installed("sqlite3")?,
        args: vec![":memory:".into(), script.into()],
        settings: &[],
        allocations: 6_000,
    })
}

fn python(_: &Scene) -> Option<Subject> {
    // What is first on the path may be a script that chooses an interpreter.
    let find = "import os; print(os.readlink('/proc/self/exe'))";
    let said = Command::new(installed("python3")?)
        .args(["-c", find])
        .output();
    let path = String::from_utf8(said.ok()?.stdout).ok()?;
    let script = "import json, re, decimal, collections\n\
                  d = [json.loads(json.dumps({'k': list(range(50))})) for _ in range(40)]\n\
                  print(sorted(re.findall('[a-z]+', 'some words to be sorted'), key=len))\n\
                  print(sum(decimal.Decimal(i) / 7 for i in range(50)), len(d))\n";
    Some(Subject {
        name: "python3",
        path: path.trim().into(),
        args: vec!["-c".into(), script.into()],
        settings: &["PYTHONMALLOC=malloc"],
        allocations: 100_000,
    })
}

fn cpp_compiler(scene: &Scene) -> Option<Subject> {
    let driver = installed("g++")?;
    let source = "#include <map>\n#include <string>\n#include <vector>\n#include <algorithm>\n\
                  int main() { std::map<std::string, std::vector<int>> m; m[\"a\"].push_back(3);\n\
                  auto &v = m[\"a\"]; std::sort(v.begin(), v.end()); return v.at(0); }\n";
    let source = scene.file("source.cpp", source);
    let preprocessed = scene.scratch_dir().join("source.ii");
    let preprocess = Command::new(&driver)
        .args(["-E", "-o"])
        .arg(&preprocessed)
        .arg(&source)
        .status();
    assert!(preprocess.is_ok_and(|status| status.success()));
    let asked = Command::new(&driver)
        .arg("-print-prog-name=cc1plus")
        .output();
    let path = String::from_utf8(asked.ok()?.stdout).ok()?;
    let args = ["-quiet", "-O1", "-fpreprocessed", "-o", "/dev/null"].map(String::from);
    let input = preprocessed.to_str()?.to_string();
    Some(Subject {
        name: "cc1plus",
        path: path.trim().into(),
        args: args.into_iter().chain([input]).collect(),
        settings: &[],
        allocations: 290_000,
    })
}

/// A Rust program with debug information, which reads a segment and names its functions.
fn reader(scene: &Scene) -> Option<Subject> {
    let outcome = scene.preloaded(program("recursion.c")).arg("2000").run();
    let segment = scene.segment_of(outcome.success().pid).path;
    let segment = segment.to_str()?.to_string();
    Some(Subject {
        name: "memshim-reader",
        path: artefacts().reader.clone(),
        args: vec!["report".into(), segment, "--format=json".into()],
        settings: &[],
        allocations: 7_500,
    })
}

/// Compares two folders, so that nothing depends on a history.
fn git(scene: &Scene) -> Option<Subject> {
    for (folder, word) in [("old", "before"), ("new", "after")] {
        let folder = scene.scratch_dir().join(folder);
        std::fs::create_dir(&folder).expect("a scene is writable");
        for number in 0..200 {
            let text = format!("{word}\n").repeat(number % 7) + &"the same\n".repeat(number);
            std::fs::write(folder.join(format!("{number}")), text).expect("and its folders");
        }
    }
    let args = ["diff", "--no-index", "--stat", "--patch", "old", "new"];
    Some(Subject {
        name: "git",
        path: installed("git")?,
        args: args.map(String::from).to_vec(),
        settings: &["GIT_PAGER=cat"],
        allocations: 20_000,
    })
}

fn perl(_: &Scene) -> Option<Subject> {
    let script = "my %h; for my $i (1..5000) { push @{$h{$i % 97}}, \"x$i\" =~ s/1/one/gr } \
                  print join(',', map { scalar @{$h{$_}} } sort keys %h), \"\\n\"";
    Some(Subject {
        name: "perl",
        path: installed("perl")?,
        args: vec!["-e".into(), script.into()],
        settings: &[],
        allocations: 10_000,
    })
}

fn node(_: &Scene) -> Option<Subject> {
    let script = "let o = []; for (let i = 0; i < 300; i++) \
                  o.push(JSON.parse(JSON.stringify({ i, l: Array(50).fill(i) }))); \
                  console.log(o.length)";
    Some(Subject {
        name: "node",
        path: installed("node")?,
        args: vec!["-e".into(), script.into()],
        settings: &[],
        allocations: 120_000,
    })
}

fn fibers(_: &Scene) -> Option<Subject> {
    Some(program_of_ours("fibers.c"))
}

fn signal_handlers(_: &Scene) -> Option<Subject> {
    Some(program_of_ours("signal_altstack.c"))
}

/// One of the programs that allocate about a thousand times.
fn program_of_ours(source: &'static str) -> Subject {
    Subject {
        name: source,
        path: program(source),
        args: Vec::new(),
        settings: &[],
        allocations: 1_000,
    }
}

fn installed(name: &str) -> Option<PathBuf> {
    let found = find_installed(name);
    if found.is_none() {
        skip(&format!("{name} is not installed"));
    }
    found
}

/// Runs a program that ends by itself; nothing if it or gdb is not there.
fn check(subject: fn(&Scene) -> Option<Subject>, stops: u32) -> Option<Verdict> {
    if !gdb::is_there() {
        return None;
    }
    let scene = Scene::new();
    let subject = subject(&scene)?;
    let before = scene.segments();
    let every = (subject.allocations / stops).max(1);
    let witnessed = Witnessed::new(&scene, &subject.path, subject.settings, every);
    let witnessed = witnessed.limit(Duration::from_secs(600));
    let stops = witnessed.args(subject.args.iter().map(|arg| &**arg)).run();
    let segments = scene.segments();
    let segment = segments.iter().find(|segment| !before.contains(segment));
    let segment = segment.expect("the program was profiled");
    Some(judge(subject.name, &stops, &segment.path))
}

/// Runs a server under the load of a benchmark.
fn check_redis(requests: u32, stops: u32) {
    let tools = ["redis-server", "redis-benchmark", "redis-cli"].map(installed);
    let [Some(server), Some(benchmark), Some(client)] = tools else {
        return;
    };
    if !gdb::is_there() {
        return;
    }
    let scene = Scene::new();
    let socket = scene.scratch_dir().join("redis.sock");
    let socket = socket.to_str().expect("a plain path");
    let every = (requests * 50 / stops).max(1);
    let witnessed = Witnessed::new(&scene, &server, &[], every);
    let witnessed = witnessed.limit(Duration::from_secs(600));
    let args = ["--port", "0", "--save", "", "--unixsocket", socket];
    let stops = witnessed.args(args).run_beside(|server| {
        server.wait_for("eady to accept connections");
        let load = scene.plain(&benchmark).args(["-s", socket, "-q", "-r"]);
        let load = load.args(["1000", "-t", "set,get,lpush,sadd,zadd,hset", "-n"]);
        let load = load.limit(Duration::from_secs(600));
        load.arg(requests.to_string()).run().success();
        let end = scene.plain(&client).args(["-s", socket]);
        end.args(["shutdown", "nosave"]).run();
    });
    let segments = scene.segments();
    judge("redis-server", &stops, &segments[0].path);
}

/// Compares every stop with the stacks of a segment; a real difference fails the test.
fn judge(name: &str, stops: &[Stop], segment: &Path) -> Verdict {
    let stacks = Stacks::of(segment).all;
    let known: HashSet<&[u64]> = stacks.iter().map(|stack| &*stack.pcs).collect();
    let roots = roots(stops, &known);
    let mut verdict = Verdict::default();
    for stop in stops {
        let pcs = stop.pcs();
        let has = |memory| stop.frames.iter().any(|frame| frame.memory == memory);
        let place = match () {
            () if known.contains(&*pcs) => &mut verdict.equal,
            () if has(Memory::OwnCode) => &mut verdict.inside_the_shim,
            () if goes_beyond_the_bottom(stop, &stacks) => &mut verdict.beyond_the_bottom,
            () if is_lost(stop, &stacks, &roots) => &mut verdict.lost_by_gdb,
            () if !stop.is_whole() && is_beginning(&pcs, &stacks) => &mut verdict.gdb_gave_up,
            () if stacks.iter().any(|stack| is_elided(stack, &pcs)) => &mut verdict.elided,
            () => {
                verdict.different.push(stop.clone());
                continue;
            }
        };
        *place += 1;
    }
    println!("{name}: {} stops, {verdict:?}", stops.len());
    assert!(stops.len() >= 100, "{name} stopped {} times", stops.len());
    assert!(
        verdict.inside_the_shim <= 20,
        "at its start, and then never"
    );
    assert!(
        verdict.different.is_empty(),
        "{name}: {}",
        describe(&verdict.different[0], &stacks)
    );
    verdict
}

/// The outermost addresses of the stacks on which both agree.
fn roots(stops: &[Stop], known: &HashSet<&[u64]>) -> HashSet<u64> {
    let pcs = stops.iter().map(Stop::pcs);
    let equal = pcs.filter(|pcs| known.contains(&**pcs));
    equal.filter_map(|pcs| pcs.last().copied()).collect()
}

fn is_beginning(pcs: &[u64], stacks: &[Stack]) -> bool {
    stacks.iter().any(|stack| stack.pcs.starts_with(pcs))
}

/// Whether a complete stack is the beginning of gdb's, and what gdb adds begins with no code: so it
/// is below the stack of a coroutine, and below the loader's first function, which has no unwind
/// data.
fn goes_beyond_the_bottom(stop: &Stop, stacks: &[Stack]) -> bool {
    let is_no_code = |frame: &GdbFrame| frame.memory == Memory::NoCode;
    let invented = stop.frames.iter().position(is_no_code);
    invented.is_some_and(|end| {
        let real = &stop.pcs()[..end];
        let is_it = |stack: &Stack| stack.flags & flag::TRUNCATED == 0 && stack.pcs == real;
        stacks.iter().any(is_it)
    })
}

/// Whether a site has gdb's frames up to the first that gdb cannot have found in unwind data, and
/// from there on leads to where other stacks begin, or is marked as cut.
fn is_lost(stop: &Stop, stacks: &[Stack], roots: &HashSet<u64>) -> bool {
    let is_real = |frame: &GdbFrame| frame.memory == Memory::Code;
    let Some(lost) = stop.frames.iter().position(|frame| !is_real(frame)) else {
        return false;
    };
    let is_generated = stop.frames[lost].memory == Memory::GeneratedCode;
    let real = &stop.pcs()[..lost + usize::from(is_generated)];
    let is_plausible = |stack: &Stack| {
        let root = stack.pcs.last();
        stack.flags & flag::TRUNCATED != 0 || root.is_some_and(|root| roots.contains(root))
    };
    let mut candidates = stacks.iter().filter(|stack| is_plausible(stack));
    candidates.any(|stack| stack.pcs.starts_with(real))
}

/// Whether a stack without its middle has the two ends of one with it.
fn is_elided(stack: &Stack, whole: &[u64]) -> bool {
    let (inner, outer) = stack.pcs.split_at(stack.pcs.len() / 2);
    stack.flags & flag::ELIDED != 0 && whole.starts_with(inner) && whole.ends_with(outer)
}

/// A stop that no site has, beside the site that has most of it.
fn describe(stop: &Stop, stacks: &[Stack]) -> String {
    let pcs = stop.pcs();
    let shared = |stack: &&Stack| {
        let pairs = stack.pcs.iter().zip(&pcs);
        pairs.take_while(|(ours, theirs)| ours == theirs).count()
    };
    let nearest = stacks.iter().max_by_key(shared);
    format!("no site has {stop:#x?}\nnearest: {nearest:#x?}")
}
