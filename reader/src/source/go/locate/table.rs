//! Finds the table of functions, the start of the code and the functions' data.

#![forbid(unsafe_code)]

use crate::source::go::executable::Executable;
use crate::source::go::pclntab::{MAGIC, MAGIC_118, Pclntab};
use crate::source::go::{Refusal, layout};

/// The table with the two addresses that belong to it, before any bias.
#[derive(Debug)]
pub struct Found {
    /// The table.
    pub table: Pclntab,
    /// Where the code begins.
    pub text_start: u64,
    /// Where the functions' data begin.
    pub functions_data: Option<u64>,
}

/// Where module data keep the start of the code, in every version that is known.
const MODULE_TEXT: u64 = 176;

/// Finds them by section and symbol, or else by what must stand there.
///
/// # Errors
///
/// [`Refusal::NotFound`] where there is no table, or no start of the code.
pub fn find(executable: &Executable) -> Result<Found, Refusal> {
    let (address, table) =
        table(executable).ok_or(Refusal::NotFound("the table of its functions"))?;
    let module = module_data(executable, address, &table);
    let pointer = |offset: u64| executable.pointer(module?.checked_add(offset)?);
    let is_code = |address: &u64| {
        let load = executable.load_of(*address);
        load.is_some_and(|load| load.is_code)
    };
    let text_start = executable
        .symbol("runtime.text")
        .or_else(|| pointer(MODULE_TEXT))
        .or(Some(table.text_start))
        .filter(is_code)
        .ok_or(Refusal::NotFound("the start of its code"))?;
    let functions_data = executable
        .symbol("go:func.*")
        .or_else(|| executable.symbol("go.func.*"))
        .or_else(|| pointer(layout::functions_data_offset(executable.version?)))
        .filter(|address| executable.bytes_from(*address) > 0);
    Ok(Found {
        table,
        text_start,
        functions_data,
    })
}

fn table(executable: &Executable) -> Option<(u64, Pclntab)> {
    if let Some((address, size)) = executable.section(".gopclntab")
        && let Some(table) = executable.read(address, size).and_then(Pclntab::parse)
    {
        return Some((address, table));
    }
    // Its magic stands alone at the start of the table, which the linker aligns to a pointer.
    for load in executable.loads.iter().filter(|load| !load.is_code) {
        let Some(bytes) = executable.read(load.address, load.file_bytes) else {
            continue;
        };
        let skipped = (load.address.next_multiple_of(8) - load.address) as usize;
        for at in (skipped..bytes.len()).step_by(8) {
            let rest = &bytes[at..];
            if (rest.starts_with(&MAGIC) || rest.starts_with(&MAGIC_118))
                && let Some(table) = Pclntab::parse(rest.to_vec())
            {
                return Some((load.address + at as u64, table));
            }
        }
    }
    None
}

/// The runtime's description of the executable, which begins with pointers to the table and to the
/// names in it.
fn module_data(executable: &Executable, table: u64, parsed: &Pclntab) -> Option<u64> {
    if let Some(address) = executable.symbol("runtime.firstmoduledata") {
        return Some(address);
    }
    let names = table.checked_add(parsed.names_offset())?;
    let relocations = executable.relocations();
    if let Some((address, _)) = relocations.iter().find(|(address, target)| {
        **target == table && relocations.get(&(**address + 8)) == Some(&names)
    }) {
        return Some(*address);
    }
    let mut wanted = [0; 16];
    wanted[..8].copy_from_slice(&table.to_le_bytes());
    wanted[8..].copy_from_slice(&names.to_le_bytes());
    let loads = executable.loads.iter().filter(|load| !load.is_code);
    loads.into_iter().find_map(|load| {
        let bytes = executable.read(load.address, load.file_bytes)?;
        let skipped = (load.address.next_multiple_of(8) - load.address) as usize;
        let mut places = (skipped..bytes.len()).step_by(8);
        let found = places.find(|at| bytes[*at..].starts_with(&wanted))?;
        Some(load.address + found as u64)
    })
}
