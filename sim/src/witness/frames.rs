//! What frames say: as a task hands them over, and as they are delivered.

use super::{
    Life, NO_UID, Uid, Witness,
    lives::{Delivery, LifeRecord},
};
use crate::invariant::Invariant;
use bytes::Bytes;
use egret_core::batch::Batch;
use egret_topology::id::TaskId;
use egret_wire::{
    Malformed,
    ack::{AckReader, Verdict},
    cut::Frame,
    data::{DataReader, RootId, Roots},
    edge_id::EdgeIds,
    header::{Header, Kind},
    value::{self, ValueRef},
};

/// The number of a tuple, its first field.
fn uid(mut values: &[u8]) -> Result<Uid, Malformed> {
    match value::take(&mut values)? {
        ValueRef::Int(uid) => Ok(uid as Uid),
        _ => Err(Malformed::NotAFrame("its first field is no number")),
    }
}

impl Witness {
    /// The running task hands a batch to its gateway half.
    pub(crate) fn hands_over(&mut self, life: Life, batch: &Batch) {
        let place = self.lives[life].roots.len() as u64;
        self.expect(
            batch.roots.is_empty() || batch.first_root == place,
            Invariant::NeverForgotten,
            || format!("root {} is registered in place {place}", batch.first_root),
        );
        // Whose tuple it is, its first frame tells.
        let roots = batch.roots.iter().map(|root| (NO_UID, root.xor, 0));
        self.lives[life].roots.extend(roots);
        for frame in &batch.frames {
            if let Err(error) = self.hands_over_frame(life, &frame.bytes) {
                self.accuse(
                    Invariant::Protocol,
                    format!("a task makes a malformed frame: {error}"),
                );
            }
        }
    }

    fn hands_over_frame(&mut self, life: Life, bytes: &Bytes) -> Result<(), Malformed> {
        let frame = Frame::whole(bytes.clone())?;
        match frame.header.kind {
            Kind::Data => self.hands_over_data(life, &frame),
            Kind::Ack => self.hands_over_acks(life, &frame, bytes),
            Kind::End | Kind::Flush => Ok(()),
        }
    }

    fn hands_over_data(&mut self, life: Life, frame: &Frame) -> Result<(), Malformed> {
        let header = frame.header;
        let payload = frame.payload();
        let ids = self.ids(&header);
        let spout = self.plan.is_spout(header.source);
        let mut reader = DataReader::new(&header, &payload)?;
        let (mut roots, mut at) = (Roots::new(), Vec::new());
        let mut counter = header.base;
        while let Some(values) = reader.next(&mut roots, &mut at)? {
            let uid = uid(values)?;
            let id = ids.id(counter);
            let lane = self.lives[life].lanes.entry(header.dest).or_default();
            let place = lane.len() as u64;
            lane.push(uid);
            self.expect(place == counter, Invariant::InOrder, || {
                format!("place {place} of a lane is numbered {counter}")
            });
            let emission = &mut self.emissions[uid as usize];
            emission.handed += 1;
            emission.xor ^= id;
            match emission.copies.iter_mut().find(|(to, ..)| *to == header.dest) {
                Some((_, handed, _)) => *handed += 1,
                None => emission.copies.push((header.dest, 1, 0)),
            }
            for root in roots.iter().filter(|root| root.task == header.source) {
                match self.lives[life].roots.get_mut(root.seq as usize) {
                    Some((of, _, sum)) => {
                        *sum ^= id;
                        if spout && *of == NO_UID {
                            *of = uid;
                        }
                    }
                    None => self.accuse(
                        Invariant::NeverForgotten,
                        format!("a frame carries root {root:?}, which is not registered"),
                    ),
                }
            }
            let matches = self.roots_match(uid, &roots);
            self.expect(matches, Invariant::AckedWhole, || {
                format!("tuple {uid} travels under {roots:?}: not the roots that user code meant")
            });
            counter += 1;
        }
        Ok(())
    }

