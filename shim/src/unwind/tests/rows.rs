//! Every row of real libraries: our interpreter against gimli.

use std::path::Path;

use gimli::{BaseAddresses, CfaRule, EhFrame, NativeEndian, RegisterRule, UnwindSection};
use object::elf::{FileHeader64, PT_GNU_EH_FRAME, PT_LOAD, ProgramType};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, Object as _, ObjectSection as _};

use super::Object;
use crate::unwind::eh_frame::{Description, describe};
use crate::unwind::program::{Cfa, Saved};
use crate::unwind::rule::{Rule, kind};

/// A file laid out in memory as the loader does it, but not run.
pub(super) struct Image {
    memory: Vec<u64>,
    pub(super) object: Object,
    file: Vec<u8>,
}

impl Image {
    pub(super) fn load(path: &Path) -> Option<Image> {
        let file = std::fs::read(path).ok()?;
        let header = FileHeader64::<Endianness>::parse(&*file).ok()?;
        let headers = header.program_headers(Endianness::Little, &*file).ok()?;
        let size = headers
            .iter()
            .map(|header| field(header).1 + field(header).2)
            .max()?;
        let mut memory = vec![0_u64; size.div_ceil(8) as usize];
        let bias = memory.as_mut_ptr().expose_provenance() as u64;
        let mut eh_frame_hdr = 0;
        for header in headers {
            let (kind, address, _, offset, size) = field(header);
            if kind == PT_GNU_EH_FRAME {
                eh_frame_hdr = bias + address;
            } else if kind == PT_LOAD {
                let contents = file.get(offset as usize..(offset + size) as usize)?;
                let target = memory.as_mut_ptr().cast::<u8>();
                // SAFETY: the memory was made large enough for every segment.
                let target = unsafe { target.add(address as usize) };
                // SAFETY: as above.
                unsafe { target.copy_from_nonoverlapping(contents.as_ptr(), contents.len()) };
            }
        }
        let name = core::ptr::null();
        let object = Object {
            start: bias,
            end: bias + size,
            bias,
            name,
            eh_frame_hdr,
        };
        (eh_frame_hdr != 0).then_some(Image {
            memory,
            object,
            file,
        })
    }

    /// The bytes of the unwind data, to be damaged.
    pub(super) fn unwind_data(&mut self) -> &mut [u8] {
        let start = (self.object.eh_frame_hdr - self.object.bias) as usize;
        // SAFETY: any bytes make words, and the slice lies in the memory.
        let (_, bytes, _) = unsafe { self.memory.align_to_mut::<u8>() };
        let end = bytes.len().min(start + (1 << 20));
        &mut bytes[start..end]
    }
}

/// Kind, address, size in memory, place and size in the file.
fn field(
    header: &impl ProgramHeader<Endian = Endianness, Word = u64>,
) -> (ProgramType, u64, u64, u64, u64) {
    let little = Endianness::Little;
    let (offset, size) = header.file_range(little);
    (
        header.p_type(little),
        header.p_vaddr(little),
        header.p_memsz(little),
        offset,
        size,
    )
}

#[derive(Default, Debug)]
struct Tally {
    rows: u64,
    differences: u64,
    generic: u64,
}

/// Compares the first and the last address of every row.
fn compare(image: &Image) -> Option<Tally> {
    let file = object::File::parse(&*image.file).ok()?;
    let section = file.section_by_name(".eh_frame")?;
    let section_at = image.object.bias + section.address();
    let data = section.uncompressed_data().ok()?;
    let frames = EhFrame::new(&data, NativeEndian);
    let bases = BaseAddresses::default().set_eh_frame(section_at);
    let mut context = gimli::UnwindContext::new();
    let mut tally = Tally::default();
    let mut entries = frames.entries(&bases);
    while let Some(entry) = entries.next().ok()? {
        let gimli::CieOrFde::Fde(partial) = entry else {
            continue;
        };
        let fde = partial.parse(EhFrame::cie_from_offset).ok()?;
        if fde.len() == 0 || fde.initial_address() < image.object.start {
            continue;
        }
        let mut rows = fde.rows(&frames, &bases, &mut context).ok()?;
        while let Some(row) = rows.next_row().ok()? {
            if row.start_address() == row.end_address() {
                continue;
            }
            for pc in [row.start_address(), row.end_address() - 1] {
                tally.rows += 1;
                let ours = describe(&image.object, pc);
                let is_same = ours
                    .as_ref()
                    .is_some_and(|ours| is_same_row(ours, row, section_at));
                tally.differences += u64::from(!is_same);
                if tally.differences < 4 && !is_same {
                    eprintln!(
                        "{pc:#x}: {row:?} but {:?}",
                        ours.as_ref().map(|ours| ours.row)
                    );
                }
                tally.generic += u64::from(ours.is_some_and(|ours| {
                    Rule::of(&ours.row, ours.is_signal_frame).kind() == kind::GENERIC
                }));
            }
        }
    }
    Some(tally)
}

