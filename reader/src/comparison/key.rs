//! What two builds of one program have in common in a call stack.
//!
//! Lines move, compilers clone functions, libraries get versions: a key leaves all that out, so
//! that a rebuild of the same source has the same keys.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, LazyLock};

use regex::Regex;

use crate::report::{Frame, Stack};

/// Parts of a function's name that compilers add, and change from build to build.
static ADDED_TO_FUNCTIONS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(\.(isra|constprop|part|cold|llvm|lto_priv|localalias)(\.\d+)*)+$",
        r"| \[clone [^\]]*\]",
        r"|::h[0-9a-f]{16}$",
        // Rust's symbols of version 0 name the build of a crate.
        r"|\[[0-9a-f]{10,16}\]",
    ))
});

/// Parts of a module's file name that name its version or its build.
static ADDED_TO_MODULES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r" \(deleted\)$",
        r"|(?P<library>\.so)(\.[0-9]+)+$",
        r"|-[0-9]+(\.[0-9]+)*(?P<plain>\.so)$",
        // Cargo puts such a hash behind the names of tests and libraries.
        r"|-[0-9a-f]{16}$",
    ))
});

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern that stands in the code compiles")
}

/// A call stack, leaf first, without what differs between builds of one source.
///
/// A function that calls itself stands in it once, since the depth of a recursion is the input's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub Vec<Part>);

/// One level of a key.
///
/// As text it is `function (module)`, `function`, `0x1234 (module@build-id)` or `? (module)`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// A function, or a marker in the place of one, and the file name of its module.
    Function {
        /// The demangled name, without clones and hashes.
        name: String,
        /// The file name without versions; none for markers.
        module: Option<String>,
    },
    /// Code without a name; it can be compared only with the same build of its module.
    Address {
        /// The file name without versions.
        module: String,
        /// The build-id in hexadecimal; empty where the module has none.
        build_id: String,
        /// The call's address in the module.
        offset: u64,
    },
}

/// The name of code about which nothing is known that another build would share.
const NAMELESS: &str = "?";

impl Key {
    /// The key of a stack whose frames have been named.
    pub fn of(stack: &Stack) -> Key {
        let mut parts: Vec<Part> = stack.0.iter().map(|frame| Part::of(frame)).collect();
        parts.dedup();
        Key(parts)
    }

    /// The key as builds share it of which only `shared` modules are the same, by build-id.
    pub fn coarsened(&self, shared: &BTreeSet<String>) -> Key {
        let mut parts: Vec<Part> = self.0.iter().map(|part| part.coarsened(shared)).collect();
        parts.dedup();
        Key(parts)
    }

    /// The key as it would be if the module `old` were called `new`.
    pub(crate) fn renamed(&self, old: &str, new: &str) -> Key {
        let mut key = self.clone();
        for part in &mut key.0 {
            let module = match part {
                Part::Function { module, .. } => module.as_mut(),
                Part::Address { module, .. } => Some(module),
            };
            if let Some(module) = module.filter(|module| *module == old) {
                new.clone_into(module);
            }
        }
        key
    }

    /// A stack to show where there is no other, such as that of a row which is gone.
    pub fn to_stack(&self) -> Stack {
        self.0.iter().map(Part::to_frame).collect()
    }

    /// The builds that its nameless parts belong to.
    pub fn build_ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Address { build_id, .. } => Some(build_id.as_str()),
            Part::Function { .. } => None,
        })
    }
}

impl Part {
    fn of(frame: &Frame) -> Part {
        let module = frame.module_name().map(module_name);
        let name = frame.function.as_deref().map(function_name);
        match (name, module, frame.offset) {
            (Some(name), module, _) => Part::Function { name, module },
            (None, Some(module), Some(offset)) => Part::Address {
                module,
                build_id: frame.build_id.as_deref().unwrap_or_default().to_owned(),
                offset,
            },
            (None, module, _) => Part::nameless(module),
        }
    }

    fn nameless(module: Option<String>) -> Part {
        Part::Function {
            name: NAMELESS.to_owned(),
            module,
        }
    }

    fn coarsened(&self, shared: &BTreeSet<String>) -> Part {
        match self {
            Part::Address {
                module, build_id, ..
            } if !shared.contains(build_id) => Part::nameless(Some(module.clone())),
            _ => self.clone(),
        }
    }

