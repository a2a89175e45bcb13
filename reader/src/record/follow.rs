//! Whose segments a recorder looks at.

#![forbid(unsafe_code)]

use crate::error::Error;
use crate::record::tree::Tree;
use crate::run::family;
use crate::session::target;
use crate::source::directory::{Found, Name, Users, find};
use crate::source::go::preloaded;
use crate::source::process::{Liveness, liveness};

/// The programs that are recorded.
#[derive(Debug)]
pub(crate) enum Follow {
    /// One process, whatever programs it executes, and all that it starts.
    Process(Tree),
    /// A segment that lies in no usual place.
    File(Found),
    /// A command and all that it started.
    Run(u64),
    /// Every program of these users.
    Everything(Users),
}

impl Follow {
    /// The process or segment that `target` means.
    ///
    /// # Errors
    ///
    /// Those of [`target::resolve`], and [`Error::Foreign`] for a file whose name is no segment's.
    pub(crate) fn target(target: &str) -> Result<Follow, Error> {
        let path = target::resolve(Some(target))?;
        let name = path.file_name().and_then(Name::parse);
        let name = name.ok_or_else(|| Error::Foreign { path: path.clone() })?;
        let is_usual = find(Users::All).iter().any(|found| found.path == path);
        match is_usual {
            true => Ok(Follow::Process(Tree::of(&name))),
            false => Ok(Follow::File(Found { name, path })),
        }
    }

    /// Every program of this user, or of all.
    pub(crate) fn everything(is_of_all_users: bool) -> Follow {
        Follow::Everything(match is_of_all_users {
            true => Users::All,
            false => Users::Own,
        })
    }

    /// The command with this number, and all that it started.
    pub(crate) fn run(run: u64) -> Follow {
        Follow::Run(run)
    }

    /// The segments there are now, but that of the recorder itself.
    pub(crate) fn segments(&mut self) -> Vec<Found> {
        let mut found = match self {
            Follow::File(found) => vec![found.clone()],
            Follow::Run(run) => family::members(*run),
            Follow::Everything(users) => preloaded::find(*users, |_| true),
            Follow::Process(tree) => preloaded::with_go(|| tree.members(find(Users::All))),
        };
        let own = std::process::id();
        found.retain(|found| found.name.pid != own);
        found
    }

    /// Whether there will be nothing more to record.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Follow::Process(tree) => tree.is_gone(),
            Follow::File(found) => {
                liveness(found.name.pid, found.name.start_time) == Liveness::Dead
            }
            Follow::Run(_) | Follow::Everything(_) => false,
        }
    }

    /// Whether a segment whose process was dead before the recorder came is wanted too.
    pub(crate) fn wants_dead(&self) -> bool {
        !matches!(self, Follow::Everything(_))
    }
}
