//! What people read for which number.

#![forbid(unsafe_code)]

use crate::output::format::{bytes, cell, count, duration, percent, time};
use crate::report::{Estimate, Unit, Value};

fn check(written: String, expected: &str) {
    assert_eq!(written, expected);
}

fn check_cell(value: impl Into<Value>, expected: &str) {
    let cell = cell(&value.into(), false);
    check(
        format!("{} {}", cell.main, cell.interval)
            .trim_end()
            .to_owned(),
        expected,
    );
}

#[test]
fn bytes_have_binary_units() {
    check(bytes(0.0), "0 B");
    check(bytes(1023.0), "1,023 B");
    check(bytes(1024.0), "1.0 KiB");
    check(bytes(12.3 * 1024.0 * 1024.0), "12.3 MiB");
    check(bytes(u64::MAX as f64), "16.0 EiB");
}

#[test]
fn rounding_up_moves_to_the_next_unit() {
    check(bytes(1023.6), "1.0 KiB");
    check(bytes(1024.0 * 1023.99), "1.0 MiB");
    check(duration(59_990_000_000.0), "1.0 min");
}

#[test]
fn counts_have_commas() {
    check(count(0.0), "0");
    check(count(999.0), "999");
    check(count(1_234_567.0), "1,234,567");
    check(count(-1234.0), "-1,234");
    check(count(-0.2), "0");
    check(count(f64::INFINITY), "inf");
}

#[test]
fn durations_have_one_unit() {
    check(duration(850.0), "850 ns");
    check(duration(3_200_000.0), "3.2 ms");
    check(duration(5_400e9), "1.5 h");
    check(duration(10.0 * 86_400e9), "10.0 d");
}

#[test]
fn percents_have_one_decimal() {
    check(percent(99.95), "100.0 %");
    check(percent(0.0), "0.0 %");
    check(percent(1e-9), "< 0.1 %");
}

#[test]
fn moments_are_in_utc() {
    check(time(0), "1970-01-01 00:00:00 UTC");
    check(time(951_782_400_000_000_000), "2000-02-29 00:00:00 UTC");
    check(time(1_795_331_433_123_456_789), "2026-11-22 07:10:33 UTC");
}

#[test]
fn an_interval_is_in_the_unit_of_its_value() {
    let mib = 1024.0 * 1024.0;
    check_cell(
        Estimate::sampled(12.3 * mib, 10.1 * mib, 1030.0 * mib, Unit::Bytes),
        "12.3 MiB [10.1 .. 1030.0]",
    );
    check_cell(
        Estimate::sampled(1e3, 900.0, 1100.0, Unit::Count),
        "1,000 [900 .. 1,100]",
    );
}

#[test]
fn an_exact_quantity_has_no_interval() {
    check_cell(Estimate::exact(2048.0, Unit::Bytes), "2.0 KiB");
}

#[test]
fn the_interval_of_zero_decides_the_unit() {
    check_cell(
        Estimate::sampled(0.0, 0.0, 1.8 * 1024.0 * 1024.0, Unit::Bytes),
        "0.0 MiB [0.0 .. 1.8]",
    );
}

#[test]
fn an_unknown_value_is_a_dash() {
    check_cell(Value::Unknown, "-");
}

#[test]
fn a_change_has_a_sign() {
    let signed = |value| cell(&Value::Estimate(Estimate::exact(value, Unit::Bytes)), true).main;
    check(signed(2048.0), "+2.0 KiB");
    check(signed(-2048.0), "-2.0 KiB");
    check(signed(0.0), "0 B");
}

#[test]
fn what_nobody_saw_end_is_at_least_as_long_as_it_lasted() {
    check_cell(
        Estimate::sampled(f64::INFINITY, 2.5e9, f64::INFINITY, Unit::Duration),
        "> 2.5 s",
    );
}
