//! Why: a closed set of words for conditions, events and metrics alike.

/// A reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is explained where its message is made")]
pub enum Reason {
    ApiRefused,
    Autoscaled,
    Closing,
    Completed,
    ConfigMissing,
    Crashing,
    Deleted,
    Draining,
    DrainTimedOut,
    EdgesSilent,
    Flowing,
    Forbidden,
    GraphChanged,
    GraphChanging,
    GraphWaits,
    HandsOff,
    ImageUnavailable,
    Invalid,
    LinksDown,
    NameTaken,
    NodeLost,
    NotRunning,
    Paused,
    PlanRefused,
    PodReplaced,
    PodsPending,
    PodsUnschedulable,
    PositionsLost,
    RecordLost,
    RolledBack,
    RolledOut,
    RollingOut,
    RolloutHeld,
    Running,
    Settled,
    Starting,
    Stopped,
    Stuck,
    TasksMissing,
    Unknown,
    Unpackable,
    Unreadable,
    UpgradeFailed,
    Upgraded,
    Upgrading,
    Valid,
}

impl Reason {
    /// Those that stay until somebody does something about it.
    pub const BLOCKING: [Reason; 5] = [
        Reason::ConfigMissing,
        Reason::Crashing,
        Reason::ImageUnavailable,
        Reason::PlanRefused,
        Reason::PodsUnschedulable,
    ];

    /// Whether it stays until somebody does something about it.
    pub fn needs_somebody(self) -> bool {
        Reason::BLOCKING.contains(&self)
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::ApiRefused => "ApiRefused",
            Reason::Autoscaled => "Autoscaled",
            Reason::Closing => "Closing",
            Reason::Completed => "Completed",
            Reason::ConfigMissing => "ConfigMissing",
            Reason::Crashing => "Crashing",
            Reason::Deleted => "Deleted",
            Reason::Draining => "Draining",
            Reason::DrainTimedOut => "DrainTimedOut",
            Reason::EdgesSilent => "EdgesSilent",
            Reason::Flowing => "Flowing",
            Reason::Forbidden => "Forbidden",
            Reason::GraphChanged => "GraphChanged",
            Reason::GraphChanging => "GraphChanging",
            Reason::GraphWaits => "GraphWaits",
            Reason::HandsOff => "HandsOff",
            Reason::ImageUnavailable => "ImageUnavailable",
            Reason::Invalid => "Invalid",
            Reason::LinksDown => "LinksDown",
            Reason::NameTaken => "NameTaken",
            Reason::NodeLost => "NodeLost",
            Reason::NotRunning => "NotRunning",
            Reason::Paused => "Paused",
            Reason::PlanRefused => "PlanRefused",
            Reason::PodReplaced => "PodReplaced",
            Reason::PodsPending => "PodsPending",
            Reason::PodsUnschedulable => "PodsUnschedulable",
            Reason::PositionsLost => "PositionsLost",
            Reason::RecordLost => "RecordLost",
            Reason::RolledBack => "RolledBack",
            Reason::RolledOut => "RolledOut",
            Reason::RollingOut => "RollingOut",
            Reason::RolloutHeld => "RolloutHeld",
            Reason::Running => "Running",
            Reason::Settled => "Settled",
            Reason::Starting => "Starting",
            Reason::Stopped => "Stopped",
            Reason::Stuck => "Stuck",
            Reason::TasksMissing => "TasksMissing",
            Reason::Unknown => "Unknown",
            Reason::Unpackable => "Unpackable",
            Reason::Unreadable => "Unreadable",
            Reason::UpgradeFailed => "UpgradeFailed",
            Reason::Upgraded => "Upgraded",
            Reason::Upgrading => "Upgrading",
            Reason::Valid => "Valid",
        }
    }
}
