//! The stack of a site as a report shows it.

#![forbid(unsafe_code)]

use crate::history::{History, Site};
use crate::report::{Frame, Stack};

/// The stack of a site without names yet; what is missing from it is marked.
pub fn stack_of(history: &History, site: &Site) -> Stack {
    if site.is_unknown() {
        return Stack(vec![Frame::marker("[unknown: the site table was full]")]);
    }
    let mut stack = Stack::from_addresses(history.stack(site));
    if site.is_elided() {
        stack
            .0
            .insert(stack.0.len() / 2, Frame::marker("[middle of a deep stack]"));
    }
    if site.is_truncated() {
        stack.0.push(Frame::marker("[callers unknown]"));
    }
    stack
}
