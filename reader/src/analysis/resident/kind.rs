//! What a mapping is for, as far as that can be told from outside.

#![forbid(unsafe_code)]

use std::ops::Range;

use crate::source::maps::Mapping;

/// The most that a thread's stack may lie above: the guard page, or a few of them.
const GUARD_BYTES_MOST: u64 = 64 << 10;

/// glibc reserves so much, aligned to itself, for each heap of an arena beyond the first
/// (HEAP_MAX_SIZE in its malloc/arena.c, on machines of 64 bits).
const ARENA_HEAP_BYTES: u64 = 64 << 20;

/// Where the heap of Go's runtime begins up to Go 1.25 (mallocinit in its malloc.go); later ones
/// begin anywhere.
const GO_HEAP: Range<u64> = 0xc0 << 32..0xc1 << 32;

/// The kernel places mappings from the top of the address space downwards, all but two bits of it.
const LOWEST_OF_KERNEL: u64 = 0x7000_0000_0000;

/// What mappings are for, in the order in which reports list them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The heap that brk(2) extends, of malloc's first arena.
    Heap,
    /// Heaps of glibc's other arenas, which threads use.
    Arenas,
    /// Other anonymous memory in which sampled blocks live.
    Blocks,
    /// The heap of Go's runtime.
    Go,
    /// Anonymous memory without a sampled block.
    Anonymous,
    /// Stacks.
    Stacks,
    /// Pages of files that were written to, which are the process's own.
    FilesChanged,
    /// Pages of files as they are on disk.
    Files,
    /// Memory that others may see.
    Shared,
    /// What memshim itself has: its segment and its private memory.
    Own,
}

impl Kind {
    /// All of them, by the numbers that recordings know them by.
    pub(crate) const ALL: [Kind; 10] = [
        Kind::Heap,
        Kind::Arenas,
        Kind::Blocks,
        Kind::Anonymous,
        Kind::Stacks,
        Kind::FilesChanged,
        Kind::Files,
        Kind::Shared,
        Kind::Own,
        Kind::Go,
    ];

    /// Its stable name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Heap => "heap",
            Kind::Arenas => "arenas",
            Kind::Blocks => "mapped blocks",
            Kind::Anonymous => "other mmap",
            Kind::Stacks => "stacks",
            Kind::FilesChanged => "changed files",
            Kind::Files => "files",
            Kind::Shared => "shared",
            Kind::Own => "memshim",
            Kind::Go => "Go heap",
        }
    }

    /// A phrase for people, short enough for a column.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Kind::Heap => "malloc, grown by brk",
            Kind::Arenas => "malloc in threads, glibc",
            Kind::Blocks => "large, or not of glibc",
            Kind::Anonymous => "no sampled block in it",
            Kind::Stacks => "of all threads",
            Kind::FilesChanged => "written to, so its own",
            Kind::Files => "the kernel can drop it",
            Kind::Shared => "others may count it too",
            Kind::Own => "gone without profiler",
            Kind::Go => "what its runtime keeps",
        }
    }

    /// Whether the allocator's blocks are in it.
    pub(crate) fn has_blocks(self) -> bool {
        matches!(self, Kind::Heap | Kind::Arenas | Kind::Blocks)
    }

    /// What the mapping at `index` is for; `has_blocks` says whether a sampled block is in it, and
    /// `is_go` whether Go's runtime is in the program.
    ///
    /// Pages of one mapping of a file are told apart elsewhere; here it is `Files`.
    pub(crate) fn of(
        mappings: &[Mapping],
        index: usize,
        segment_name: &str,
        is_go: bool,
        has_blocks: bool,
    ) -> Kind {
        let mapping = &mappings[index];
        let name = mapping.name.as_str();
        let is_segment = !segment_name.is_empty() && name.contains(segment_name);
        if is_segment || mapping.is_wiped_at_fork && mapping.is_anonymous() {
            return Kind::Own;
        }
        match name {
            "[heap]" => return Kind::Heap,
            _ if name.starts_with("[stack") => return Kind::Stacks,
            // The kernel's own pages, such as [vdso].
            _ if name.starts_with('[') && !name.starts_with("[anon") => return Kind::Files,
            _ => {}
        }
        if !mapping.is_anonymous() {
            return match mapping.is_shared {
                true => Kind::Shared,
                false => Kind::Files,
            };
        }
        if is_go && is_heap_of_go(mappings, index) {
            return Kind::Go;
        }
        if is_arena(mappings, index) {
            return Kind::Arenas;
        }
        match has_blocks {
            true => Kind::Blocks,
            false if is_stack(mappings, index) => Kind::Stacks,
            false => Kind::Anonymous,
        }
    }
}

/// Whether a mapping is the part in use of a heap that glibc made for an arena: it begins where
/// such heaps begin, and the reserve behind it ends where they end.
fn is_arena(mappings: &[Mapping], index: usize) -> bool {
    let mapping = &mappings[index];
    let is_bound = |address: u64| address.is_multiple_of(ARENA_HEAP_BYTES);
    let reserve = mappings.get(index + 1).filter(|next| {
        next.is_inaccessible && next.is_anonymous() && next.range.start == mapping.range.end
    });
    let end = reserve.map_or(mapping.range.end, |reserve| reserve.range.end);
    mapping.name.contains("malloc arena")
        || mapping.is_writable && is_bound(mapping.range.start) && is_bound(end)
}

