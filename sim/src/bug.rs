//! Bugs that the simulator can build in, to show that each invariant notices.
//!
//! They live in what the simulator does around the real code: how it carries frames, batches and
//! messages. Production code has no switches.

use crate::invariant::Invariant;

/// A deliberate bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// A root does not reach the tracker.
    ForgetRoot,
    /// Positions are told ahead of what was acked.
    PositionAhead,
    /// A spout is told that a root is acked whose tree is not.
    AckEarly,
    /// A user's spout is told of an outcome twice.
    OutcomeTwice,
    /// An ack frame is changed on its way.
    TamperAck,
    /// An ack frame is applied again under another number.
    AckTwice,
    /// Acks are handed on at once, data a little later.
    AckBeforeData,
    /// A spout works by a larger `maxPending` than that of the plan.
    LooseLimit,
    /// A data frame is delivered again under other counters.
    DeliverTwice,
    /// Two data frames of a lane change places.
    Swap,
    /// Tasks group by another plan: keys go anywhere.
    ScatterKeys,
    /// Tasks group by another plan: All reaches one task.
    SkipSome,
    /// A data frame of another epoch is passed on as one of this.
    Disguise,
    /// An instance is sent an older plan than it has.
    OldPlan,
    /// A frame is forgotten at the end.
    Leftover,
    /// A writer ignores the credit of its stream.
    IgnoreWindow,
    /// The streams of a link share one window.
    SharedWindow,
    /// An account is charged for bytes that are not there.
    Miscount,
    /// End marks get lost and nobody says so.
    LoseEnds,
    /// A new life takes the identity of the last one.
    ReuseLife,
    /// A life that was replaced still writes positions.
    FencedWrites,
    /// Lives in a pod that took the place of another are counted by the clock alone.
    ForgetBirth,
    /// A report lacks some of its latencies.
    LoseLatency,
    /// A loss is not told to the instances of the pod that noticed.
    SilentLoss,
    /// A task that shall be replaced is taken for drained.
    DrainEarly,
    /// A pod that takes the place of another is not told where the input stands.
    ForgetHandOver,
    /// A pod takes the place of another whose tasks work on.
    TakeOverEarly,
    /// Spouts are not told to go on when a change is over.
    KeepHolding,
    /// Stream managers let nobody go on when there is no operator.
    HoldForEver,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 29] = [
        Bug::ForgetRoot,
        Bug::PositionAhead,
        Bug::AckEarly,
        Bug::OutcomeTwice,
        Bug::TamperAck,
        Bug::AckTwice,
        Bug::AckBeforeData,
        Bug::LooseLimit,
        Bug::DeliverTwice,
        Bug::Swap,
        Bug::ScatterKeys,
        Bug::SkipSome,
        Bug::Disguise,
        Bug::OldPlan,
        Bug::Leftover,
        Bug::IgnoreWindow,
        Bug::SharedWindow,
        Bug::Miscount,
        Bug::LoseEnds,
        Bug::ReuseLife,
        Bug::FencedWrites,
        Bug::ForgetBirth,
        Bug::LoseLatency,
        Bug::SilentLoss,
        Bug::DrainEarly,
        Bug::ForgetHandOver,
        Bug::TakeOverEarly,
        Bug::KeepHolding,
        Bug::HoldForEver,
    ];

    /// The invariant that it breaks first.
    pub fn breaks(self) -> Invariant {
        match self {
            Bug::ForgetRoot | Bug::PositionAhead => Invariant::NeverForgotten,
            Bug::AckEarly => Invariant::AckedWhole,
            Bug::OutcomeTwice => Invariant::OneOutcome,
            Bug::TamperAck => Invariant::TrackerXor,
            Bug::AckTwice => Invariant::AckOnce,
            Bug::AckBeforeData => Invariant::DataBeforeAck,
            Bug::LooseLimit => Invariant::MaxPending,
            Bug::DeliverTwice => Invariant::AtMostOnce,
            Bug::Swap => Invariant::InOrder,
            Bug::ScatterKeys => Invariant::KeyAtOneTask,
            Bug::SkipSome => Invariant::Grouping,
            Bug::Disguise => Invariant::OwnEpoch,
            Bug::OldPlan => Invariant::PlansRise,
            Bug::Leftover => Invariant::NothingLeft,
            Bug::IgnoreWindow => Invariant::Credit,
            Bug::SharedWindow => Invariant::StallIsLocal,
            Bug::Miscount => Invariant::Conserved,
            Bug::LoseEnds | Bug::SilentLoss | Bug::ForgetBirth | Bug::KeepHolding => {
                Invariant::Progress
            }
            Bug::ReuseLife | Bug::FencedWrites => Invariant::Identity,
            Bug::LoseLatency => Invariant::Totals,
            Bug::DrainEarly | Bug::ForgetHandOver => Invariant::NoReplay,
            Bug::TakeOverEarly => Invariant::OneReader,
            Bug::HoldForEver => Invariant::HoldEnds,
        }
    }

    /// The name on the command line.
    pub fn name(self) -> String {
        format!("{self:?}")
    }
}
