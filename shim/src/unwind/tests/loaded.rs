//! The objects that are loaded into this process, as framehop wants to know them.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use framehop::{ExplicitModuleSectionInfo, Module};
use object::{Object as _, ObjectSection as _};

/// How the contents of a section are kept.
pub(super) type Sections = Vec<u8>;

/// The files that code was loaded from, each with the range of its mappings.
pub(super) fn loaded_files() -> BTreeMap<String, (u64, u64)> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("a list of mappings");
    let mut files: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for line in maps.lines() {
        let Some(path) = line.find('/').map(|at| line[at..].to_string()) else {
            continue;
        };
        let range = line
            .split(' ')
            .next()
            .and_then(|range| range.split_once('-'));
        let (start, end) = range.expect("a range comes first");
        let number = |text| u64::from_str_radix(text, 16).expect("hexadecimal");
        let file = files.entry(path).or_insert((u64::MAX, 0));
        *file = (file.0.min(number(start)), file.1.max(number(end)));
    }
    files
}

/// A file with unwind data that was loaded at a range; its first segment is at address 0 of it.
pub(super) fn module(path: &str, (start, end): (u64, u64)) -> Option<Module<Sections>> {
    let file = std::fs::read(path).ok()?;
    let file = object::File::parse(&*file).ok()?;
    let range = |name| {
        let section = file.section_by_name(name)?;
        Some(section.address()..section.address() + section.size())
    };
    let data = |name| {
        let section = file.section_by_name(name)?;
        section.data().ok().map(<[u8]>::to_vec)
    };
    let sections = ExplicitModuleSectionInfo {
        base_svma: 0,
        text_svma: range(".text"),
        text: data(".text"),
        eh_frame_svma: range(".eh_frame"),
        eh_frame: data(".eh_frame"),
        eh_frame_hdr_svma: range(".eh_frame_hdr"),
        eh_frame_hdr: data(".eh_frame_hdr"),
        got_svma: range(".got"),
        ..Default::default()
    };
    Some(Module::new(path.to_string(), start..end, start, sections))
}
