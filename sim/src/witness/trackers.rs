//! A shadow of every ack tracker, kept from what tasks made and not from what arrived.

use super::{Life, Uid, Witness};
use crate::invariant::Invariant;
use egret_core::{
    batch::{Batch, Completion, ToTask},
    gateway::Gateway,
};
use egret_sdk::Failure;
use egret_topology::id::{Incarnation, TaskId};
use egret_wire::{
    ack::{AckReader, Verdict},
    cut::Frame,
};
use std::collections::{BTreeMap, BTreeSet};
use xxhash_rust::xxh3::xxh3_64;

/// How a tree ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Every tuple was acked.
    Acked,
    /// A bolt failed a tuple, or it was lost.
    Failed,
    /// Not complete in time.
    TimedOut,
}

/// What a tracker should know.
#[derive(Debug, Default)]
pub(super) struct Shadow {
    /// XOR of each pending root.
    pending: BTreeMap<u64, u64>,
    /// Roots that have an outcome which the task must be told next.
    due: BTreeMap<u64, Outcome>,
    /// Timed out, and waiting for the name of who holds them.
    asked: BTreeSet<u64>,
    /// Last ack frame applied, per acking task.
    applied: BTreeMap<TaskId, (Incarnation, u64)>,
    /// Contents of ack frames applied.
    contents: BTreeSet<u64>,
    emitted: u64,
    told: [u64; 3],
}

impl Witness {
    /// A pending root whose tree is not acked.
    pub(crate) fn pending_root(&self, life: Life) -> Option<u64> {
        let record = &self.lives[life];
        let of = record.shadow.pending.keys().map(|seq| (*seq, record.roots[*seq as usize].0));
        let unacked = |uid: &Uid| {
            self.emissions.get(*uid as usize).is_some_and(|emission| emission.outstanding > 0)
        };
        of.into_iter().find(|(_, uid)| unacked(uid)).map(|(seq, _)| seq)
    }

    /// A gateway has taken over a batch.
    pub(crate) fn registers(&mut self, life: Life, roots: &[(u64, u64)], untracked: u64) {
        let shadow = &mut self.lives[life].shadow;
        shadow.emitted += untracked;
        shadow.told[0] += untracked;
        for (seq, xor) in roots {
            shadow.emitted += 1;
            if *xor == 0 {
                shadow.due.insert(*seq, Outcome::Acked);
            } else {
                shadow.pending.insert(*seq, *xor);
            }
        }
    }

    /// Roots of a batch, to be shown to [`Witness::registers`].
    pub(crate) fn roots_of(batch: &Batch) -> Vec<(u64, u64)> {
        (batch.first_root..).zip(batch.roots.iter().map(|root| root.xor)).collect()
    }

    /// A gateway has taken in an ack frame. `before`: the XORs of its roots until then.
    pub(crate) fn acked(
        &mut self,
        life: Life,
        frame: &Frame,
        before: &[(u64, Option<u64>)],
        gateway: &Gateway,
    ) {
        let header = frame.header;
        let after = |seq| gateway.tracker().and_then(|tracker| tracker.xor_of(seq));
        let content = xxh3_64(&frame.payload());
        let changed = before.iter().any(|(seq, xor)| after(*seq) != *xor);
        let Some(made) = self.made(&header) else {
            let again = self.lives[life].shadow.contents.contains(&content);
            self.expect(
                !changed,
                if again { Invariant::AckOnce } else { Invariant::Protocol },
                || {
                    format!(
                        "an ack frame is applied that task {} has not made: {header:?}",
                        header.source
                    )
                },
            );
            return;
        };
        let shadow = &mut self.lives[life].shadow;
        let number = (header.incarnation, header.base);
        let last = shadow.applied.get(&header.source).copied();
        if last.is_some_and(|last| number <= last) {
            self.expect(!changed, Invariant::AckOnce, || {
                format!("ack frame {number:?} of task {} is applied again", header.source)
            });
            return;
        }
        shadow.applied.insert(header.source, number);
        shadow.contents.insert(content);
        let payload = made.slice(egret_wire::header::HEADER..);
        self.apply(life, &header, &payload);
        self.compare(life, before.iter().map(|(seq, _)| *seq), gateway);
    }

