//! What every program's libraries allocate once and keep: no list of leaks is better for it.

#![forbid(unsafe_code)]

use crate::report::{Frame, Stack};

/// A rule about who called the allocator.
#[derive(Debug)]
pub(super) struct Builtin {
    /// What it is about.
    pub(super) what: &'static str,
    /// How the file name of the caller's module begins.
    module: &'static str,
    /// What the caller may be called; anything where there is none.
    functions: &'static [&'static str],
    /// How the file name of the module of the caller's caller begins; anything where it is empty.
    called_from: &'static str,
}

pub(super) const BUILTIN: &[Builtin] = &[
    // Names and maps of loaded objects and of threads' storage; what dlopen gets dlclose gives
    // back, and a thread's part goes with it. Some is kept for as long as the process lives.
    Builtin {
        what: "the dynamic loader's own",
        module: "ld-linux",
        functions: &[],
        called_from: "",
    },
    // libstdc++ reserves 72,704 bytes when it is loaded, so that an exception can be thrown when
    // there is no memory; it gives them back only to checkers that ask for it.
    Builtin {
        what: "libstdc++'s reserve for exceptions",
        module: "libstdc++",
        functions: &[],
        called_from: "ld-linux",
    },
    // The buffer of a stream lives as long as the stream, and the standard streams are never
    // closed.
    Builtin {
        what: "buffers of standard streams",
        module: "libc.",
        functions: &["_IO_file_doallocate", "_IO_wfile_doallocate"],
        called_from: "",
    },
    // Loaded when first needed, shared by all later calls, and freed by nobody.
    Builtin {
        what: "locales, time zones, character sets and their tables",
        module: "libc.",
        functions: &[
            "setlocale",
            "newlocale",
            "bindtextdomain",
            "textdomain",
            "dcigettext",
            "__dcigettext",
            "tzset",
            "__tzset",
            "localtime",
            "localtime_r",
            "mktime",
            "strftime",
            "iconv_open",
        ],
        called_from: "",
    },
    // Lists that begin inside the library and go to the heap when they are full.
    Builtin {
        what: "the environment, and functions to call at exit",
        module: "libc.",
        functions: &[
            "setenv",
            "putenv",
            "atexit",
            "on_exit",
            "__cxa_atexit",
            "__cxa_at_quick_exit",
        ],
        called_from: "",
    },
];

impl Builtin {
    pub(super) fn matches(&self, stack: &Stack) -> bool {
        let mut frames = stack.0.iter();
        let is_in = |frame: &Frame, module: &str| {
            frame
                .module_name()
                .is_some_and(|name| name.starts_with(module))
        };
        let Some(caller) = frames.next().filter(|frame| is_in(frame, self.module)) else {
            return false;
        };
        let function = caller.function.as_deref().unwrap_or_default();
        let is_called = self.functions.is_empty() || self.functions.contains(&function);
        // The caller's own functions may be several, one above the other.
        let outer = frames.find(|frame| !is_in(frame, self.module));
        let is_called_from = self.called_from.is_empty()
            || outer.is_some_and(|frame| is_in(frame, self.called_from));
        is_called && is_called_from
    }
}
