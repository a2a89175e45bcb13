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
    /// What it, or one of its own callers in that module, is called; anything where there is none.
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
    // What it sets up for itself before the program begins.
    Builtin {
        what: "the C library's own start",
        module: "libc.",
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
            "tzset_internal",
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
        let is_in = |frame: &Frame, module: &str| {
            frame
                .module_name()
                .is_some_and(|name| name.starts_with(module))
        };
        let own = stack.0.iter().take_while(|frame| is_in(frame, self.module));
        let outer = stack.0.get(own.clone().count());
        let has_function = |frame: &Frame| {
            // The C library's debug information names the inner alias of a function.
            let function = frame.function.as_deref().unwrap_or_default();
            self.functions
                .contains(&function.trim_start_matches("__GI_"))
        };
        let mut own = own.peekable();
        own.peek().is_some()
            && (self.functions.is_empty() || own.any(|frame| has_function(frame)))
            && (self.called_from.is_empty()
                || outer.is_some_and(|frame| is_in(frame, self.called_from)))
    }
}
