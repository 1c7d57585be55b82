//! What exit codes mean, so that a parent, a script and a user read them alike.

use std::process::{ExitCode, Termination};

/// How a process of ours ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All is done.
    Ok = 0,
    /// Something went wrong that neither arguments nor user code explain.
    Failed = 1,
    /// What the user wrote (arguments, a topology) is wrong.
    Usage = 2,
    /// User code failed: it returned an error or panicked.
    UserCode = 70,
    /// It begins anew, as planned: its parent starts it again at once.
    Again = 75,
    /// The user interrupted it: 128 + SIGINT, as shells count.
    Interrupted = 130,
}

impl Exit {
    /// The number that the parent sees.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        self.into()
    }
}
