//! The frame that the programmer can change: the innermost that is no part of an allocator, of the
//! C or C++ library, or of a wrapper around them.

#![forbid(unsafe_code)]

use crate::report::{Frame, Stack};

/// Libraries whose frames nobody changes, by the start of the file's name.
const LIBRARIES: &[&str] = &[
    "libc.so",
    "libc-",
    "libstdc++",
    "libc++",
    "libgcc_s",
    "ld-linux",
    "libm.so",
    "libpthread",
    "libglib-2",
    "libjemalloc",
    "libtcmalloc",
    "libmimalloc",
];

/// Namespaces of standard libraries, as they stand before the arguments of a name.
const NAMESPACES: &[&str] = &["std::", "__gnu_cxx::", "alloc::", "core::", "hashbrown::"];

/// Functions that only pass an allocation on, by their beginning.
const WRAPPERS: &[&str] = &[
    "operator new",
    "malloc",
    "calloc",
    "realloc",
    "xmalloc",
    "xcalloc",
    "xrealloc",
    "g_malloc",
    "g_realloc",
    "g_slice",
    "strdup",
    "__rust_alloc",
    "__rust_realloc",
    "__rdl_",
    "__rustc",
    "mem_alloc",
    "my_malloc",
    "safe_malloc",
    "zmalloc",
    "zrealloc",
    "zcalloc",
];

/// `function  file:line` of the first frame that can be changed; the innermost where none can.
pub(super) fn describe(stack: &Stack) -> String {
    let Some(frame) = frame_to_change(stack) else {
        return String::from("unknown");
    };
    match (&frame.file, frame.line) {
        (Some(file), Some(line)) => format!("{} at {file}:{line}", frame.label()),
        _ => frame.label(),
    }
}

/// The first frame that can be changed; the innermost where none can.
pub(crate) fn frame_to_change(stack: &Stack) -> Option<&Frame> {
    let frames = || stack.0.iter().map(|frame| &**frame);
    frames()
        .find(|frame| is_changeable(frame))
        .or(frames().next())
}

fn is_changeable(frame: &Frame) -> bool {
    let module = frame.module_name().unwrap_or_default();
    let Some(function) = &frame.function else {
        // A stripped program is still the programmer's.
        return !LIBRARIES.iter().any(|library| module.starts_with(library));
    };
    // Of a template or a function with types in its name only what stands before them counts;
    // Rust puts a type first.
    let name = function.trim_start_matches('<');
    let name = name.split(['<', '(']).next().unwrap_or(name);
    let is_standard = NAMESPACES.iter().any(|namespace| name.contains(namespace));
    let is_wrapper = WRAPPERS.iter().any(|wrapper| name.starts_with(wrapper));
    let is_library = LIBRARIES.iter().any(|library| module.starts_with(library));
    !is_standard && !is_wrapper && !is_library
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(frames: &[(&str, &str)], expected: &str) {
        let frame = |(function, module): &(&str, &str)| Frame {
            function: (!function.is_empty()).then(|| (*function).into()),
            module: Some((*module).into()),
            ..Frame::default()
        };
        assert_eq!(describe(&frames.iter().map(frame).collect()), expected);
    }

    #[test]
    fn frames_of_containers_and_the_library_are_passed_over() {
        check(
            &[
                ("operator new(unsigned long)", "/usr/lib/libstdc++.so.6"),
                (
                    "__gnu_cxx::new_allocator<int>::allocate(unsigned long)",
                    "/bin/app",
                ),
                (
                    "void std::vector<int>::_M_realloc_insert<int>(int&&)",
                    "/bin/app",
                ),
                ("Parser::parse(std::string const&)", "/bin/app"),
            ],
            "Parser::parse(std::string const&)",
        );
    }

    #[test]
    fn rust_containers_are_passed_over() {
        check(
            &[
                ("alloc::raw_vec::RawVec<T>::grow_one", "/bin/app"),
                (
                    "<alloc::vec::Vec<T> as core::iter::Extend<T>>::extend",
                    "/bin/app",
                ),
                ("app::parse", "/bin/app"),
            ],
            "app::parse",
        );
    }

    #[test]
    fn a_stack_of_nothing_else_names_its_innermost_frame() {
        check(&[("strdup", "/usr/lib/libc.so.6")], "strdup");
    }
}
