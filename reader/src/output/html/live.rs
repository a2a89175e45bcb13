//! The pages of a server: the same code, with data that is fetched instead of written into them.

#![forbid(unsafe_code)]

use std::io::Write;

use crate::output::html::data::Data;
use crate::output::html::page::{self, View};
use crate::report::Report;

/// The page about one process, which fetches [`data`] from `address`.
pub fn report_page(address: &str) -> Vec<u8> {
    page_of(View::LiveReport, address)
}

/// The page about all processes, which fetches a report of theirs as JSON from `address`.
pub fn processes_page(address: &str) -> Vec<u8> {
    page_of(View::Processes, address)
}

/// A report as [`report_page`] takes it.
pub fn data(report: &Report) -> Vec<u8> {
    let data = Data::of(report, &|_| true);
    serde_json::to_vec(&data).expect("numbers and texts can be written to memory")
}

fn page_of(view: View, address: &str) -> Vec<u8> {
    let mut page = Vec::new();
    let written = page::write_live(view, address, &mut page);
    written
        .and_then(|()| page.flush())
        .expect("memory can be written");
    page
}
