//! What went wrong, for people: what happened, and what to do.

use crate::output;
use egret_process::Exit;
use std::fmt;

/// Something that went wrong between us and the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    kind: Kind,
    what: String,
    remedy: Option<String>,
}

/// What may be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It was wrong before anybody was asked.
    Usage,
    /// The cluster says so.
    Refused,
    /// The cluster says so to this user.
    Forbidden,
    /// Somebody has changed what was looked at.
    Changed,
    /// The cluster does not answer; it may do so later.
    Unreachable,
}

impl Trouble {
    /// What the user wrote is wrong, whatever the cluster says.
    pub(super) fn usage(what: impl Into<String>) -> Trouble {
        Trouble { kind: Kind::Usage, what: what.into(), remedy: None }
    }

    /// The cluster says no.
    pub(super) fn refused(what: impl Into<String>) -> Trouble {
        Trouble { kind: Kind::Refused, what: what.into(), remedy: None }
    }

    /// The cluster says no to this user, and will again.
    pub(super) fn forbidden(what: impl Into<String>) -> Trouble {
        Trouble { kind: Kind::Forbidden, what: what.into(), remedy: None }
    }

    /// Somebody has changed what was looked at.
    pub(super) fn changed(what: impl Into<String>) -> Trouble {
        Trouble { kind: Kind::Changed, what: what.into(), remedy: None }
    }

    /// The cluster says nothing.
    pub(super) fn unreachable(what: impl Into<String>) -> Trouble {
        Trouble { kind: Kind::Unreachable, what: what.into(), remedy: None }
    }

    /// The same, with what to do.
    pub(super) fn with(mut self, remedy: impl Into<String>) -> Trouble {
        self.remedy = Some(remedy.into()).filter(|remedy| !remedy.is_empty());
        self
    }

    /// It is the same for everything of this kind.
    pub(super) fn is_forbidden(&self) -> bool {
        self.kind == Kind::Forbidden
    }

    /// It may go well with what is there now.
    pub(super) fn is_changed(&self) -> bool {
        self.kind == Kind::Changed
    }

    /// It may be gone in a moment.
    pub(super) fn may_pass(&self) -> bool {
        self.kind == Kind::Unreachable
    }

    /// What happened.
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    /// Tells it.
    pub(super) fn tell(&self) -> Exit {
        let told = output::refuse(&format_args!("{self}\n"));
        if self.kind == Kind::Usage { told } else { Exit::Failed }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n  help: {remedy}"),
            None => Ok(()),
        }
    }
}
