//! A table of two functions, one inlined into the other, whole, cut short and made hostile.

use proptest::prelude::*;

use super::*;

/// Names, in the order of their offsets.
const NAMES: &[u8] = b"main.outer[go.shape.int]\0main.inner\0";

/// The function's code: 16 bytes of its own, 16 that are inlined, 16 of its own.
const LEN: u64 = 48;

fn push_pairs(bytes: &mut Vec<u8>, pairs: &[(i64, u64)]) {
    let mut value = -1;
    for (next, len) in pairs {
        let change: i64 = next - value;
        let signed = (change << 1 ^ change >> 63) as u64;
        for number in [signed, *len] {
            // All that stands here is less than 128.
            bytes.push(number as u8);
        }
        value = *next;
    }
    bytes.push(0);
}

/// A table as Go 1.20 and later make it.
fn table() -> Vec<u8> {
    let (names, mut values) = (HEADER, vec![0]);
    let units = names + NAMES.len().next_multiple_of(8);
    let files = units + 8;
    let file_names = b"outer.go\0inner.go\0";
    let file_table = values.len();
    push_pairs(&mut values, &[(0, 16), (1, 16), (0, 16)]);
    let line_table = values.len();
    push_pairs(&mut values, &[(10, 16), (33, 16), (12, 16)]);
    let inlined_table = values.len();
    push_pairs(&mut values, &[(-1, 16), (0, 16), (-1, 16)]);
    let values_at = files + file_names.len().next_multiple_of(8);
    let records = values_at + values.len().next_multiple_of(8);
    let mut bytes = MAGIC.to_vec();
    let header = [1, 2, 0, names, units, files, values_at, records];
    bytes.extend(header.iter().flat_map(|word| (*word as u64).to_le_bytes()));
    bytes.extend(NAMES);
    bytes.resize(units, 0);
    bytes.extend([0_u32, 9].iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend(file_names);
    bytes.resize(values_at, 0);
    bytes.extend(&values);
    bytes.resize(records, 0);
    let list = [0_u32, 16, LEN as u32, 0];
    let fixed = [
        0_u32,
        0,
        0,
        0,
        0,
        file_table as u32,
        line_table as u32,
        3,
        0,
        1,
    ];
    let words = list.iter().chain(&fixed);
    bytes.extend(words.flat_map(|word| word.to_le_bytes()));
    // Kind, flag, padding and the number of its data.
    bytes.extend([0, 0, 0, 4]);
    let tail = [0, 0, inlined_table as u32, u32::MAX, u32::MAX, u32::MAX, 0];
    bytes.extend(tail.iter().flat_map(|word| word.to_le_bytes()));
    bytes
}

/// The functions' data: the tree of what is inlined, which has one entry.
fn data(offset: u64, len: usize) -> Option<Vec<u8>> {
    let name = NAMES.iter().position(|byte| *byte == 0)? as u32 + 1;
    let words = [0, name, 8, 0];
    let entry: Vec<u8> = words
        .iter()
        .flat_map(|word: &u32| word.to_le_bytes())
        .collect();
    let start = usize::try_from(offset).ok()?;
    entry
        .get(start..start.checked_add(len)?)
        .map(<[u8]>::to_vec)
}

#[test]
fn functions_files_lines_and_inlined_calls_are_found() {
    let table = Pclntab::parse(table()).expect("a good table");
    let line = |address| table.line(address, &data);
    let outer = Line {
        function: "main.outer[go.shape.int]".to_owned(),
        file: Some("outer.go".to_owned()),
        line: Some(10),
        called_at: None,
    };
    assert_eq!(line(3), Some(outer));
    let inner = Line {
        function: "main.inner".to_owned(),
        file: Some("inner.go".to_owned()),
        line: Some(33),
        called_at: Some(8),
    };
    assert_eq!(line(20), Some(inner));
    assert_eq!(table.calls(20, &data), [20, 8]);
    assert_eq!(line(LEN), None);
    let [found, missing] = table.named(["main.outer[go.shape.int]", "main.other"]);
    assert_eq!(found.map(|it| (it.start, it.end)), Some((0, LEN)));
    assert_eq!(missing, None);
}

/// Asks everything of a table, if it is one.
fn ask_everything(bytes: Vec<u8>) {
    let Some(table) = Pclntab::parse(bytes) else {
        return;
    };
    for address in 0..LEN + 2 {
        let _ = table.line(address, &data);
        let _ = table.calls(address, &data);
    }
    let _ = table.named(["main.inner"]);
}

#[test]
fn a_table_that_ends_anywhere_is_no_crash() {
    let whole = table();
    for len in 0..whole.len() {
        ask_everything(whole[..len].to_vec());
    }
}

proptest! {
    #[test]
    fn a_table_with_anything_in_it_is_no_crash(
        places in prop::collection::vec((8usize..400, any::<u8>()), 1..20),
    ) {
        let mut bytes = table();
        for (place, byte) in places {
            if let Some(to) = bytes.get_mut(place) {
                *to = byte;
            }
        }
        ask_everything(bytes);
    }
}
