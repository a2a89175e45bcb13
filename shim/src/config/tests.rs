//! What each setting accepts.

#![forbid(unsafe_code)]

use super::*;

#[test]
fn sizes_are_digits_with_an_optional_suffix() {
    for (text, bytes) in [
        ("0", Some(0)),
        ("4096", Some(4096)),
        ("64K", Some(64 << 10)),
        ("64k", Some(64 << 10)),
        ("64KiB", Some(64 << 10)),
        ("64KB", Some(64 << 10)),
        ("2G", Some(2 << 30)),
        ("100B", Some(100)),
        ("", None),
        ("K", None),
        ("12X", None),
        ("12KX", None),
        ("-1", None),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("99999999999T", None),
    ] {
        assert_eq!(size(text.as_bytes()), bytes, "{text}");
    }
}

#[test]
fn patterns_select_programs_by_base_name() {
    for (patterns, program, expected) in [
        ("redis-server", "redis-server", true),
        ("redis-*", "redis-server", true),
        ("redis-*", "sqlite3", false),
        ("a,b", "b", true),
        ("!bash", "bash", false),
        ("!bash", "python3", true),
        ("*,!bash", "bash", false),
        ("py?hon*", "python3.11", true),
        ("*a*b*c", "xxaxxbxxc", true),
        ("*a*b*c", "xxaxxbxx", false),
        ("", "anything", true),
    ] {
        let path = format!("/usr/bin/{program}");
        let names = [base_name(path.as_bytes()), b"other"];
        let selected = selects(patterns.as_bytes(), names);
        assert_eq!(selected, expected, "{patterns} {program}");
    }
}

#[test]
fn a_program_is_selected_by_either_of_its_names() {
    let names: [&[u8]; 2] = [b"redis-check-rdb", b"redis-server"];
    assert!(selects(b"redis-server", names));
    assert!(selects(b"redis-check-rdb", names));
    assert!(!selects(b"*,!redis-server", names));
}

#[test]
fn an_interval_that_cannot_be_read_leaves_the_default() {
    let mut config = Config::read();
    config.take(b"MEMSHIM_INTERVAL", b"often");
    assert_eq!(config.interval, Interval::at_most(DEFAULT_INTERVAL_BYTES));
    config.take(b"MEMSHIM_INTERVAL", b"exact");
    assert_eq!(config.interval, Interval::EXACT);
}
