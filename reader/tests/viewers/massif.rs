//! A massif file by the rules of `ms_print`.

#![forbid(unsafe_code)]

use memshim_reader::report::Report;
use proptest::prelude::proptest;

use crate::report::{self, Blocks, Site, nonsense, sites, total};
use crate::{draw, seeded};

struct Snapshot {
    time_ms: u64,
    bytes: u64,
    kind: String,
    tree: Vec<Node>,
}

struct Node {
    depth: usize,
    children: usize,
    bytes: u64,
    text: String,
}

fn read(report: &Report) -> Vec<Snapshot> {
    let text = draw("massif", report);
    let uncommented = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or(""));
    let mut lines = uncommented
        .filter(|line| !line.trim().is_empty())
        .peekable();
    for header in ["desc: ", "cmd: ", "time_unit: ms"] {
        let line = lines.next().expect("a header");
        assert!(line.starts_with(header), "{line}");
    }
    let mut snapshots = Vec::new();
    while let Some(first) = lines.next() {
        assert_eq!(first, format!("snapshot={}", snapshots.len()));
        let mut field = |name: &str| {
            let line = lines.next().expect("a field");
            let value = line
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('='));
            value
                .unwrap_or_else(|| panic!("{line} is not {name}"))
                .to_owned()
        };
        let number = |text: String| text.parse().expect("a number");
        let (time_ms, bytes) = (number(field("time")), number(field("mem_heap_B")));
        assert_eq!(
            (field("mem_heap_extra_B"), field("mem_stacks_B")),
            ("0".into(), "0".into())
        );
        let kind = field("heap_tree");
        let mut tree = Vec::new();
        while let Some(line) = lines.next_if(|line| line.trim_start().starts_with('n')) {
            tree.push(Node::of(line));
        }
        snapshots.push(Snapshot {
            time_ms,
            bytes,
            kind,
            tree,
        });
    }
    snapshots.iter().for_each(check_form);
    snapshots
}

impl Node {
    fn of(line: &str) -> Node {
        let text = line.trim_start();
        let (children, rest) = text[1..].split_once(": ").expect("a colon");
        let (bytes, text) = rest.split_once(' ').expect("a name");
        Node {
            depth: line.len() - line.trim_start().len(),
            children: children.parse().expect("a number"),
            bytes: bytes.parse().expect("a number"),
            text: text.to_owned(),
        }
    }
}

/// A tree has as many children as it says, none larger than its parent.
fn check_form(snapshot: &Snapshot) {
    let is_detailed = ["peak", "detailed"].contains(&snapshot.kind.as_str());
    assert_eq!(is_detailed, !snapshot.tree.is_empty(), "{}", snapshot.kind);
    assert!(is_detailed || snapshot.kind == "empty");
    for (place, node) in snapshot.tree.iter().enumerate() {
        let below = snapshot.tree[place + 1..]
            .iter()
            .take_while(|other| other.depth > node.depth);
        let children: Vec<&Node> = below
            .filter(|other| other.depth == node.depth + 1)
            .collect();
        assert_eq!(children.len(), node.children, "{}", node.text);
        let held: u64 = children.iter().map(|child| child.bytes).sum();
        assert!(held <= node.bytes, "{}", node.text);
    }
}

fn detailed<'a>(snapshots: &'a [Snapshot], kind: &str) -> &'a Snapshot {
    let mut found = snapshots.iter().filter(|snapshot| snapshot.kind == kind);
    let snapshot = found.next().expect("one of each kind");
    assert!(found.next().is_none(), "two are {kind}");
    snapshot
}

fn check_totals(sites: &[Site]) {
    let snapshots = read(&report::of(sites, 0));
    let (peak, end) = (
        detailed(&snapshots, "peak"),
        detailed(&snapshots, "detailed"),
    );
    assert_eq!(peak.bytes, total(sites, Site::peak).bytes);
    assert_eq!(end.bytes, total(sites, Site::live).bytes);
    for snapshot in [peak, end] {
        assert_eq!(snapshot.tree[0].bytes, snapshot.bytes);
        let held: u64 = snapshot
            .tree
            .iter()
            .filter(|node| node.depth == 1)
            .map(|node| node.bytes)
            .sum();
        // A call stack without frames is the root itself.
        let unknown = |site: &&Site| site.functions.is_empty();
        let without: u64 = sites
            .iter()
            .filter(unknown)
            .map(|site| match snapshot.kind.as_str() {
                "peak" => site.peak().bytes,
                _ => site.live().bytes,
            })
            .sum();
        assert_eq!(held + without, snapshot.bytes);
    }
    assert_eq!(peak.time_ms, report::PEAK_AGE_NS / 1_000_000);
    assert_eq!(end.time_ms, report::AGE_NS / 1_000_000);
    assert!(snapshots.is_sorted_by_key(|snapshot| snapshot.time_ms));
    assert!(
        (3..=100).contains(&snapshots.len()),
        "{} snapshots",
        snapshots.len()
    );
}

proptest! {
    #![proptest_config(seeded())]

    #[test]
    fn the_totals_of_any_program_survive(sites in sites()) {
        check_totals(&sites);
    }

    #[test]
    fn any_report_gives_a_file_that_ms_print_reads(report in nonsense()) {
        read(&report);
    }
}

#[test]
fn what_is_below_the_threshold_is_one_line() {
    let site = |functions: &[u8], bytes| Site {
        temporary: Blocks::default(),
        passing: Blocks::default(),
        until_peak: Blocks { objects: 1, bytes },
        surviving: Blocks::default(),
        since_peak: Blocks::default(),
        functions: functions.to_vec(),
    };
    let sites = [
        site(&[1, 2], 10_000),
        site(&[1, 3], 50),
        site(&[2], 40),
        site(&[4], 30),
    ];
    let snapshots = read(&report::of(&sites, 0));
    let lines = detailed(&snapshots, "peak").tree.iter();
    let lines = lines.map(|node| {
        format!(
            "{}n{}: {} {}",
            " ".repeat(node.depth),
            node.children,
            node.bytes,
            node.text
        )
    });
    let expected = "\
n2: 10120 (heap allocation functions) malloc/new/new[], --alloc-fns, etc.
 n2: 10050 0x1010: f1<a; b> {closure.0} (src/a b.rs:2)
  n0: 10000 0x1020: f2<a; b> {closure.0} (src/a b.rs:3)
  n0: 50 in 1 place, all below massif's threshold (1.00%)
 n0: 70 in 2 places, all below massif's threshold (1.00%)";
    assert_eq!(lines.collect::<Vec<_>>().join("\n"), expected);
}
