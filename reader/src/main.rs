//! The command `memshim-reader`.
//!
//! Exit status: 0 answered, 1 found what was looked for, 2 wrong usage, 3 input that cannot be
//! read; `run` ends with the status of its program.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use memshim_reader::cli;

fn main() -> ExitCode {
    let matches = cli::command().get_matches();
    match cli::dispatch(&matches) {
        Ok(status) => status,
        Err(error) if cli::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("memshim-reader: {}", cli::one_line(&error));
            ExitCode::from(cli::STATUS_UNREADABLE)
        }
    }
}
