//! Children that do not outlive their parent.

use std::os::unix::process::parent_id;

/// The parent was gone before the child could tie itself to it.
#[derive(Debug, thiserror::Error)]
pub enum Orphaned {
    /// Another process is the parent now.
    #[error("the parent process {expected} is gone")]
    Gone {
        /// The parent that was named.
        expected: u32,
    },
    /// The kernel refuses.
    #[error("cannot ask to die with the parent: {0}")]
    Refused(std::io::Error),
}

/// From now on this process is killed when its parent dies. `parent` is the parent's process id as
/// the parent knows it: it may have died before this call.
///
/// On Linux the kernel watches the *thread* that spawned this process; [`crate::parent::Parent`]
/// spawns from its runtime's thread, which lives as long as the process.
#[cfg(target_os = "linux")]
pub fn die_with_parent(parent: u32) -> Result<(), Orphaned> {
    use rustix::process::{Signal, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|errno| Orphaned::Refused(errno.into()))?;
    still_there(parent)
}

/// From now on this process exits within a second after its parent died. `parent` is the parent's
/// process id as the parent knows it: it may have died before this call.
#[cfg(not(target_os = "linux"))]
pub fn die_with_parent(parent: u32) -> Result<(), Orphaned> {
    use crate::Exit;
    use std::{process, thread, time::Duration};
    still_there(parent)?;
    thread::Builder::new()
        .name("orphan".into())
        .spawn(move || {
            while parent_id() == parent {
                thread::sleep(Duration::from_secs(1));
            }
            process::exit(Exit::Failed.code().into());
        })
        .map(drop)
        .map_err(Orphaned::Refused)
}

fn still_there(parent: u32) -> Result<(), Orphaned> {
    if parent_id() == parent { Ok(()) } else { Err(Orphaned::Gone { expected: parent }) }
}
