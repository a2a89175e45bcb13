//! Frames as valgrind's tools write them, which massif's and DHAT's viewers know.

#![forbid(unsafe_code)]

use crate::output::clean::clean;
use crate::report::Frame;

/// `0x1234: function (file.c:12)`, or `(in /path/of/module)` where the line is not known.
///
/// The address is that in the module, which stays the same from run to run and which `addr2line`
/// takes.
pub(super) fn describe(frame: &Frame) -> String {
    let place = match (&frame.file, frame.line, &frame.module) {
        (Some(file), Some(line), _) => format!(" ({file}:{line})"),
        (Some(file), None, _) => format!(" ({file})"),
        (None, _, Some(module)) => format!(" (in {module})"),
        (None, _, None) => String::new(),
    };
    at_place(frame, &place)
}

/// The same with the column, `(file.c:12:5)`, as DHAT writes it for Rust: only from this form does
/// Firefox Profiler take the function apart from its address.
pub(super) fn describe_with_column(frame: &Frame) -> String {
    match (&frame.file, frame.line, frame.column) {
        (Some(file), Some(line), Some(column)) => {
            at_place(frame, &format!(" ({file}:{line}:{column})"))
        }
        _ => describe(frame),
    }
}

fn at_place(frame: &Frame, place: &str) -> String {
    let address = frame.offset.unwrap_or(frame.address);
    let function = frame.function.as_deref().unwrap_or("???");
    clean(&format!("{address:#x}: {function}{place}")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(frame: Frame, expected: &str) {
        assert_eq!(describe(&frame), expected);
    }

    fn known() -> Frame {
        Frame {
            module: Some("/usr/bin/a".into()),
            offset: Some(0x1234),
            function: Some("f(int)".into()),
            ..Frame::new(0x5555_0000_1235, Some(0))
        }
    }

    #[test]
    fn a_frame_with_a_line_has_its_file() {
        let frame = Frame {
            file: Some("src/a.c".into()),
            line: Some(7),
            ..known()
        };
        check(frame, "0x1234: f(int) (src/a.c:7)");
    }

    #[test]
    fn a_column_is_written_only_where_it_is_wanted_and_known() {
        let frame = Frame {
            file: Some("src/a.c".into()),
            line: Some(7),
            column: Some(3),
            ..known()
        };
        assert_eq!(describe_with_column(&frame), "0x1234: f(int) (src/a.c:7:3)");
        assert_eq!(describe_with_column(&known()), describe(&known()));
        check(frame, "0x1234: f(int) (src/a.c:7)");
    }

    #[test]
    fn a_frame_without_a_line_has_its_module() {
        check(known(), "0x1234: f(int) (in /usr/bin/a)");
    }

    #[test]
    fn a_frame_without_a_name_has_the_marks_that_valgrind_gives_it() {
        let frame = Frame {
            function: None,
            ..known()
        };
        check(frame, "0x1234: ??? (in /usr/bin/a)");
        check(Frame::new(0xbeef, None), "0xbeef: ???");
    }
}
