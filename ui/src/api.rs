//! The questions that are answered: a snapshot, a task's log, an edge's tuples.

use bytes::Bytes;
use egret_topology::id::TaskId;
use serde::Serialize;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// What is the topology doing? Answered by a [`crate::snapshot::Snapshot`].
    Snapshot,
    /// What did this task log last? Answered by [`crate::source::Log`].
    Log(TaskId),
    /// What flows over this edge? Answered by [`crate::source::Samples`].
    Samples(EdgeName),
}

/// An edge by the names that a topology gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeName {
    /// The source component.
    pub from: String,
    /// Its stream.
    pub stream: String,
    /// The destination component.
    pub to: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such thing.
    Unknown(String),
    /// There is nobody who could answer now.
    Silent(String),
}

impl Refusal {
    /// Why, for people.
    pub fn words(&self) -> &str {
        match self {
            Refusal::Unknown(words) | Refusal::Silent(words) => words,
        }
    }
}

/// An answer in JSON.
pub type Answer = Result<Bytes, Refusal>;

/// Whoever answers.
pub trait Api: Send + Sync + 'static {
    /// Answers.
    fn answer(&self, query: Query) -> impl Future<Output = Answer> + Send;
}

const SNAPSHOT: &str = "/api/snapshot";
const LOG: &str = "/api/log";
const SAMPLES: &str = "/api/samples";

impl Query {
    /// The question that a request asks; `None` if it asks none.
    pub fn parse(path: &str, query: &str) -> Option<Result<Query, Refusal>> {
        let value = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            let found = pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
            found.ok_or_else(|| Refusal::Unknown(format!("the request has no `{name}`")))
        };
        match path {
            SNAPSHOT => Some(Ok(Query::Snapshot)),
            LOG => Some(value("task").and_then(|task| match task.parse() {
                Ok(id) => Ok(Query::Log(TaskId(id))),
                Err(_) => Err(Refusal::Unknown(format!("`{task}` is no task id"))),
            })),
            SAMPLES => Some((|| {
                let (from, stream, to) = (value("from")?, value("stream")?, value("to")?);
                Ok(Query::Samples(EdgeName { from, stream, to }))
            })()),
            _ => None,
        }
    }

    /// The request that asks this.
    pub fn target(&self) -> String {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        match self {
            Query::Snapshot => SNAPSHOT.to_owned(),
            Query::Log(task) => {
                format!("{LOG}?{}", pairs.append_pair("task", &task.to_string()).finish())
            }
            Query::Samples(EdgeName { from, stream, to }) => {
                pairs.append_pair("from", from).append_pair("stream", stream);
                format!("{SAMPLES}?{}", pairs.append_pair("to", to).finish())
            }
        }
    }
}

/// As JSON. What is served has text for keys and numbers that are finite or null.
pub(crate) fn json(of: &impl Serialize) -> Answer {
    let written = serde_json::to_vec(of).map(Bytes::from);
    written.map_err(|error| Refusal::Silent(format!("the answer cannot be written: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_arrives_as_it_was_meant() {
        let edge = EdgeName { from: "a&b=c".into(), stream: "ü #".into(), to: "<x>".into() };
        for query in [Query::Snapshot, Query::Log(TaskId(7)), Query::Samples(edge)] {
            let target = query.target();
            let (path, pairs) = target.split_once('?').unwrap_or((&target, ""));
            assert_eq!(Query::parse(path, pairs), Some(Ok(query)));
        }
    }

    #[test]
    fn what_makes_no_sense_is_answered_with_what_is_missing() {
        let words = |path: &str, query: &str| match Query::parse(path, query) {
            Some(Err(refusal)) => refusal.words().to_owned(),
            other => panic!("{other:?}"),
        };
        assert!(words("/api/log", "").contains("no `task`"));
        assert!(words("/api/log", "task=x").contains("`x` is no task id"));
        assert!(words("/api/samples", "from=a&to=b").contains("no `stream`"));
        assert_eq!(Query::parse("/api/other", ""), None);
    }
}
