//! Makes JSON that may stand inside a script element, whatever names are in it.
//!
//! A browser ends such an element at `</script` and changes how it reads it at `<!--`, whether
//! these stand in a string or not. JSON has `<` only in strings, where it may be written as
//! `\u003c`; then neither can occur.

#![forbid(unsafe_code)]

use std::io::{self, Write};

/// Passes JSON on with every `<` and `>` escaped.
pub(crate) struct ScriptSafe<W> {
    out: W,
}

impl<W: Write> ScriptSafe<W> {
    pub(crate) fn new(out: W) -> ScriptSafe<W> {
        ScriptSafe { out }
    }
}

impl<W: Write> Write for ScriptSafe<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while let Some(place) = rest.iter().position(|byte| matches!(byte, b'<' | b'>')) {
            self.out.write_all(&rest[..place])?;
            self.out.write_all(match rest[place] {
                b'<' => b"\\u003c",
                _ => b"\\u003e",
            })?;
            rest = &rest[place + 1..];
        }
        self.out.write_all(rest)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let mut written = Vec::new();
        let mut out = ScriptSafe::new(&mut written);
        serde_json::to_writer(&mut out, text).expect("memory can be written");
        assert_eq!(String::from_utf8(written).unwrap(), expected);
        assert_eq!(serde_json::from_str::<String>(expected).unwrap(), text);
    }

    #[test]
    fn the_end_of_a_script_cannot_be_written() {
        check("</script>", r#""\u003c/script\u003e""#);
        check("<!-- -->", r#""\u003c!-- --\u003e""#);
    }

    #[test]
    fn other_text_stays_as_it_is() {
        check("a \"b\" & größe 🦀", r#""a \"b\" & größe 🦀""#);
    }
}
