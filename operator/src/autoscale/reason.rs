//! Why a component has as many tasks as it has, in words.

use egret_topology::logical::Autoscale;

/// Shares of the time that a decision is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// In which its tasks worked.
    pub worked: f64,
    /// In which those that feed it waited for it.
    pub waited_for: f64,
}

/// Why.
#[derive(Clone, Debug, PartialEq)]
pub enum Why {
    /// How much its tasks work.
    Load(Figures),
    /// Tuple trees take longer than they shall, and it works most.
    Late(Figures),
    /// More are needed than it may have.
    AtMost(Box<Why>),
    /// One of its tasks can do no more, and the others have little to do.
    Skewed(Figures),
    /// It waits for what comes behind it.
    WaitsItself,
    /// As many are needed, but not for long enough: so many, why, and for how long they must be.
    Holding(u32, Box<Why>, u64),
    /// As many are needed, but it was changed not long ago.
    Cooling(u32, Box<Why>, u64),
    /// It has fewer or more than it may have.
    OutOfBounds,
    /// Nothing can be told now.
    Unsettled(String),
    /// Not enough was seen yet.
    Watching,
    /// Somebody else sets the number.
    Theirs(String),
    /// The API server does not take the number.
    Refused(String),
    /// So many cannot be packed.
    NoRoom(u32, String),
    /// It was decided, and the resource does not show it yet.
    Asked(u32),
}

/// Characters of what others say.
const MAX_WORDS: usize = 200;

impl Why {
    /// For people.
    #[must_use]
    pub fn words(&self, policy: &Autoscale) -> String {
        match self {
            Why::Load(figures) => figures.words(policy),
            Why::Late(figures) => {
                let (works, ms) = (figures.words(policy), policy.latency_ms.unwrap_or_default());
                format!("more than 1 % of tuple trees take longer than {ms} ms, and {works}")
            }
            Why::AtMost(why) => {
                format!("it has as many tasks as it may have, and {}", why.words(policy))
            }
            Why::Skewed(figures) => {
                let works = figures.words(policy);
                format!("one task works all the time, but {works}: more tasks would not help it")
            }
            Why::WaitsItself => {
                "its tasks wait for what comes behind them: more of them would wait too".to_owned()
            }
            Why::Holding(tasks, why, ms) => {
                let (why, time) = (why.words(policy), time(*ms));
                format!("{tasks} tasks are needed if that goes on for {time}: {why}")
            }
            Why::Cooling(tasks, why, ms) => {
                let (why, time) = (why.words(policy), time(*ms));
                format!("{tasks} tasks are needed, {time} after the last change: {why}")
            }
            Why::OutOfBounds => {
                format!("it has from {} to {} tasks", policy.min, policy.max)
            }
            Why::Unsettled(why) => {
                let why: String = why.chars().take(MAX_WORDS).collect();
                format!("nothing is decided now: {why}")
            }
            Why::Watching => "nothing is decided until it has been watched for 30 s".to_owned(),
            Why::Theirs(who) => {
                let who: String = who.chars().take(MAX_WORDS).collect();
                format!("parallelism is set by `{who}`: leave it out there to have it set here")
            }
            Why::Refused(why) => {
                let why: String = why.chars().take(MAX_WORDS).collect();
                format!("the API server does not take another parallelism: {why}")
            }
            Why::NoRoom(tasks, why) => {
                let why: String = why.chars().take(MAX_WORDS).collect();
                format!("{tasks} tasks are needed, and have no room: {why}")
            }
            Why::Asked(tasks) => format!("{tasks} tasks are asked for"),
        }
    }

    /// Whether that says much the same to people: figures move all the time.
    #[must_use]
    pub fn is_like(&self, other: &Why) -> bool {
        match (self, other) {
            (Why::Load(one), Why::Load(other))
            | (Why::Late(one), Why::Late(other))
            | (Why::Skewed(one), Why::Skewed(other)) => one.is_like(other),
            (Why::AtMost(one), Why::AtMost(other)) => one.is_like(other),
            (Why::Holding(a, one, _), Why::Holding(b, other, _))
            | (Why::Cooling(a, one, _), Why::Cooling(b, other, _)) => a == b && one.is_like(other),
            _ => self == other,
        }
    }
}

impl Figures {
    fn words(&self, policy: &Autoscale) -> String {
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        let (worked, target) = (percent(self.worked), percent(policy.target_utilization));
        let works = format!("its tasks work {worked} of the time, and {target} is the target");
        if self.waited_for < super::HELD_BACK {
            return works;
        }
        let waited = percent(self.waited_for);
        format!("{works}; what feeds it waits for it {waited} of the time")
    }

    fn is_like(&self, other: &Figures) -> bool {
        let near = |a: f64, b: f64| (a - b).abs() < 0.1;
        near(self.worked, other.worked) && near(self.waited_for, other.waited_for)
    }
}

fn time(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds.is_multiple_of(60) {
        true => format!("{} min", seconds / 60),
        false => format!("{seconds} s"),
    }
}
