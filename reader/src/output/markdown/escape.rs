//! Makes text from an untrusted program harmless in Markdown.
//!
//! A name must not close the table it stands in, become a link, or call a team of people.

#![forbid(unsafe_code)]

use crate::output::clean::clean;

/// Words as words, whatever they hold.
///
/// GitHub looks for people and issues in what is left after escapes, so only an empty comment
/// keeps `@` and `#` from what follows them.
pub(crate) fn prose(text: &str) -> String {
    let text = clean(text);
    let mut escaped = String::with_capacity(text.len());
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let is_in_word =
            before.is_alphanumeric() && rest.peek().is_some_and(|next| next.is_alphanumeric());
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '@' | '#' => {
                escaped.push(character);
                escaped.push_str("<!-- -->");
            }
            // Within a word it emphasizes nothing, and paths stay legible in the source.
            '_' if is_in_word => escaped.push('_'),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' => {
                escaped.push('\\');
                escaped.push(character);
            }
            _ => escaped.push(character),
        }
        before = character;
    }
    escaped
}

/// Text as code, within a line or a table; nothing stays nothing.
///
/// Only two things mean something in there: backticks, so that the delimiters have to be longer
/// than any run of them, and in a table the pipe. A backslash before a pipe would be taken for its
/// escape, and cannot be escaped itself, so it becomes a slash.
pub(crate) fn code(text: &str) -> String {
    let text = clean(text);
    let text = text.trim().replace("\\|", "/|").replace('|', "\\|");
    if text.is_empty() {
        return text;
    }
    // What ends in a backslash must not escape the pipe at the end of its cell either.
    let text = match text.strip_suffix('\\') {
        Some(start) => format!("{start}/"),
        None => text,
    };
    let delimiter = "`".repeat(longest_run(&text, '`') + 1);
    let blank = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{delimiter}{blank}{text}{blank}{delimiter}")
}

/// Lines as a block of code, which ends in a line break.
pub(crate) fn fence(lines: &str) -> String {
    let delimiter = "`".repeat(longest_run(lines, '`').max(2) + 1);
    format!("{delimiter}text\n{}\n{delimiter}\n", lines.trim_end())
}

fn longest_run(text: &str, wanted: char) -> usize {
    let runs = text.split(|character| character != wanted);
    runs.map(|run| run.chars().count()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(written: String, expected: &str) {
        assert_eq!(written, expected);
    }

    #[test]
    fn nobody_is_called_and_no_issue_is_referred_to() {
        check(
            prose("ask @team about #12"),
            "ask @<!-- -->team about #<!-- -->12",
        );
    }

    #[test]
    fn words_cannot_become_tags_links_or_cells() {
        check(
            prose("<img> [a](b) | *c*"),
            r"&lt;img&gt; \[a\](b) \| \*c\*",
        );
        check(prose("two\nlines"), "two lines");
        check(prose("x86_64 _a_"), r"x86_64 \_a\_");
    }

    #[test]
    fn code_stays_code_whatever_it_holds() {
        check(code("operator<(a)"), "`operator<(a)`");
        check(code("a|b"), r"`a\|b`");
        check(code(r"a\|b"), r"`a/\|b`");
        check(code(r"a\"), "`a/`");
        check(code("a`b``c"), "```a`b``c```");
        check(code("`a"), "`` `a ``");
        check(code(" "), "");
    }

    #[test]
    fn a_block_ends_only_at_its_end() {
        check(fence("a\n```\nb\n"), "````text\na\n```\nb\n````\n");
    }
}
