//! A baseline comes back as it was written, and a wrong one is refused with its place.

use super::*;

fn row(text: &str, live: f64, allocated: Quantity) -> (Key, [Quantity; 6]) {
    let mut figures = [Quantity::default(); 6];
    figures[Measure::LiveBytes as usize] = Quantity::certain(live);
    figures[Measure::AllocatedBytes as usize] = allocated;
    (
        Key(vec![Part::parse(text), Part::parse("main (app)")]),
        figures,
    )
}

fn profile(rows: Vec<(Key, [Quantity; 6])>) -> Profile {
    let mut profile = Profile {
        runs: 3,
        ..Profile::default()
    };
    profile.origin.program = "app".to_owned();
    for (key, figures) in rows {
        let stack = key.to_stack();
        profile.add(key, stack, &figures);
    }
    profile.sum_up();
    profile
}

fn there_and_back(profile: &Profile) -> Profile {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("baseline.json");
    write(&path, profile).expect("written");
    read(&path).expect("read")
}

fn check_refused(text: &str, line: usize, part: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("baseline.json");
    fs::write(&path, text).expect("written");
    match read(&path) {
        Err(Error::Content {
            line: found,
            problem,
            ..
        }) => {
            assert_eq!(found, line, "{problem}");
            assert!(problem.contains(part), "{problem}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn large_rows_come_back_as_they_were() {
    let varying = Quantity {
        total: 1e6,
        sampling_variance: 2.5,
        seen: 10.0,
        run_variance: 7.25,
    };
    let rows = vec![
        row("parse (app)", 64.0, varying),
        row("0x12 (libx.so@c0ffee)", 0.0, Quantity::certain(2e6)),
    ];
    let written = profile(rows);
    let read = there_and_back(&written);
    assert_eq!(read.totals, written.totals);
    assert_eq!(read.runs, 3);
    assert_eq!(read.rows, written.rows);
}

#[test]
fn small_rows_are_merged_unless_they_are_large_in_anything() {
    let mut rows = vec![row("large (app)", 0.0, Quantity::certain(1e6))];
    rows.push(row("leaks (app)", 1.0, Quantity::certain(1.0)));
    for number in 0..50 {
        let name = format!("small_{number} (app)");
        rows.push(row(&name, 0.0, Quantity::certain(1.0)));
    }
    let written = profile(rows);
    let read = there_and_back(&written);
    assert_eq!(read.rows.len(), 3, "{:#?}", read.rows.keys());
    assert_eq!(read.totals, written.totals);
}

#[test]
fn what_is_no_baseline_is_refused_with_its_line() {
    check_refused("{\n  \"schema\": 5\n}", 2, "no memshim.baseline/1");
    let text = "{\"schema\": \"memshim.baseline/9\", \"program\": \"a\", \"executable\": \"a\", \
                \"build_id\": \"\", \"started_unix_ns\": 0, \"runs\": 1, \"interval_bytes\": 0, \
                \"merged_share\": 0, \"totals\": {}, \"rows\": []}";
    check_refused(text, 1, "this reader knows memshim.baseline/1");
}
