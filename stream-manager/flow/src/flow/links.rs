//! Links come and go.

use super::{Deadline, Flow, LinkUp};
use crate::{
    effect::Effect,
    refusal::Refused,
    stream::{Link, LinkId, OutId},
};
use egret_topology::id::{Incarnation, PodId, TaskId};
use egret_wire::control::LossScope;

impl Flow {
    /// An instance has said hello. What was on its way to or from an earlier connection is lost.
    pub fn instance_up(
        &mut self,
        now: u64,
        task: TaskId,
        incarnation: Incarnation,
    ) -> Result<LinkUp, Refused> {
        let Some(plan) = &self.plan else { return Err(Refused::NoPlan) };
        if plan.pod_of(task) != Some(self.pod) {
            return Err(Refused::NotHere { task, pod: self.pod });
        }
        let (index, known) = self.greet(Link::Instance(task), incarnation)?;
        let replaced = self.take_down(now, index);
        if let Some(at) = self.links[index as usize].away.take() {
            self.deadlines.remove(&(at, Deadline::Away(index)));
        }
        let link = self.bring_up(index, incarnation);
        let planned = std::mem::take(&mut self.links[index as usize].left_drained);
        if !planned && (known.is_some() || self.reborn) {
            self.announce(LossScope::Task { task });
        }
        self.ask_to_drain(index);
        Ok(LinkUp { link, replaced })
    }

    /// An earlier life of this stream manager has seen this life of a task of its pod: what is
    /// older stays refused. To be told once the plan of that life is set.
    pub fn remember(&mut self, task: TaskId, life: Incarnation) {
        if let Some(at) = self.link_index.get(&Link::Instance(task)) {
            let known = &mut self.links[*at as usize].incarnation;
            *known = (*known).max(Some(life));
        }
    }

    /// A peer has said hello with its life and the number of losses that it has announced.
    pub fn peer_up(
        &mut self,
        now: u64,
        pod: PodId,
        incarnation: Incarnation,
        losses: u64,
    ) -> Result<LinkUp, Refused> {
        if self.plan.is_none() {
            return Err(Refused::NoPlan);
        }
        if !self.link_index.contains_key(&Link::Peer(pod)) {
            return Err(Refused::NoPeer(pod));
        }
        let (index, known) = self.greet(Link::Peer(pod), incarnation)?;
        let replaced = self.take_down(now, index);
        if replaced && known == Some(incarnation) {
            self.announce(LossScope::Link { a: self.pod, b: pod });
        }
        let link = self.bring_up(index, incarnation);
        let seen = std::mem::replace(&mut self.links[index as usize].losses, losses);
        match known {
            Some(earlier) if earlier != incarnation => self.announce(LossScope::Pod { pod }),
            // Every other peer hears of those losses from the peer itself.
            Some(_) if losses > seen => self.tell(LossScope::Pod { pod }),
            None if losses > 0 => self.tell(LossScope::Pod { pod }),
            _ => {}
        }
        Ok(LinkUp { link, replaced })
    }

    /// The link is dead: nothing more is read from it or written to it.
    pub fn link_down(&mut self, now: u64, id: LinkId) {
        if self.link(id).is_none() {
            return;
        }
        self.take_down(now, id.index);
        let state = &mut self.links[id.index as usize];
        match state.link {
            Link::Instance(_) if state.left_drained => {}
            Link::Instance(_) => {
                let at = now + self.limits.away_ns;
                state.away = Some(at);
                self.deadlines.insert((at, Deadline::Away(id.index)));
            }
            Link::Peer(b) => self.announce(LossScope::Link { a: self.pod, b }),
        }
    }

    /// A peer has announced a loss.
    pub fn peer_loss(&mut self, id: LinkId, number: u64, scope: LossScope) {
        let Some(Link::Peer(pod)) = self.link(id) else { return };
        let seen = &mut self.links[id.index as usize].losses;
        if number <= *seen {
            return;
        }
        let gap = number > *seen + 1;
        *seen = number;
        if gap {
            self.tell(LossScope::Pod { pod });
        }
        self.tell(scope);
    }

    pub(super) fn instance_stays_away(&mut self, index: u32) {
        let state = &mut self.links[index as usize];
        state.away = None;
        if let Link::Instance(task) = state.link {
            self.announce(LossScope::Task { task });
        }
    }

    /// The link's index and the life that was known of it, unless that is newer.
    fn greet(&self, link: Link, got: Incarnation) -> Result<(u32, Option<Incarnation>), Refused> {
        let Some(index) = self.link_index.get(&link).copied() else {
            return Err(match link {
                Link::Instance(task) => Refused::NotHere { task, pod: self.pod },
                Link::Peer(pod) => Refused::NoPeer(pod),
            });
        };
        match self.links[index as usize].incarnation {
            Some(newest) if newest > got => Err(Refused::Outlived { got, newest }),
            known => Ok((index, known)),
        }
    }

    fn bring_up(&mut self, index: u32, incarnation: Incarnation) -> LinkId {
        let state = &mut self.links[index as usize];
        state.up = true;
        state.life += 1;
        state.incarnation = Some(incarnation);
        state.counts.ups += 1;
        state.before = state.counts.passed();
        state.drained = None;
        let life = state.life;
        for (at, out) in self.outs.iter_mut().enumerate().filter(|(_, o)| o.link_index == index) {
            if out.queued > 0 {
                out.awake = true;
                self.effects.push_back(Effect::Wake(OutId { index: at as u32, life }));
            }
        }
        LinkId { index, life }
    }

    /// Returns whether the link was up.
    fn take_down(&mut self, now: u64, index: u32) -> bool {
        let left_drained = self.has_drained(index);
        let state = &mut self.links[index as usize];
        if !std::mem::take(&mut state.up) {
            return false;
        }
        state.left_drained = left_drained;
        for stream in self.ins.iter_mut().filter(|s| s.link_index == index) {
            stream.open = false;
            stream.only = None;
        }
        for out in self.outs.iter_mut().filter(|o| o.link_index == index) {
            out.awake = false;
            out.blocked = false;
            out.in_hand = 0;
            if out.queued > 0 {
                out.still_since.get_or_insert(now);
            }
        }
        for out in 0..self.outs.len() as u32 {
            let stream = &self.outs[out as usize];
            if stream.link_index == index && stream.queued == 0 {
                self.note_moved(now, out);
            }
        }
        true
    }
}