/// Whether a mapping is in use by the heap of Go's runtime: such look like those of glibc, but lie
/// where Go asks for them, and where the kernel puts no mapping by itself.
fn is_heap_of_go(mappings: &[Mapping], index: usize) -> bool {
    let mapping = &mappings[index];
    let is_asked_for = GO_HEAP.contains(&mapping.range.start)
        || mapping.range.start < LOWEST_OF_KERNEL && is_arena(mappings, index);
    mapping.name.contains("Go: heap") || mapping.is_writable && is_asked_for
}

/// Whether a mapping is a thread's stack: it lies right above a guard.
fn is_stack(mappings: &[Mapping], index: usize) -> bool {
    let mapping = &mappings[index];
    let below = index.checked_sub(1).and_then(|below| mappings.get(below));
    let is_guarded = below.is_some_and(|guard| {
        guard.is_inaccessible
            && guard.is_anonymous()
            && guard.range.end == mapping.range.start
            && guard.len_bytes() <= GUARD_BYTES_MOST
    });
    mapping.name.contains("stack") || mapping.is_writable && is_guarded
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn mapping(start: u64, end: u64, rights: &str, name: &str) -> Mapping {
        Mapping {
            range: start..end,
            is_writable: rights.contains('w'),
            is_inaccessible: rights.starts_with("---"),
            is_shared: rights.ends_with('s'),
            name: name.to_owned(),
            ..Mapping::default()
        }
    }

    /// The kinds of mappings, of which those at `with_blocks` hold blocks.
    fn check(mappings: &[Mapping], with_blocks: &[usize], expected: &[Kind]) {
        let kind = |index| {
            let has_blocks = with_blocks.contains(&index);
            Kind::of(mappings, index, "1-2-0.seg", false, has_blocks)
        };
        let kinds: Vec<Kind> = (0..mappings.len()).map(kind).collect();
        assert_eq!(kinds, expected);
    }

    #[test]
    fn names_tell_what_a_mapping_is() {
        let mappings = [
            mapping(0, 1, "rw-p", "[heap]"),
            mapping(1, 2, "r-xp", "/usr/bin/program"),
            mapping(2, 3, "rw-s", "/dev/shm/other"),
            mapping(3, 4, "rw-s", "/dev/shm/memshim-0/1-2-0.seg"),
            mapping(4, 5, "rw-p", "[stack]"),
            mapping(5, 6, "r-xp", "[vdso]"),
        ];
        use Kind::*;
        check(&mappings, &[], &[Heap, Files, Shared, Own, Stacks, Files]);
    }

    #[test]
    fn the_heap_of_an_arena_is_known_by_its_bounds() {
        let mappings = [
            mapping(64 * MIB, 66 * MIB, "rw-p", ""),
            mapping(66 * MIB, 128 * MIB, "---p", ""),
            mapping(129 * MIB, 130 * MIB, "rw-p", ""),
            mapping(192 * MIB, 193 * MIB, "rw-p", ""),
        ];
        use Kind::*;
        check(&mappings, &[], &[Arenas, Anonymous, Anonymous, Anonymous]);
    }

    #[test]
    fn the_heap_of_go_is_none_of_an_arena() {
        let (first, second, third) = (0xc0 << 32, 0x1b80_c000_0000, 0x7f8d_ac00_0000);
        let mappings = [
            mapping(first, first + 4 * MIB, "rw-p", ""),
            mapping(first + 4 * MIB, first + 64 * MIB, "---p", ""),
            mapping(second, second + 64 * MIB, "rw-p", ""),
            mapping(third, third + MIB, "rw-p", ""),
            mapping(third + MIB, third + 64 * MIB, "---p", ""),
        ];
        let kind = |index| Kind::of(&mappings, index, "", true, false);
        assert_eq!(
            [kind(0), kind(2), kind(3)],
            [Kind::Go, Kind::Go, Kind::Arenas]
        );
        let kind_of_c = Kind::of(&mappings, 0, "", false, false);
        assert_eq!(kind_of_c, Kind::Arenas, "where no Go is in the program");
    }

    #[test]
    fn a_stack_lies_above_a_guard_and_holds_no_block() {
        let mappings = [
            mapping(4096, 8192, "---p", ""),
            mapping(8192, 8 * MIB, "rw-p", ""),
            mapping(9 * MIB, 9 * MIB + 4096, "---p", ""),
            mapping(9 * MIB + 4096, 10 * MIB, "rw-p", ""),
        ];
        use Kind::*;
        check(&mappings, &[3], &[Anonymous, Stacks, Anonymous, Blocks]);
    }

    #[test]
    fn memory_that_a_child_finds_empty_is_the_shims() {
        let wiped = Mapping {
            is_wiped_at_fork: true,
            ..mapping(0, 1, "rw-p", "")
        };
        check(&[wiped], &[], &[Kind::Own]);
    }
}
