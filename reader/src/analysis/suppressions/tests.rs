//! Patterns, files of rules, and the rules that are built in.

use super::*;

fn check(pattern: &str, name: &str, expected: bool) {
    assert_eq!(
        Pattern::of(pattern).matches(name),
        expected,
        "{pattern} on {name}"
    );
}

fn frame(function: &str, module: &str) -> Frame {
    Frame {
        module: Some(module.into()),
        ..Frame::marker(function)
    }
}

#[test]
fn a_pattern_may_lie_anywhere_in_a_name() {
    check("cache", "my_cache_fill", true);
    check("cache", "my_cash_fill", false);
}

#[test]
fn anchors_bind_a_pattern_to_the_ends() {
    check("^cache", "my_cache", false);
    check("^my", "my_cache", true);
    check("cache$", "my_cache", true);
    check("my$", "my_cache", false);
    check("^my_cache$", "my_cache", true);
    check("^my$", "my_cache", false);
}

#[test]
fn a_star_stands_for_anything() {
    check("my*fill", "my_cache_fill_all", true);
    check("^my*fill$", "my_fill_fill", true);
    check("fill*my", "my_cache_fill", false);
    check("^*fill$", "my_cache_fill", true);
    check("*", "", true);
    check("a*a", "a", false);
}

#[test]
fn a_file_may_have_comments_and_blank_lines() {
    let rules = Suppressions::parse("# why\n\n  leak:one  \nleak:lib*two.so\r\n");
    let rules = rules.expect("all lines are rules");
    let stack = |function, module| Stack::from_iter([frame("leaf", "x"), frame(function, module)]);
    assert_eq!(rules.suppressed(&stack("one", "prog")), Some(0));
    assert_eq!(
        rules.suppressed(&stack("main", "/usr/lib/libtwo.so.1")),
        Some(1)
    );
    assert_eq!(rules.suppressed(&stack("main", "prog")), None);
}

#[test]
fn a_line_that_is_no_rule_is_named() {
    for text in ["leak:a\nrace:b", "\nleak:", "\nfoo"] {
        let error = Suppressions::parse(text)
            .map(|_| ())
            .expect_err("it has a wrong line");
        assert!(error.starts_with("line 2 "), "{error}");
    }
}

#[test]
fn the_loader_and_the_reserve_of_libstdcxx_are_left_out_and_programs_are_not() {
    let rules = Suppressions::builtin();
    let loader = "/lib64/ld-linux-x86-64.so.2";
    let library = "/usr/lib/libstdc++.so.6.0.30";
    let is_out = |frames: Vec<Frame>| rules.suppressed(&Stack::from_iter(frames)).is_some();
    assert!(is_out(vec![frame("calloc", loader), frame("main", "prog")]));
    assert!(is_out(vec![
        frame("?", library),
        frame("?", library),
        frame("call_init", loader)
    ]));
    assert!(is_out(vec![
        frame("setlocale", "/lib/libc.so.6"),
        frame("main", "prog")
    ]));
    assert!(!is_out(vec![
        frame("operator new", library),
        frame("main", "prog")
    ]));
    assert!(!is_out(vec![
        frame("strdup", "/lib/libc.so.6"),
        frame("main", "prog")
    ]));
    assert!(!is_out(vec![
        frame("global", "prog"),
        frame("call_init", loader)
    ]));
}

#[test]
fn what_the_libraries_keep_for_themselves_is_left_out_and_what_they_were_asked_for_is_not() {
    let check = |frames: &[(&str, &str)], expected: bool| {
        let frames = frames.iter();
        let stack: Stack = frames
            .map(|(function, module)| frame(function, module))
            .collect();
        let found = Suppressions::builtin().suppressed(&stack);
        assert_eq!(found.is_some(), expected, "{stack:?}");
    };
    let (loader, libc) = ("/lib64/ld-linux-x86-64.so.2", "/lib/libc.so.6");
    check(
        &[("pool", "/usr/lib/libstdc++.so.6"), ("_dl_init", loader)],
        true,
    );
    check(&[("__GI__IO_file_doallocate", libc), ("main", "app")], true);
    check(
        &[("_nl_load", libc), ("setlocale", libc), ("main", "app")],
        true,
    );
    check(&[("_dl_new_object", loader), ("main", "app")], true);
    check(&[("malloc_init", libc), ("_dl_init", loader)], true);
    check(&[("strdup", libc), ("main", "app")], false);
    check(
        &[
            ("strdup", libc),
            ("init", "libapp.so"),
            ("_dl_init", loader),
        ],
        false,
    );
    check(&[("init", "libapp.so"), ("_dl_init", loader)], false);
    check(&[("setlocale", "app"), ("main", "app")], false);
    check(&[], false);
}
