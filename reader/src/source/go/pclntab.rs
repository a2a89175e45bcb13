//! The table by which the Go runtime names its own code: functions, files, lines, inlined calls.
//!
//! Every Go program carries it, stripped or not, since stack traces and the garbage collector need
//! it. The names of its parts are those of Go's cmd/link/internal/ld/pcln.go.
//!
//! ```text
//! 0 magic   7 size of a pointer   8 functions   16 files   24 start of the code, unused since 1.26
//! 32 names  40 units  48 files  56 tables of values by address  64 functions   (offsets from 0)
//! functions: (start, offset) a function, u32 each, then the end of the last; after them records
//! ```

#![forbid(unsafe_code)]

use crate::source::go::executable::variable_length;

/// The header's first eight bytes since Go 1.20, and before.
pub const MAGIC: [u8; 8] = [0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8];
/// The same for Go 1.18 and 1.19.
pub const MAGIC_118: [u8; 8] = [0xf0, 0xff, 0xff, 0xff, 0, 0, 1, 8];

/// Bytes of the header.
const HEADER: usize = 72;

/// Which of a function's tables by address says what is inlined, and which of its data has the tree.
const TABLE_OF_INLINED: usize = 2;
const DATA_OF_INLINED: usize = 3;

/// Calls that are inlined into each other; the compiler stops far earlier.
const INLINED_MAX: usize = 100;

/// The longest name that is looked at.
const NAME_MAX: usize = 4096;

/// The table, with what its header says.
#[derive(Debug, Clone)]
pub struct Pclntab {
    bytes: Vec<u8>,
    is_118: bool,
    functions: usize,
    /// The start of the code as the header has it; 0 where it does not say.
    pub text_start: u64,
    names: usize,
    units: usize,
    files: usize,
    values: usize,
    records: usize,
}

/// One function of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function {
    /// Its first address, counted from the start of the code.
    pub start: u64,
    /// One past its last.
    pub end: u64,
    record: usize,
}

/// One call that was inlined into a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Inlined {
    name: u32,
    /// An address at the call, counted from the start of the function.
    called_at: u32,
}

/// What stands at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The innermost function, inlined or not.
    pub function: String,
    /// Its source file.
    pub file: Option<String>,
    /// The line in it.
    pub line: Option<u32>,
    /// Where it was inlined: an address at that call; `None` where it was not.
    pub called_at: Option<u64>,
}

impl Pclntab {
    /// Takes a table apart; `None` where it is none.
    pub fn parse(bytes: Vec<u8>) -> Option<Pclntab> {
        let magic = bytes.first_chunk::<8>()?;
        let is_118 = *magic == MAGIC_118;
        if !is_118 && *magic != MAGIC {
            return None;
        }
        let field = |index: usize| {
            let start = 8 + 8 * index;
            let word = bytes.get(start..start + 8)?.first_chunk()?;
            Some(u64::from_le_bytes(*word))
        };
        let offset = |index: usize| {
            let offset = usize::try_from(field(index)?).ok()?;
            (HEADER <= offset && offset < bytes.len()).then_some(offset)
        };
        let functions = usize::try_from(field(0)?).ok()?;
        let records = offset(7)?;
        // The list of functions must fit, so that it can be searched without surprises.
        let list = functions.checked_mul(8)?.checked_add(records + 4)?;
        let text_start = field(2)?;
        let (names, units, files, values) = (offset(3)?, offset(4)?, offset(5)?, offset(6)?);
        (list <= bytes.len()).then_some(())?;
        Some(Pclntab {
            is_118,
            functions,
            text_start,
            names,
            units,
            files,
            values,
            records,
            bytes,
        })
    }

