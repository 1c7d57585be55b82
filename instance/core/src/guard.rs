//! The guard at a task's input: lets each frame in once, in order, from the newest life of its
//! source.

use egret_topology::id::{Epoch, Incarnation, TaskId};
use egret_wire::header::{Header, Kind};
use std::collections::HashMap;

/// Remembers where each source stands.
#[derive(Debug)]
pub struct Guard {
    epoch: Epoch,
    sources: HashMap<TaskId, Source>,
    /// Sources of which a frame has come.
    heard: u32,
}

#[derive(Debug)]
struct Source {
    incarnation: Incarnation,
    /// Counter of the next tuple, once the first frame told where the lane stands.
    next: Option<u64>,
    ended: bool,
}

/// Whether a frame is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is the next one. `revived`: it cancels its source's end mark.
    Deliver {
        /// Whether the source had ended.
        revived: bool,
    },
    /// It was delivered before, or is of an older life or another epoch.
    Discard,
    /// It is newer than the next one: what lies between was lost.
    Gap {
        /// Tuples missing.
        missing: u64,
    },
}

impl Guard {
    /// The guard of a task that receives from these sources.
    pub fn new(epoch: Epoch, sources: impl IntoIterator<Item = TaskId>) -> Guard {
        let mut guard = Guard { epoch, sources: HashMap::new(), heard: 0 };
        guard.follow(epoch, sources);
        guard
    }

    /// Another epoch begins, with these sources: those that stay are where they were.
    pub fn follow(&mut self, epoch: Epoch, sources: impl IntoIterator<Item = TaskId>) {
        let mut before = std::mem::take(&mut self.sources);
        let unknown = || Source { incarnation: Incarnation(0), next: None, ended: false };
        let sources = sources.into_iter();
        let sources = sources.map(|id| (id, before.remove(&id).unwrap_or_else(unknown)));
        self.sources = sources.collect();
        self.epoch = epoch;
        let heard = self.sources.values().filter(|source| source.incarnation != Incarnation(0));
        self.heard = heard.count() as u32;
    }

    /// Judges a frame and remembers it.
    #[inline]
    pub fn admit(&mut self, header: &Header) -> Admission {
        if header.epoch != self.epoch {
            return Admission::Discard;
        }
        let Some(source) = self.sources.get_mut(&header.source) else {
            return Admission::Discard;
        };
        if header.incarnation < source.incarnation {
            return Admission::Discard;
        }
        if header.incarnation > source.incarnation {
            // A new life starts its lanes at zero; of the first life seen the start may be past.
            let next = (source.incarnation != Incarnation(0)).then_some(0);
            self.heard += u32::from(next.is_none());
            *source = Source { incarnation: header.incarnation, next, ended: source.ended };
        }
        match header.kind {
            Kind::End => {
                source.ended = true;
                Admission::Deliver { revived: false }
            }
            Kind::Data => {
                let next = source.next.unwrap_or(header.base);
                if header.base < next {
                    return Admission::Discard;
                }
                source.next = Some(header.base + u64::from(header.count));
                let revived = std::mem::take(&mut source.ended);
                if header.base > next {
                    return Admission::Gap { missing: header.base - next };
                }
                Admission::Deliver { revived }
            }
            Kind::Flush => Admission::Deliver { revived: false },
            Kind::Ack => Admission::Discard,
        }
    }

    /// Sources of which anything has come.
    pub fn heard(&self) -> u32 {
        self.heard
    }

    /// Whether every source has ended.
    pub fn all_ended(&self) -> bool {
        self.sources.values().all(|source| source.ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: Kind, incarnation: u64, base: u64, count: u16) -> Header {
        let life = Incarnation(incarnation);
        let header = Header::new(kind, Epoch(1), TaskId(1), life, TaskId(2));
        Header { base, count, ..header }
    }

    fn guard() -> Guard {
        Guard::new(Epoch(1), [TaskId(1)])
    }

    const DELIVER: Admission = Admission::Deliver { revived: false };

    #[test]
    fn a_frame_is_delivered_once() {
        let mut guard = guard();
        assert_eq!(guard.admit(&header(Kind::Data, 1, 0, 3)), DELIVER);
        assert_eq!(guard.admit(&header(Kind::Data, 1, 3, 1)), DELIVER);
        assert_eq!(guard.admit(&header(Kind::Data, 1, 3, 1)), Admission::Discard);
        assert_eq!(guard.admit(&header(Kind::Data, 1, 0, 3)), Admission::Discard);
    }

    #[test]
    fn a_gap_is_noticed() {
        let mut guard = guard();
        assert_eq!(guard.admit(&header(Kind::Data, 1, 0, 3)), DELIVER);
        assert_eq!(guard.admit(&header(Kind::Data, 1, 5, 1)), Admission::Gap { missing: 2 });
        assert_eq!(guard.admit(&header(Kind::Data, 1, 6, 1)), DELIVER);
    }

    #[test]
    fn an_older_life_or_another_epoch_is_discarded() {
        let mut guard = guard();
        assert_eq!(guard.admit(&header(Kind::Data, 5, 7, 1)), DELIVER);
        assert_eq!(guard.admit(&header(Kind::Data, 4, 0, 1)), Admission::Discard);
        assert_eq!(guard.admit(&header(Kind::Data, 6, 0, 1)), DELIVER);
        let foreign = Header { epoch: Epoch(2), ..header(Kind::Data, 6, 1, 1) };
        assert_eq!(guard.admit(&foreign), Admission::Discard);
    }

    #[test]
    fn data_after_an_end_mark_cancels_it() {
        let mut guard = guard();
        assert_eq!(guard.admit(&header(Kind::End, 1, 0, 0)), DELIVER);
        assert!(guard.all_ended());
        let revived = guard.admit(&header(Kind::Data, 2, 0, 1));
        assert_eq!(revived, Admission::Deliver { revived: true });
        assert!(!guard.all_ended());
    }
}
