//! What is measured: subjects side by side, as data.

/// Subjects that are compared in one run of the bench.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// What it shows, in one line.
    pub(crate) about: &'static str,
    /// The first is measured once more at the end: how much it differs then is drift.
    pub(crate) variants: Vec<Variant>,
    /// How often all are measured in turn, if more than once.
    pub(crate) rounds: u32,
}

/// One row of its table.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    /// Its name in tables and results, unique within the scenario.
    pub(crate) name: String,
    /// Who does the work.
    pub(crate) subject: Subject,
}

/// Who does the work.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// A topology under `egret run`.
    Egret(Egret),
    /// Raw quinn, three hops, in frames of this many bytes.
    Ceiling { frame: u32 },
    /// Storm's word count.
    Storm(Storm),
    /// Flink's word count.
    Flink { sources: u32, counters: u32, checkpoints: bool },
    /// Timely dataflow's word count: threads of one process, nothing acked, nothing encrypted.
    Timely,
}

/// A topology under `egret run`.
#[derive(Clone, Debug)]
pub(crate) struct Egret {
    /// Its file below `bench/topologies`.
    pub(crate) topology: &'static str,
    /// What is overridden in it.
    pub(crate) set: Vec<String>,
    /// The spout whose tuples are counted, and the bolt that takes them.
    pub(crate) spout: &'static str,
    pub(crate) sink: &'static str,
    /// Whether the spout's tuples are acked; else those that the bolt executed are counted.
    pub(crate) acked: bool,
    /// Bytes of user data in a tuple.
    pub(crate) payload: u32,
    /// Whether the counts are written at the end, to be added up.
    pub(crate) totals: bool,
    /// The spout is `paced`, and tells its latency.
    pub(crate) pace: Option<Pace>,
    /// The kernel grants no receive buffer beyond its default.
    pub(crate) small_buffers: bool,
    /// A bolt sleeps, and what that does to the other path is looked at.
    pub(crate) stalls: bool,
    /// Everybody looks at it who may.
    pub(crate) watched: bool,
}

/// How fast a paced spout emits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pace {
    /// As many as are taken.
    Saturated,
    /// Tuples per second.
    Rate(f64),
    /// Half of what this variant has reached in the same run.
    HalfOf(&'static str),
}

/// Storm's word count.
#[derive(Clone, Debug)]
pub(crate) struct Storm {
    pub(crate) spouts: u32,
    pub(crate) bolts: u32,
    /// Spout and bolt in one worker, or in two that talk over Netty.
    pub(crate) workers: u32,
    pub(crate) acked: bool,
    pub(crate) pending: u32,
    pub(crate) batch: u32,
    pub(crate) pace: Option<Pace>,
}

impl Subject {
    /// Needs Java and Maven.
    pub(crate) fn is_java(&self) -> bool {
        matches!(self, Subject::Storm(_) | Subject::Flink { .. })
    }

    /// Is a program of others.
    pub(crate) fn is_peer(&self) -> bool {
        self.is_java() || matches!(self, Subject::Timely)
    }

    /// How fast it emits, if that is fixed.
    pub(crate) fn pace(&self) -> Option<&Pace> {
        match self {
            Subject::Egret(egret) => egret.pace.as_ref(),
            Subject::Storm(storm) => storm.pace.as_ref(),
            _ => None,
        }
    }
}