    /// How many functions there are.
    pub fn len(&self) -> usize {
        self.functions
    }

    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        self.functions == 0
    }

    /// Where in the table names begin; module data points there right after the table itself.
    pub fn names_offset(&self) -> u64 {
        self.names as u64
    }

    fn u32_at(&self, offset: usize) -> Option<u32> {
        let bytes = self.bytes.get(offset..offset.checked_add(4)?)?;
        bytes.first_chunk().map(|word| u32::from_le_bytes(*word))
    }

    fn text_at(&self, offset: usize) -> Option<&[u8]> {
        let rest = self.bytes.get(offset..)?;
        let rest = rest.get(..NAME_MAX).unwrap_or(rest);
        let end = rest.iter().position(|byte| *byte == 0)?;
        rest.get(..end)
    }

    /// A function by its place in the list, which is by address.
    pub fn function(&self, index: usize) -> Option<Function> {
        let entry = self.records.checked_add(index.checked_mul(8)?)?;
        let record = usize::try_from(self.u32_at(entry + 4)?).ok()?;
        (index < self.functions).then_some(())?;
        Some(Function {
            start: self.u32_at(entry)?.into(),
            end: self.u32_at(entry + 8)?.into(),
            record: self.records.checked_add(record)?,
        })
    }

    /// The function that an address, counted from the start of the code, lies in.
    pub fn find(&self, address: u64) -> Option<Function> {
        let (mut low, mut high) = (0, self.functions);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.function(middle)?.start <= address {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        let found = self.function(low.checked_sub(1)?)?;
        (found.start..found.end).contains(&address).then_some(found)
    }

    /// The first function of each of these names, in their order.
    pub fn named<const N: usize>(&self, wanted: [&str; N]) -> [Option<Function>; N] {
        let mut found = [None; N];
        for index in 0..self.functions {
            let Some(function) = self.function(index) else {
                continue;
            };
            let name = self.name_of(&function).unwrap_or_default();
            for (wanted, found) in wanted.iter().zip(&mut found) {
                if found.is_none() && wanted.as_bytes() == name {
                    *found = Some(function);
                }
            }
        }
        found
    }

    fn name_of(&self, function: &Function) -> Option<&[u8]> {
        self.name(self.u32_at(function.record + 4)?)
    }

    fn name(&self, offset: u32) -> Option<&[u8]> {
        self.text_at(self.names.checked_add(offset as usize)?)
    }

    /// Where the tree of what is inlined into a function lies among the functions' data.
    fn inlined_tree(&self, function: &Function) -> Option<u32> {
        let tables = self.u32_at(function.record + 28)? as usize;
        let fixed = self.fixed_bytes();
        let data = *self.bytes.get(function.record + fixed - 1)?;
        if usize::from(data) <= DATA_OF_INLINED {
            return None;
        }
        let first = function
            .record
            .checked_add(fixed)?
            .checked_add(tables.checked_mul(4)?)?;
        let offset = self.u32_at(first + 4 * DATA_OF_INLINED)?;
        (offset != u32::MAX).then_some(offset)
    }

    /// Bytes of a function's record before its lists.
    fn fixed_bytes(&self) -> usize {
        if self.is_118 { 40 } else { 44 }
    }

    /// What is said of an address, counted from the start of the code; `read` reads bytes of the
    /// functions' data from an offset on.
    pub fn line(&self, address: u64, read: &dyn Fn(u64, usize) -> Option<Vec<u8>>) -> Option<Line> {
        let function = self.find(address)?;
        let value = |table: u32| self.value(table, address - function.start);
        let inlined = self.inlined_at(&function, address, read);
        let name = match &inlined {
            Some(inlined) => self.name(inlined.name)?,
            None => self.name_of(&function)?,
        };
        let file = value(self.u32_at(function.record + 20)?);
        let unit = self.u32_at(function.record + 32)?;
        let file = file.and_then(|file| self.file(unit, u32::try_from(file).ok()?));
        let line = value(self.u32_at(function.record + 24)?);
        let called_at = inlined.map(|inlined| function.start + u64::from(inlined.called_at));
        Some(Line {
            function: String::from_utf8_lossy(name).into_owned(),
            file: file.map(|file| String::from_utf8_lossy(file).into_owned()),
            line: line
                .and_then(|line| u32::try_from(line).ok())
                .filter(|line| *line > 0),
            called_at: called_at.filter(|called_at| *called_at < function.end),
        })
    }

    fn inlined_at(
        &self,
        function: &Function,
        address: u64,
        read: &dyn Fn(u64, usize) -> Option<Vec<u8>>,
    ) -> Option<Inlined> {
        let tables = self.u32_at(function.record + 28)? as usize;
        if tables <= TABLE_OF_INLINED {
            return None;
        }
        let tree = self.inlined_tree(function)?;
        let table = self.u32_at(function.record + self.fixed_bytes() + 4 * TABLE_OF_INLINED)?;
        let index = u64::try_from(self.value(table, address - function.start)?).ok()?;
        let entry_bytes = if self.is_118 { 20 } else { 16 };
        let entry = read(u64::from(tree) + index * entry_bytes, entry_bytes as usize)?;
        let field = |at: usize| {
            let bytes = entry.get(at..at + 4)?;
            bytes.first_chunk().map(|word| u32::from_le_bytes(*word))
        };
        let (name, called_at) = match self.is_118 {
            true => (field(12)?, field(16)?),
            false => (field(4)?, field(8)?),
        };
        Some(Inlined { name, called_at })
    }

    /// The addresses of a whole stack of inlined calls: this one, where it was inlined, and so on.
    pub fn calls(&self, address: u64, read: &dyn Fn(u64, usize) -> Option<Vec<u8>>) -> Vec<u64> {
        let mut calls = vec![address];
        while let Some(Line {
            called_at: Some(outer),
            ..
        }) = calls.last().and_then(|last| self.line(*last, read))
        {
            if calls.len() >= INLINED_MAX || calls.contains(&outer) {
                break;
            }
            calls.push(outer);
        }
        calls
    }

    fn file(&self, unit: u32, file: u32) -> Option<&[u8]> {
        let place = u64::from(unit) + u64::from(file);
        let place = usize::try_from(place.checked_mul(4)?).ok()?;
        let offset = self.u32_at(self.units.checked_add(place)?)?;
        if offset == u32::MAX {
            return None;
        }
        self.text_at(self.files.checked_add(offset as usize)?)
    }

    /// The value of a table at an address, counted from the start of its function: pairs of how
    /// much the value changes and for how many bytes it then holds.
    fn value(&self, table: u32, address: u64) -> Option<i64> {
        if table == 0 {
            return None;
        }
        let mut rest = self.bytes.get(self.values.checked_add(table as usize)?..)?;
        let (mut value, mut reached, mut is_first) = (-1_i64, 0_u64, true);
        loop {
            let (change, used) = variable_length(rest)?;
            if change == 0 && !is_first {
                return None;
            }
            rest = rest.get(used..)?;
            let (bytes, used) = variable_length(rest)?;
            rest = rest.get(used..)?;
            let sign = -((change & 1) as i64);
            value = value.wrapping_add((change >> 1) as i64 ^ sign);
            reached = reached.checked_add(bytes)?;
            if address < reached {
                return Some(value);
            }
            is_first = false;
        }
    }
}

#[cfg(test)]
mod tests;
