//! Makes text that came from an untrusted program safe to show.
//!
//! A symbol name may hold anything: a terminal escape that rewrites the screen, a line break
//! that forges a row, a bidirectional override that reverses what is read.

#![forbid(unsafe_code)]

use std::borrow::Cow;

/// The text without terminal escapes, controls and invisible reordering marks.
///
/// Line breaks and tabs become spaces, so that one text stays one line.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let begins_sequence = c == '\u{9b}' || c == '\u{1b}' && rest.next_if_eq(&'[').is_some();
        if begins_sequence {
            // ECMA-48: parameters up to a final byte of 0x40 to 0x7e.
            while rest.next_if(|c| ('\u{20}'..'\u{40}').contains(c)).is_some() {}
            rest.next_if(|c| ('\u{40}'..'\u{7f}').contains(c));
        } else if matches!(c, '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}') {
            cleaned.push(' ');
        } else if !is_unsafe(c) {
            cleaned.push(c);
        }
    }
    Cow::Owned(cleaned)
}

/// Controls (C0, DEL, C1), line separators, and the marks of Unicode's bidirectional algorithm.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::clean;

    fn check(input: &str, expected: &str) {
        assert_eq!(clean(input), expected, "of {input:?}");
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        check(
            "core::ptr::drop_in_place<Größe>",
            "core::ptr::drop_in_place<Größe>",
        );
    }

    #[test]
    fn colour_escapes_vanish_whole() {
        check("a\u{1b}[31;1mred\u{1b}[0m", "ared");
        check("a\u{9b}2Jb", "ab");
    }

    #[test]
    fn an_unfinished_escape_vanishes() {
        check("a\u{1b}[31", "a");
        check("a\u{1b}", "a");
    }

    #[test]
    fn a_window_title_escape_is_defused() {
        check("\u{1b}]0;title\u{7}x", "]0;titlex");
    }

    #[test]
    fn line_breaks_become_spaces() {
        check("one\ntwo\tthree", "one two three");
    }

    #[test]
    fn reordering_marks_vanish() {
        check("a\u{202e}b\u{2066}c", "abc");
    }
}
