//! The executables and libraries of a profile.

#![forbid(unsafe_code)]

use std::sync::Arc;

use serde::Serialize;

use crate::output::clean::clean;

/// An element of `libs`, in which symbol servers would find it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Library {
    arch: &'static str,
    /// The last part of the path.
    pub name: String,
    path: String,
    debug_name: String,
    debug_path: String,
    breakpad_id: String,
    /// The GNU build-id.
    code_id: Option<Arc<str>>,
}

impl Library {
    /// The module of this path and build-id.
    pub fn new(path: &str, build_id: Option<&Arc<str>>) -> Library {
        let path = clean(path).into_owned();
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        Library {
            arch: "x86_64",
            debug_name: name.clone(),
            debug_path: path.clone(),
            breakpad_id: build_id.map_or_else(String::new, |id| breakpad_id(id)),
            code_id: build_id.cloned(),
            name,
            path,
        }
    }
}

/// The build-id as Breakpad writes it: its first 16 bytes as a Windows GUID, whose first three
/// fields are little-endian numbers, and an age of 0.
fn breakpad_id(build_id: &str) -> String {
    let padded: String = build_id
        .chars()
        .chain("0".repeat(32).chars())
        .take(32)
        .collect();
    let bytes: Vec<String> = padded
        .as_bytes()
        .chunks(2)
        .map(|pair| String::from_utf8_lossy(pair).to_uppercase())
        .collect();
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let swapped = order.iter().filter_map(|place| bytes.get(*place));
    swapped.map(String::as_str).chain(["0"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(build_id: &str, expected: &str) {
        assert_eq!(breakpad_id(build_id), expected);
    }

    #[test]
    fn a_build_id_is_a_guid_with_swapped_fields() {
        check(
            "0123456789abcdef0123456789abcdef01234567",
            "67452301AB89EFCD0123456789ABCDEF0",
        );
    }

    #[test]
    fn a_short_build_id_is_filled_up() {
        check("c0ffee", "00EEFFC00000000000000000000000000");
    }
}
