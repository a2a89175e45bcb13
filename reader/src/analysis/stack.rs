//! The stacks of sites as a report shows them.

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::history::{History, Site};
use crate::report::{Frame, Stack};

/// Makes the stacks of one history, and each of their frames only once.
pub struct Stacks<'a> {
    history: &'a History,
    /// Frames by return address and number of modules known, which together tell the module.
    known: RefCell<HashMap<(u64, u64), Arc<Frame>>>,
}

impl<'a> Stacks<'a> {
    /// No stack was made yet.
    pub fn new(history: &'a History) -> Stacks<'a> {
        Stacks {
            history,
            known: RefCell::default(),
        }
    }

    /// The stack of a site without names yet; what is missing from it is marked.
    pub fn of(&self, site: &Site) -> Stack {
        if site.is_unknown() {
            let text = "[unknown: the site table was full]";
            return Stack::from_iter([Frame::marker(text)]);
        }
        let mut known = self.known.borrow_mut();
        let modules = &self.history.modules;
        let generations = site.identity.modules;
        let frame = |address: &u64| {
            let new = || Frame::new(*address, modules.find(*address, generations)).into();
            let frame = known.entry((*address, generations)).or_insert_with(new);
            frame.clone()
        };
        let mut stack = Stack(self.history.sites.frames(site).iter().map(frame).collect());
        if site.is_elided() {
            let marker = Frame::marker("[middle of a deep stack]");
            stack.0.insert(stack.0.len() / 2, marker.into());
        }
        if site.is_truncated() {
            stack.0.push(Frame::marker("[callers unknown]").into());
        }
        stack
    }
}
