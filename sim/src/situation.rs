//! Rare situations that runs must meet now and then: what never happens is never tested.

/// Something that a run came across.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Situation {
    /// A hello took the place of a link that was still up.
    LinkReplaced,
    /// A life was refused because a newer one was known.
    LifeRefused,
    /// A stream manager found the plan of its last life.
    ManagerReborn,
    /// A plan came from a peer before the operator brought it.
    PlanFromPeer,
    /// An instance began with positions that an earlier life had settled.
    PositionsUsed,
    /// A stream manager discarded frames and announced it.
    FramesDiscarded,
    /// Roots failed because something was lost.
    RootsLost,
    /// A root timed out.
    RootTimedOut,
    /// A bolt had to send again what its `finish` had emitted.
    FinishFailed,
    /// A task that had ended began to work again.
    EndCancelled,
    /// An emit had to wait for its lane.
    EmitWaited,
    /// A writer had no credit.
    CreditUsedUp,
    /// A stream manager did not read a stream whose account was full.
    AccountFull,
    /// A gateway did not read because its task had too much to do.
    InboxFull,
    /// A frame came twice, again, or not at all.
    FrameMistreated,
    /// A plan was not taken over because it could not be written.
    PlanNotWritten,
    /// A life was not let in because it could not be written.
    LifeNotWritten,
    /// A life took a greater number since the wall clock had been moved back.
    LifeRenamed,
    /// A pod was replaced, and its disk was gone.
    PodReplaced,
    /// A process stood still for so long that its links were given up.
    FrozenOut,
    /// Tasks were replaced one after the other by another version.
    TasksReplaced,
    /// A version did not work, and tasks went back to what ran before.
    VersionFailed,
    /// A pod left, and another took its place.
    PodLeft,
    /// Stream managers were replaced in place.
    ManagersUpgraded,
    /// What was not worked off in time was replayed.
    DrainCutShort,
    /// The operator died in the middle of something.
    OperatorDied,
    /// Spouts went on that nobody had told to.
    SpoutsResumed,
    /// Tasks that were to leave were released by their stream manager.
    TasksForsaken,
}

impl Situation {
    /// All of them.
    pub const ALL: [Situation; 28] = [
        Situation::LinkReplaced,
        Situation::LifeRefused,
        Situation::ManagerReborn,
        Situation::PlanFromPeer,
        Situation::PositionsUsed,
        Situation::FramesDiscarded,
        Situation::RootsLost,
        Situation::RootTimedOut,
        Situation::FinishFailed,
        Situation::EndCancelled,
        Situation::EmitWaited,
        Situation::CreditUsedUp,
        Situation::AccountFull,
        Situation::InboxFull,
        Situation::FrameMistreated,
        Situation::PlanNotWritten,
        Situation::LifeNotWritten,
        Situation::LifeRenamed,
        Situation::PodReplaced,
        Situation::FrozenOut,
        Situation::TasksReplaced,
        Situation::VersionFailed,
        Situation::PodLeft,
        Situation::ManagersUpgraded,
        Situation::DrainCutShort,
        Situation::OperatorDied,
        Situation::SpoutsResumed,
        Situation::TasksForsaken,
    ];
}

/// How often each was met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Met([u64; Situation::ALL.len()]);

impl Met {
    /// How often this one was met.
    pub fn of(&self, situation: Situation) -> u64 {
        self.0[situation as usize]
    }

    /// Adds what another run has met.
    pub fn add(&mut self, other: &Met) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum += more);
    }

    pub(crate) fn count(&mut self, situation: Situation) {
        self.0[situation as usize] += 1;
    }
}