fn is_same_row(ours: &Description, theirs: &gimli::UnwindTableRow<usize>, section: u64) -> bool {
    let expression = |offset: u32, theirs: &gimli::UnwindExpression<usize>| {
        let mut bytes = ours
            .region
            .at_offset(offset)
            .expect("an offset of the region");
        let size = bytes.unsigned().expect("a size");
        (bytes.address(), size) == (section + theirs.offset as u64, theirs.length as u64)
    };
    let is_same_cfa = match (ours.row.cfa, theirs.cfa()) {
        (
            Cfa::Register { number, offset },
            CfaRule::RegisterAndOffset {
                register,
                offset: at,
            },
        ) => number == register.0 && i64::from(offset) == *at,
        (Cfa::Expression(offset), CfaRule::Expression(theirs)) => expression(offset, theirs),
        _ => false,
    };
    let is_same = |ours: Saved, register: gimli::Register| {
        let Some(theirs) = theirs.register(register) else {
            return ours == Saved::Unchanged;
        };
        match (ours, theirs) {
            (Saved::Undefined, RegisterRule::Undefined)
            | (Saved::Unchanged, RegisterRule::SameValue) => true,
            (Saved::At(ours), RegisterRule::Offset(theirs))
            | (Saved::Is(ours), RegisterRule::ValOffset(theirs)) => i64::from(ours) == theirs,
            (Saved::In(ours), RegisterRule::Register(theirs)) => ours == theirs.0,
            (Saved::AtExpression(ours), RegisterRule::Expression(theirs))
            | (Saved::IsExpression(ours), RegisterRule::ValExpression(theirs)) => {
                expression(ours, &theirs)
            }
            _ => false,
        }
    };
    is_same_cfa
        && is_same(ours.row.frame_pointer, gimli::X86_64::RBP)
        && is_same(ours.row.return_address, gimli::X86_64::RA)
}

fn check_files(paths: impl Iterator<Item = std::path::PathBuf>) {
    let mut total = Tally::default();
    let mut files = 0;
    for path in paths {
        let Some(tally) = Image::load(&path).and_then(|image| compare(&image)) else {
            continue;
        };
        if tally.differences != 0 {
            eprintln!("{}: {tally:?}", path.display());
        }
        files += 1;
        total.rows += tally.rows;
        total.differences += tally.differences;
        total.generic += tally.generic;
    }
    println!("{files} files: {total:?}");
    assert!(files != 0 && total.rows != 0);
    assert_eq!(total.differences, 0);
}

const LIBRARIES: &str = "/usr/lib/x86_64-linux-gnu";

#[test]
fn rows_of_the_c_and_cpp_libraries_are_those_of_gimli() {
    let names = [
        "libc.so.6",
        "libm.so.6",
        "libstdc++.so.6",
        "libgcc_s.so.1",
        "ld-linux-x86-64.so.2",
    ];
    check_files(names.iter().map(|name| Path::new(LIBRARIES).join(name)));
}

/// Millions of rows, in a release build: 20 seconds.
#[test]
#[ignore = "reads every library of the system"]
fn rows_of_all_libraries_are_those_of_gimli() {
    let mut folders = vec![std::path::PathBuf::from(LIBRARIES), "/usr/bin".into()];
    folders.extend(std::env::var_os("MEMSHIM_LIBRARIES").map(Into::into));
    let entries = folders
        .into_iter()
        .flat_map(|folder| std::fs::read_dir(folder).into_iter());
    let paths = entries.flatten().flatten().map(|entry| entry.path());
    check_files(paths.filter(|path| path.is_file() && !path.is_symlink()));
}
