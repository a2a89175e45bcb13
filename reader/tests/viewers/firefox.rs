//! A processed profile of Firefox Profiler, held against the types that its front end declares.

#![forbid(unsafe_code)]

use std::collections::HashMap;

use serde_json::Value as Json;

use crate::draw;
use crate::report::{self, Blocks, Site};

/// Tables of a thread, and of each column the table that it names rows of.
const TABLES: &[(&str, &[(&str, &str)])] = &[
    ("samples", &[("stack", "stackTable"), ("time", "")]),
    (
        "markers",
        &[
            ("data", ""),
            ("name", ""),
            ("startTime", ""),
            ("endTime", ""),
            ("phase", ""),
            ("category", ""),
        ],
    ),
    (
        "stackTable",
        &[("frame", "frameTable"), ("prefix", "stackTable")],
    ),
    (
        "frameTable",
        &[
            ("address", ""),
            ("inlineDepth", ""),
            ("category", "categories"),
            ("subcategory", ""),
            ("func", "funcTable"),
            ("nativeSymbol", "nativeSymbols"),
            ("innerWindowID", ""),
            ("line", ""),
            ("column", ""),
        ],
    ),
    (
        "funcTable",
        &[
            ("name", "stringArray"),
            ("isJS", ""),
            ("relevantForJS", ""),
            ("resource", "resourceTable"),
            ("fileName", "stringArray"),
            ("lineNumber", ""),
            ("columnNumber", ""),
        ],
    ),
    (
        "resourceTable",
        &[
            ("lib", "libs"),
            ("name", "stringArray"),
            ("host", "stringArray"),
            ("type", ""),
        ],
    ),
    (
        "nativeSymbols",
        &[
            ("libIndex", "libs"),
            ("address", ""),
            ("name", "stringArray"),
            ("functionSize", ""),
        ],
    ),
    (
        "nativeAllocations",
        &[
            ("time", ""),
            ("weight", ""),
            ("stack", "stackTable"),
            ("memoryAddress", ""),
            ("threadId", ""),
        ],
    ),
];

fn read(sites: &[Site], blocks: u64) -> Json {
    let text = draw("firefox", &report::of(sites, blocks));
    let profile: Json = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(profile["meta"]["preprocessedProfileVersion"], 55);
    assert_eq!(profile["meta"]["symbolicated"], true);
    for table in TABLES {
        check_table(&profile, table);
    }
    profile
}

/// How many rows a table has, or elements a list.
fn length(profile: &Json, name: &str) -> u64 {
    let thread = &profile["threads"][0];
    let list = match name {
        "libs" => &profile["libs"],
        "categories" => &profile["meta"]["categories"],
        "stringArray" => &thread["stringArray"],
        table => return thread[table]["length"].as_u64().expect("a number"),
    };
    list.as_array().expect("a list").len() as u64
}

fn check_table(profile: &Json, (name, columns): &(&str, &[(&str, &str)])) {
    let table = &profile["threads"][0][*name];
    for (column, target) in *columns {
        let values = table[*column].as_array();
        let values = values.unwrap_or_else(|| panic!("{name}.{column} is missing"));
        assert_eq!(
            values.len() as u64,
            length(profile, name),
            "{name}.{column}"
        );
        for value in values.iter().filter(|_| !target.is_empty()) {
            let is_none = value.is_null() || value.as_i64() == Some(-1);
            let is_inside = value
                .as_u64()
                .is_some_and(|place| place < length(profile, target));
            assert!(is_none || is_inside, "{name}.{column} has {value}");
        }
    }
}

fn numbers(list: &Json) -> Vec<f64> {
    let values = list.as_array().expect("a list").iter();
    values
        .map(|value| value.as_f64().expect("a number"))
        .collect()
}

#[test]
fn every_table_is_whole_and_names_rows_that_exist() {
    let profile = read(&[], 100);
    let prefixes = profile["threads"][0]["stackTable"]["prefix"].as_array();
    for (row, prefix) in (0..).zip(prefixes.expect("a list")) {
        // Walking to the root comes to an end.
        assert!(prefix.as_u64().is_none_or(|prefix| prefix < row));
    }
    read(&[], 0);
}

#[test]
fn births_and_deaths_are_balanced_by_address_and_sorted_by_time() {
    let profile = read(&[], 99);
    let table = &profile["threads"][0]["nativeAllocations"];
    assert_eq!(table["weightType"], "bytes");
    let times = numbers(&table["time"]);
    assert!(times.is_sorted());
    let mut held: HashMap<u64, f64> = HashMap::new();
    let mut events: HashMap<u64, usize> = HashMap::new();
    for (address, weight) in numbers(&table["memoryAddress"])
        .iter()
        .zip(numbers(&table["weight"]))
    {
        let held = held.entry(*address as u64).or_default();
        *held += weight;
        assert!(*held >= 0.0, "a death came before its birth");
        *events.entry(*address as u64).or_default() += 1;
    }
    assert_eq!(events.len(), 99, "each block has an address of its own");
    let live: Vec<f64> = held.into_values().filter(|held| *held > 0.0).collect();
    assert_eq!((live.len(), live.iter().sum::<f64>()), (33, 33.0 * 512.0));
}

#[test]
fn the_memory_track_adds_up_to_what_is_live() {
    let sites = [Site {
        temporary: Blocks::default(),
        passing: Blocks::default(),
        until_peak: Blocks {
            objects: 3,
            bytes: 1001,
        },
        surviving: Blocks {
            objects: 1,
            bytes: 70,
        },
        since_peak: Blocks::default(),
        functions: vec![1],
    }];
    let profile = read(&sites, 1);
    let samples = &profile["counters"][0]["samples"];
    let (times, counts) = (numbers(&samples["time"]), numbers(&samples["count"]));
    assert_eq!(samples["length"], times.len());
    assert!(times.is_sorted() && times.len() == counts.len());
    assert_eq!(counts.iter().sum::<f64>(), 70.0);
    let mut height = 0.0;
    let heights = counts.iter().map(|count| {
        height += count;
        height
    });
    assert_eq!(heights.fold(0.0, f64::max), 1071.0);
    assert_eq!(profile["counters"][0]["category"], "Memory");
}

#[test]
fn a_library_has_its_build_id() {
    let profile = read(&[], 3);
    let library = &profile["libs"][0];
    assert_eq!(library["name"], "inventory");
    assert_eq!(library["path"], "/usr/bin/inventory");
    assert_eq!(
        library["codeId"],
        "0123456789abcdef0123456789abcdef01234567"
    );
    assert_eq!(library["breakpadId"], "67452301AB89EFCD0123456789ABCDEF0");
}

#[test]
fn what_is_inlined_lies_deeper_than_its_holder() {
    let profile = read(&[], 3);
    let thread = &profile["threads"][0];
    let frames = &thread["frameTable"];
    let mut depths = HashMap::new();
    for (function, depth) in numbers(&frames["func"])
        .iter()
        .zip(numbers(&frames["inlineDepth"]))
    {
        let name = &thread["funcTable"]["name"][*function as usize];
        let name = thread["stringArray"][name.as_u64().expect("a place") as usize].as_str();
        depths.insert(name.expect("a text").to_owned(), depth);
    }
    assert_eq!(depths["f3<a; b> {closure#0}"], 1.0);
    assert_eq!(depths["f2<a; b> {closure#0}"], 0.0);
}