    /// Reads the text that [`Part`] is written as; any text is one.
    pub fn parse(text: &str) -> Part {
        let plain = || Part::Function {
            name: text.to_owned(),
            module: None,
        };
        let Some((name, module)) = text
            .strip_suffix(')')
            .and_then(|text| text.rsplit_once(" ("))
        else {
            return plain();
        };
        let offset = name
            .strip_prefix("0x")
            .map(|hex| u64::from_str_radix(hex, 16));
        match (offset, module.rsplit_once('@')) {
            (Some(Ok(offset)), Some((module, build_id))) => Part::Address {
                module: module.to_owned(),
                build_id: build_id.to_owned(),
                offset,
            },
            _ => Part::Function {
                name: name.to_owned(),
                module: Some(module.to_owned()),
            },
        }
    }

    fn to_frame(&self) -> Frame {
        match self {
            Part::Function { name, module } => Frame {
                function: Some(name.as_str().into()),
                module: module.as_deref().map(Arc::from),
                ..Frame::default()
            },
            Part::Address {
                module,
                build_id,
                offset,
            } => Frame {
                module: Some(module.as_str().into()),
                build_id: Some(build_id.as_str().into()),
                offset: Some(*offset),
                ..Frame::default()
            },
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Function { name, module: None } => formatter.write_str(name),
            Part::Function {
                name,
                module: Some(module),
            } => write!(formatter, "{name} ({module})"),
            Part::Address {
                module,
                build_id,
                offset,
            } => write!(formatter, "{offset:#x} ({module}@{build_id})"),
        }
    }
}

/// A function's name as other builds have it.
fn function_name(name: &str) -> String {
    ADDED_TO_FUNCTIONS.replace_all(name, "").into_owned()
}

/// A module's file name as its other versions have it.
pub(crate) fn module_name(name: &str) -> String {
    ADDED_TO_MODULES
        .replace_all(name, "$library$plain")
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_function(name: &str, expected: &str) {
        assert_eq!(function_name(name), expected);
    }

    fn check_module(name: &str, expected: &str) {
        assert_eq!(module_name(name), expected);
    }

    #[test]
    fn a_function_is_the_same_whatever_the_compiler_made_of_it() {
        check_function("parse.isra.0", "parse");
        check_function("parse.constprop.0.isra.1", "parse");
        check_function("parse.part.0.cold", "parse");
        check_function("parse.llvm.1234567", "parse");
        check_function("parse(char const*) [clone .isra.0]", "parse(char const*)");
        check_function("alloc::vec::push::h0123456789abcdef", "alloc::vec::push");
        check_function("alloc[846817f741e54dfd]::vec::push", "alloc::vec::push");
        check_function("operator[](int)", "operator[](int)");
        check_function("h::partly", "h::partly");
    }

    #[test]
    fn a_module_is_the_same_in_every_version() {
        check_module("libfoo.so.1.2.3", "libfoo.so");
        check_module("libfoo-1.2.so", "libfoo.so");
        check_module("libpython3.11.so.1.0", "libpython3.11.so");
        check_module("parser-0123456789abcdef", "parser");
        check_module("server (deleted)", "server");
        check_module("x86-64", "x86-64");
    }

    #[test]
    fn a_key_survives_being_written() {
        for text in [
            "operator()(int) const (libfoo.so)",
            "0x1234 (libfoo.so@c0ffee)",
            "? (libfoo.so)",
            "[callers unknown]",
            "",
        ] {
            assert_eq!(Part::parse(text).to_string(), text);
        }
    }

    #[test]
    fn nameless_code_is_compared_by_address_only_within_one_build() {
        let key = Key(vec![
            Part::parse("0x1234 (libfoo.so@c0ffee)"),
            Part::parse("0x5678 (libfoo.so@c0ffee)"),
            Part::parse("main (app)"),
        ]);
        let same = BTreeSet::from(["c0ffee".to_owned()]);
        assert_eq!(key.coarsened(&same), key);
        let other = key.coarsened(&BTreeSet::new());
        let texts: Vec<String> = other.0.iter().map(Part::to_string).collect();
        assert_eq!(texts, ["? (libfoo.so)", "main (app)"]);
    }

    #[test]
    fn a_recursion_has_one_key_whatever_its_depth() {
        let named = |name: &str| Frame {
            function: Some(name.into()),
            ..Frame::default()
        };
        let shallow = Stack::from_iter(["visit", "main"].map(named));
        let deep = Stack::from_iter(["visit", "visit", "visit", "main"].map(named));
        assert_eq!(Key::of(&shallow), Key::of(&deep));
    }
}
