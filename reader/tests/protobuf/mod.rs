//! Protobuf's wire format, read without any description of the messages: a second opinion on what
//! was written, from <https://protobuf.dev/programming-guides/encoding/>.

#![forbid(unsafe_code)]

/// A field of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field<'a> {
    /// A number, of whatever meaning.
    Number(u64),
    /// A text, a message, or a list of numbers.
    Bytes(&'a [u8]),
}

/// A message: its fields with their numbers, in the order in which they were written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields<'a>(Vec<(u64, Field<'a>)>);

impl<'a> Fields<'a> {
    /// Reads a whole message; none where the bytes are no message.
    pub fn read(mut bytes: &'a [u8]) -> Option<Fields<'a>> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = read_varint(&mut bytes)?;
            let field = match key & 7 {
                0 => Field::Number(read_varint(&mut bytes)?),
                2 => {
                    let length = usize::try_from(read_varint(&mut bytes)?).ok()?;
                    let (content, rest) = bytes.split_at_checked(length)?;
                    bytes = rest;
                    Field::Bytes(content)
                }
                _ => return None,
            };
            fields.push((key >> 3, field));
        }
        Some(Fields(fields))
    }

    /// The only number of a field; 0 where it is not there.
    pub fn number(&self, wanted: u64) -> u64 {
        let mut found = self.0.iter().filter(|(number, _)| *number == wanted);
        match found.next() {
            Some((_, Field::Number(value))) => *value,
            _ => 0,
        }
    }

    /// Each occurrence of a field of bytes.
    pub fn all(&self, wanted: u64) -> impl Iterator<Item = &'a [u8]> {
        let found = self.0.iter().filter(move |(number, _)| *number == wanted);
        found.filter_map(|(_, field)| match field {
            Field::Bytes(bytes) => Some(*bytes),
            Field::Number(_) => None,
        })
    }

    /// Each occurrence of a field of messages.
    pub fn messages(&self, wanted: u64) -> Vec<Fields<'a>> {
        let read = |bytes| Fields::read(bytes).expect("the field holds messages");
        self.all(wanted).map(read).collect()
    }

    /// The numbers of a packed field.
    pub fn numbers(&self, wanted: u64) -> Vec<u64> {
        let mut numbers = Vec::new();
        for mut packed in self.all(wanted) {
            while !packed.is_empty() {
                numbers.push(read_varint(&mut packed).expect("the field holds numbers"));
            }
        }
        numbers
    }
}

/// Seven bits a byte, the lowest first; the last byte has no eighth.
fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
