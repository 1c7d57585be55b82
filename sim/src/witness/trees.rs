//! Tuple trees as user code grows them.

use super::{
    Emission, Handle, Held, Kind, NO_UID, Sunk, Uid, Witness, groupings::Sent, lives::Delivery,
};
use crate::invariant::Invariant;
use egret_core::limits::LANE_BYTES;
use egret_topology::id::TaskId;
use smallvec::SmallVec;

impl Witness {
    /// User code is about to emit a tuple under these. Returns its number, which goes into its
    /// fields.
    pub(crate) fn emits(&mut self, kind: Kind, anchors: &[Handle]) -> Uid {
        let uid = self.emissions.len() as Uid;
        let mut roots: SmallVec<[Uid; 2]> = SmallVec::new();
        if let Kind::Root(piece) = kind {
            roots.push(uid);
            self.reads(piece);
        }
        let mut seen = SmallVec::<[_; 2]>::new();
        for handle in anchors {
            for root in &self.emissions[self.held[*handle].uid as usize].roots {
                if !roots.contains(root) {
                    roots.push(*root);
                }
            }
            let held = &mut self.held[*handle];
            for (i, root) in held.roots.iter().enumerate() {
                if !seen.contains(root) {
                    seen.push(*root);
                    held.charged[i].push(uid);
                }
            }
        }
        self.emissions.push(Emission {
            kind,
            by: self.current,
            roots,
            outstanding: 0,
            outcome: None,
            promised: 0,
            handed: 0,
            xor: 0,
            copies: SmallVec::new(),
        });
        uid
    }

    /// The tuple was emitted, on a stream and under a key, to these tasks.
    pub(crate) fn emitted(
        &mut self,
        uid: Uid,
        (stream, key, direct): (&str, i64, Option<TaskId>),
        tasks: &[TaskId],
    ) {
        // All bytes that wait are less than one lane may hold, so no lane is full.
        let free = self.budget.as_ref().is_some_and(|budget| budget.outbox_bytes() < LANE_BYTES);
        self.judge_groupings(Sent { stream, key, direct, tasks, free });
        let copies = tasks.len() as u32;
        self.emissions[uid as usize].promised = copies;
        for root in self.emissions[uid as usize].roots.clone() {
            self.emissions[root as usize].outstanding += i64::from(copies);
        }
        let life = &mut self.lives[self.current];
        life.emitted += 1;
        if matches!(self.emissions[uid as usize].kind, Kind::Root(_)) {
            life.unresolved += 1;
        }
    }

    /// User code receives a tuple.
    pub(crate) fn executes(&mut self, uid: Uid, source: TaskId) -> Handle {
        let life = self.current;
        let task = self.lives[life].task;
        self.lives[life].executed += 1;
        let (mut foreign, epoch) = (None, self.plan.plan().epoch);
        let delivery = loop {
            match self.lives[life].deliveries.pop_front() {
                // Of another epoch: discarded by the guard, or it should have been.
                Some(d) if d.epoch != epoch => {
                    foreign = foreign.or((d.uid == uid).then_some(d.epoch))
                }
                // What is left out was discarded by the guard, or should have been.
                Some(d) if d.uid != uid || self.lives[d.source].task != source => {}
                Some(d) if self.lives[life].last.get(&d.source) >= Some(&d.counter) => {}
                Some(d) => break d,
                None => {
                    let what = match foreign {
                        Some(epoch) => {
                            (Invariant::OwnEpoch, format!("delivered in epoch {epoch:?}"))
                        }
                        None => (Invariant::InOrder, "never delivered".to_owned()),
                    };
                    let (invariant, what) = what;
                    let what = format!("task {task} executes tuple {uid} of task {source}: {what}");
                    self.accuse(invariant, what);
                    break Delivery {
                        source: life,
                        counter: 0,
                        uid,
                        epoch,
                        edge: 0,
                        roots: Default::default(),
                    };
                }
            }
        };
        self.judge_copies(uid, task);
        self.judge_order(&delivery, task);
        let charged = delivery.roots.iter().map(|_| SmallVec::new()).collect();
        let Delivery { edge, roots, .. } = delivery;
        self.held.push(Held { uid, edge, roots, charged });
        self.held.len() - 1
    }

