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
fn go_is_left_alone_only_when_told_so() {
    for (variables, rate) in [
        (&[][..], Some(64 << 10)),
        (&[("MEMSHIM_GO", "0")], None),
        (&[("MEMSHIM_GO", "1")], Some(64 << 10)),
        (&[("MEMSHIM_GO_RATE", "4K")], Some(4096)),
        (&[("MEMSHIM_GO_RATE", "4K"), ("MEMSHIM_GO", "0")], None),
        (&[("MEMSHIM_GO_RATE", "0")], Some(64 << 10)),
        (&[("MEMSHIM_GO_RATE", "2T")], Some(64 << 10)),
        (&[("MEMSHIM_DISABLE", "1")], None),
    ] {
        let mut config = Config::read();
        for (name, value) in variables {
            config.take(name.as_bytes(), value.as_bytes());
        }
        assert_eq!(config.go_rate(), rate, "{variables:?}");
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
fn a_budget_is_a_percentage_with_decimals() {
    for (text, budget) in [
        ("0.5", Some(5_000)),
        ("1", Some(10_000)),
        ("2.25%", Some(22_500)),
        ("100", Some(1_000_000)),
        ("0.0001", Some(1)),
        ("0", None),
        ("0.00001", None),
        ("100.1", None),
        ("1e2", None),
        ("-1", None),
        (".5", None),
        ("1.", None),
        ("", None),
        ("%", None),
        ("99999999999999999999999", None),
    ] {
        assert_eq!(millionths(text.as_bytes()), budget, "{text}");
    }
}

#[test]
fn a_setting_that_cannot_be_read_leaves_the_default_and_a_note() {
    for (name, value, bit) in [
        ("MEMSHIM_INTERVAL", "often", rejected::INTERVAL),
        ("MEMSHIM_BUDGET", "much", rejected::BUDGET),
        ("MEMSHIM_MAX_SEGMENT", "all", rejected::MAX_SEGMENT),
        ("MEMSHIM_SEED", "x", rejected::SEED),
        ("MEMSHIM_INTERVAL", "", 0),
        ("MEMSHIM_INTERVAL", "auto", 0),
        ("MEMSHIM_BUDGET", "0.5", 0),
    ] {
        let mut config = Config::read();
        config.take(name.as_bytes(), value.as_bytes());
        assert_eq!(config.rejected, bit, "{name}={value}");
        assert_eq!(config.interval, controller::FINEST, "{name}={value}");
        assert_eq!(config.budget(), DEFAULT_BUDGET, "{name}={value}");
    }
}

#[test]
fn a_fixed_interval_has_no_budget() {
    for (value, interval) in [
        ("exact", Interval::EXACT),
        ("512K", Interval::at_most(512 << 10)),
    ] {
        let mut config = Config::read();
        config.take(b"MEMSHIM_INTERVAL", value.as_bytes());
        assert_eq!((config.interval, config.budget()), (interval, 0), "{value}");
    }
}
