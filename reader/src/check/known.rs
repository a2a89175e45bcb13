//! What is left at the end on purpose, by everybody who uses these libraries.
//!
//! Each is a function of a runtime that keeps one bounded piece of memory until the process ends;
//! valgrind and LeakSanitizer do not count them either.

#![forbid(unsafe_code)]

use std::sync::Arc;

use crate::report::{Frame, Stack};

/// Functions anywhere in a stack whose blocks nobody means to free.
const KEPT: &[&str] = &[
    // Buffers of stdin, stdout and stderr.
    "_IO_file_doallocate",
    // Thread-local memory that the loader makes when a thread first uses it.
    "_dl_allocate_tls",
    "allocate_dtv",
    // Locales and time zones stay loaded.
    "setlocale",
    "tzset_internal",
];

/// The runtime: what only it has called is its own, as the C++ library's reserve for exceptions
/// that are thrown when no memory is left.
const RUNTIME: &[&str] = &["ld-linux-x86-64.so.2", "libc.so.6", "libstdc++.so.6"];

/// Whether what is left of this stack is no leak.
pub(crate) fn is_kept_on_purpose(stack: &Stack) -> bool {
    let module = |frame: &Frame| frame.module_name().unwrap_or_default().to_owned();
    let is_runtime = |frame: &Arc<Frame>| RUNTIME.contains(&module(frame).as_str());
    let is_loader = |frame: &Arc<Frame>| module(frame) == RUNTIME[0];
    let is_kept = |frame: &Arc<Frame>| {
        let function = frame.function.as_deref().unwrap_or_default();
        // glibc's debug information names the inner alias of a function.
        KEPT.contains(&function.trim_start_matches("__GI_"))
    };
    let frames = &stack.0;
    !frames.is_empty()
        && (frames.iter().all(is_runtime)
            || frames.first().is_some_and(is_loader)
            || frames.iter().any(is_kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(frames: &[(&str, &str)], expected: bool) {
        let frame = |(function, module): &(&str, &str)| Frame {
            function: Some((*function).into()),
            module: Some((*module).into()),
            ..Frame::default()
        };
        let stack: Stack = frames.iter().map(frame).collect();
        assert_eq!(is_kept_on_purpose(&stack), expected, "{frames:?}");
    }

    #[test]
    fn what_the_runtime_keeps_is_no_leak_and_what_it_was_asked_for_is_one() {
        check(
            &[
                ("pool", "libstdc++.so.6"),
                ("_dl_init", "ld-linux-x86-64.so.2"),
            ],
            true,
        );
        check(
            &[("__GI__IO_file_doallocate", "libc.so.6"), ("main", "app")],
            true,
        );
        check(
            &[("_dl_new_object", "ld-linux-x86-64.so.2"), ("main", "app")],
            true,
        );
        check(&[("strdup", "libc.so.6"), ("main", "app")], false);
        check(
            &[("init", "libapp.so"), ("_dl_init", "ld-linux-x86-64.so.2")],
            false,
        );
        check(&[], false);
    }
}