    /// Every entry must be explained by tuples that user code has acked, in order, whose children
    /// have all been handed over before.
    fn hands_over_acks(
        &mut self,
        life: Life,
        frame: &Frame,
        bytes: &Bytes,
    ) -> Result<(), Malformed> {
        let header = frame.header;
        let made = self.lives[life].acks.entry(header.dest).or_default();
        let number = made.len() as u64;
        made.push(bytes.clone());
        self.expect(number == header.base, Invariant::AckOnce, || {
            format!("ack frame {number} is numbered {}", header.base)
        });
        let payload = frame.payload();
        let mut reader = AckReader::new(&header, &payload, self.plan.plan().edge_key)?;
        let incarnation = reader.incarnation;
        while let Some((seq, verdict)) = reader.next()? {
            if let Verdict::Ack(xor) = verdict {
                let root = RootId { task: header.dest, incarnation, seq };
                self.explain(life, root, xor);
            }
        }
        Ok(())
    }

    fn explain(&mut self, life: Life, root: RootId, xor: u64) {
        let mut sum = 0;
        loop {
            let LifeRecord { task, owed, .. } = &mut self.lives[life];
            let (task, owed) = (*task, owed.entry(root.task).or_default());
            let Some((of, handle)) = owed.front().copied().filter(|(of, _)| *of == root) else {
                let next = owed.front().map(|(of, _)| *of);
                return self.accuse(
                    Invariant::DataBeforeAck,
                    format!(
                        "task {task} acks {root:?} by what user code has not acked, or what was \
                         emitted under it has not left; next is {next:?}"
                    ),
                );
            };
            owed.pop_front();
            match self.contribution(handle, of) {
                Some(part) => sum ^= part,
                None => {
                    return self.accuse(
                        Invariant::DataBeforeAck,
                        format!("task {task} acks {root:?} before what it emitted under it"),
                    );
                }
            }
            if sum == xor {
                return;
            }
        }
    }

    /// What the ack of a tuple XORs into a root; `None` while a child has not been handed over.
    fn contribution(&self, handle: usize, root: RootId) -> Option<u64> {
        let held = &self.held[handle];
        let at = held.roots.iter().position(|r| *r == root)?;
        let mut sum = held.edge;
        for uid in &held.charged[at] {
            let child = &self.emissions[*uid as usize];
            if child.handed < child.promised {
                return None;
            }
            sum ^= child.xor;
        }
        Some(sum)
    }

    /// A gateway takes in a data frame.
    pub(crate) fn delivers(&mut self, life: Life, frame: &Frame) {
        if let Err(error) = self.delivers_data(life, frame) {
            self.accuse(Invariant::Protocol, format!("a malformed frame arrives: {error}"));
        }
    }

    fn delivers_data(&mut self, life: Life, frame: &Frame) -> Result<(), Malformed> {
        let header = frame.header;
        let Some(source) = self.life_of.get(&(header.source, header.incarnation)).copied() else {
            self.accuse(Invariant::Identity, format!("a frame of nobody arrives: {header:?}"));
            return Ok(());
        };
        let payload = frame.payload();
        let ids = self.ids(&header);
        let mut reader = DataReader::new(&header, &payload)?;
        let (mut roots, mut at) = (Roots::new(), Vec::new());
        let mut counter = header.base;
        while let Some(values) = reader.next(&mut roots, &mut at)? {
            self.lives[life].deliveries.push_back(Delivery {
                source,
                counter,
                uid: uid(values)?,
                epoch: header.epoch,
                edge: ids.id(counter),
                roots: roots.clone(),
            });
            counter += 1;
        }
        Ok(())
    }

    /// Noise has repeated a frame on its way to a task.
    pub(crate) fn repeated(&mut self, frame: &Frame) {
        let (header, payload) = (frame.header, frame.payload());
        let Ok(mut reader) = DataReader::new(&header, &payload) else { return };
        let (mut roots, mut at) = (Roots::new(), Vec::new());
        while let Ok(Some(values)) = reader.next(&mut roots, &mut at) {
            self.repeated.extend(uid(values).map(|uid| (header.dest, uid)));
        }
    }

    fn ids(&self, header: &Header) -> EdgeIds {
        let key = self.plan.plan().edge_key;
        EdgeIds::new(key, header.source, header.incarnation, header.dest)
    }

    /// The ack frame as its task made it.
    pub(super) fn made(&self, header: &Header) -> Option<Bytes> {
        let life = self.life_of.get(&(header.source, header.incarnation))?;
        let acks = self.lives[*life].acks.get(&header.dest)?;
        acks.get(header.base as usize).cloned()
    }

    /// Tuples that a life has sent to a task.
    pub(super) fn sent(&self, life: Life, to: TaskId) -> u64 {
        self.lives[life].lanes.get(&to).map_or(0, |lane| lane.len() as u64)
    }
}