    fn judge_copies(&mut self, uid: Uid, task: TaskId) {
        let tracked = self.tracked;
        let copies = &mut self.emissions[uid as usize].copies;
        let Some((_, handed, executed)) = copies.iter_mut().find(|(to, ..)| *to == task) else {
            return;
        };
        *executed += 1;
        let (handed, executed) = (*handed, *executed);
        // Another life may execute what was repeated; one life twice would be out of order.
        let excused = tracked || self.repeated.contains(&(task, uid));
        self.expect(excused || executed <= handed, Invariant::AtMostOnce, || {
            format!(
                "task {task} executes tuple {uid} for the {executed}th time, {handed} were sent"
            )
        });
    }

    fn judge_order(&mut self, delivery: &Delivery, task: TaskId) {
        let Delivery { source, counter, uid, .. } = *delivery;
        let sent = self.lives[source].lanes.get(&task);
        let sent = sent.and_then(|lane| lane.get(counter as usize)).copied();
        let from = (self.lives[source].task, self.lives[source].incarnation);
        self.expect(sent == Some(uid), Invariant::InOrder, || {
            format!(
                "task {task} executes tuple {uid} in place {counter} of {from:?}: {sent:?} was sent"
            )
        });
        let last = self.lives[self.current].last.insert(source, counter);
        self.expect(last.is_none_or(|last| last < counter), Invariant::InOrder, || {
            format!("task {task} executes place {counter} of {from:?} after {last:?}")
        });
        let incarnation = from.1;
        let lives = &self.lives;
        let newer =
            lives[self.current].last.keys().copied().find(|other| {
                lives[*other].task == from.0 && lives[*other].incarnation > incarnation
            });
        self.expect(newer.is_none(), Invariant::Identity, || {
            format!("task {task} executes a tuple of {from:?} after one of a newer life")
        });
    }

    /// User code acks a tuple.
    pub(crate) fn acks(&mut self, handle: Handle) {
        let held = &self.held[handle];
        for root in &self.emissions[held.uid as usize].roots.clone() {
            self.emissions[*root as usize].outstanding -= 1;
        }
        let owed = &mut self.lives[self.current].owed;
        for (_, root) in Witness::held_roots(&self.held[handle]) {
            owed.entry(root.task).or_default().push_back((root, handle));
        }
    }

    /// The spout hears of a root that it emitted.
    pub(crate) fn root_acked(&mut self, uid: Uid) {
        self.resolve(uid, true);
        let emission = &self.emissions[uid as usize];
        let outstanding = emission.outstanding;
        if let Kind::Root(piece) = emission.kind {
            self.acked[piece as usize] = true;
        }
        let whole = !self.tracked || outstanding == 0;
        self.expect(whole, Invariant::AckedWhole, || {
            format!("root {uid} is acked, {outstanding} tuples of its tree are not")
        });
    }

    /// The spout hears that a root failed. Returns the piece that must be emitted again.
    pub(crate) fn root_failed(&mut self, uid: Uid) -> u32 {
        self.resolve(uid, false);
        match self.emissions[uid as usize].kind {
            Kind::Root(piece) => piece,
            Kind::Derived | Kind::Finish | Kind::Loose => 0,
        }
    }

    fn resolve(&mut self, uid: Uid, acked: bool) {
        let emission = &mut self.emissions[uid as usize];
        let before = emission.outcome.replace(acked);
        let foreign = emission.by != self.current;
        self.lives[self.current].unresolved -= u64::from(before.is_none() && !foreign);
        self.expect(before.is_none() && !foreign, Invariant::OneOutcome, || {
            format!("root {uid} is acked: {acked}; it was {before:?} before; foreign: {foreign}")
        });
    }

    /// A sink has written these pieces for good.
    pub(crate) fn wrote(&mut self, at: u64, pieces: &[u32]) {
        let life = self.current;
        self.sunk.extend(pieces.iter().map(|piece| Sunk { at, life, piece: *piece }));
    }

    /// Whether the roots on the wire are those that user code meant.
    pub(super) fn roots_match(&self, uid: Uid, roots: &egret_wire::data::Roots) -> bool {
        if !self.tracked {
            return roots.is_empty();
        }
        let mut wire: SmallVec<[Uid; 4]> = roots
            .iter()
            .filter_map(|root| {
                let life = self.life_of.get(&(root.task, root.incarnation))?;
                self.lives[*life].roots.get(root.seq as usize).map(|(uid, ..)| *uid)
            })
            .filter(|uid| *uid != NO_UID)
            .collect();
        let mut meant: SmallVec<[Uid; 4]> =
            self.emissions[uid as usize].roots.iter().copied().collect();
        wire.sort_unstable();
        meant.sort_unstable();
        wire == meant
    }
}
