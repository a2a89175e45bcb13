//! Where the names of code come from, for every command that shows call stacks.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use clap::Args;

use crate::session::Request;

/// The flags for names.
#[derive(Debug, Clone, Default, Args)]
pub struct Naming {
    /// Look for binaries and debug files here too; may be given several times
    #[arg(long, value_name = "DIR")]
    pub(crate) symbol_dir: Vec<PathBuf>,
    /// Leave addresses without names
    #[arg(long)]
    pub(crate) no_symbols: bool,
}

impl Naming {
    /// A request for everything, with names as these flags say.
    pub fn request(&self) -> Request {
        Request {
            symbol_directories: self.symbol_dir.clone(),
            without_symbols: self.no_symbols,
            ..Request::default()
        }
    }
}