    fn apply(&mut self, life: Life, header: &egret_wire::header::Header, payload: &[u8]) {
        let key = self.plan.plan().edge_key;
        let Ok(mut reader) = AckReader::new(header, payload, key) else { return };
        let record = &mut self.lives[life];
        if reader.incarnation != record.incarnation {
            return;
        }
        let shadow = &mut record.shadow;
        let mut unequal = None;
        while let Ok(Some((seq, verdict))) = reader.next() {
            let Some(xor) = shadow.pending.get_mut(&seq) else { continue };
            match verdict {
                Verdict::Ack(part) => {
                    *xor ^= part;
                    if *xor == 0 {
                        shadow.pending.remove(&seq);
                        shadow.due.insert(seq, Outcome::Acked);
                        let (_, first, sum) = record.roots[seq as usize];
                        if first != sum {
                            unequal = Some(seq);
                        }
                    }
                }
                Verdict::Fail(_) => {
                    shadow.pending.remove(&seq);
                    shadow.due.insert(seq, Outcome::Failed);
                }
                Verdict::Reset => {}
            }
        }
        self.expect(unequal.is_none(), Invariant::TrackerXor, || {
            format!("root {unequal:?} was registered with another XOR than that of what was sent")
        });
    }

    fn compare(&mut self, life: Life, seqs: impl Iterator<Item = u64>, gateway: &Gateway) {
        let Some(tracker) = gateway.tracker() else { return };
        for seq in seqs {
            let (theirs, ours) =
                (tracker.xor_of(seq), self.lives[life].shadow.pending.get(&seq).copied());
            self.expect(theirs == ours, Invariant::TrackerXor, || {
                format!("the tracker has {theirs:x?} for root {seq}, it should have {ours:x?}")
            });
        }
    }

    /// A gateway was told of a loss: all pending roots fail.
    pub(crate) fn lost(&mut self, life: Life) {
        let shadow = &mut self.lives[life].shadow;
        let failed = std::mem::take(&mut shadow.pending);
        shadow.due.extend(failed.into_keys().map(|seq| (seq, Outcome::Failed)));
    }

    /// A gateway asks who holds a root that has timed out.
    pub(crate) fn asked(&mut self, life: Life, seq: u64) {
        let shadow = &mut self.lives[life].shadow;
        shadow.pending.remove(&seq);
        shadow.asked.insert(seq);
    }

    /// A gateway hands outcomes to its task.
    pub(crate) fn outcomes(&mut self, life: Life, events: &[ToTask]) {
        for event in events {
            if let ToTask::Completed(completions) = event {
                completions.iter().for_each(|completion| self.outcomes_of(life, completion));
            }
        }
    }

    fn outcomes_of(&mut self, life: Life, completion: &Completion) {
        let outcome = match completion.failure.as_deref() {
            None => Outcome::Acked,
            Some(Failure::TimedOut { .. }) => Outcome::TimedOut,
            Some(_) => Outcome::Failed,
        };
        completion.roots.clone().for_each(|seq| self.outcome(life, seq, outcome));
    }

    fn outcome(&mut self, life: Life, seq: u64, outcome: Outcome) {
        let shadow = &mut self.lives[life].shadow;
        let fits = match outcome {
            Outcome::TimedOut => shadow.asked.remove(&seq) || shadow.pending.remove(&seq).is_some(),
            told => shadow.due.remove(&seq) == Some(told),
        };
        shadow.told[match outcome {
            Outcome::Acked => 0,
            Outcome::Failed => 1,
            Outcome::TimedOut => 2,
        }] += 1;
        self.expect(fits, Invariant::NeverForgotten, || {
            format!("root {seq} ends as {outcome:?} without a reason")
        });
    }

    /// Every root must be somewhere, and the gateway's counts must say so. Called when it is at
    /// rest.
    pub(crate) fn judge_tracker(&mut self, life: Life, gateway: &Gateway) {
        let counts = gateway.roots();
        let record = &self.lives[life];
        let task = record.task;
        let shadow = &record.shadow;
        let [acked, failed, timed_out] = shadow.told;
        let waiting = shadow.asked.len() as u64;
        let ours =
            (shadow.emitted, acked, failed, timed_out + waiting, shadow.pending.len() as u64);
        let theirs =
            (counts.emitted, counts.acked, counts.failed, counts.timed_out, counts.pending);
        let due = shadow.due.len();
        self.expect(due == 0 && ours == theirs, Invariant::NeverForgotten, || {
            format!(
                "task {task} has {theirs:?} (emitted, acked, failed, timed out, pending), it \
                 should have {ours:?}; {due} outcomes are due"
            )
        });
        let sum = counts.acked + counts.failed + counts.timed_out + counts.pending;
        self.expect(counts.emitted == sum, Invariant::NeverForgotten, || {
            format!("task {task} has emitted {} roots, {sum} are accounted for", counts.emitted)
        });
    }
}
