//! The spout's output during one call of `next`: every emit is a root, or the dead letter of one.

use super::tries::{Letter, Tries};
use crate::{
    dense::{DenseMap, Vacant},
    outlet::Outlet,
    positions::Positions,
    task::TaskCore,
    tracker,
};
use egret_sdk::{
    Anchor, Collector, Emission, EmitError, Encoded, Nanos, Origin, Root, SplitId, TaskId,
};
use egret_topology::dead_letters;
use egret_wire::data::RootId;

/// What the user's code is told of a root when its tree has ended, and where it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Emitted {
    pub(super) id: u64,
    pub(super) position: u64,
    /// Number of its split plus two; 1 if it has none, 0 if there is no root.
    split: u32,
}

impl Emitted {
    #[inline]
    pub(super) fn new(root: &Root) -> Emitted {
        let (split, position) = root
            .position
            .map_or((1, 0), |(SplitId(split), position)| (split.saturating_add(2), position));
        Emitted { id: root.id, position, split }
    }

    #[inline]
    pub(super) fn split(&self) -> Option<u32> {
        self.split.checked_sub(2)
    }
}

impl Vacant for Emitted {
    const VACANT: Emitted = Emitted { id: 0, position: 0, split: 0 };

    #[inline]
    fn is_vacant(&self) -> bool {
        self.split == 0
    }
}

/// The spout's output during one call.
pub(super) struct SpoutCollector<'a> {
    pub(super) core: &'a mut TaskCore,
    pub(super) positions: &'a mut Positions,
    pub(super) roots: &'a mut DenseMap<Emitted>,
    pub(super) tries: &'a mut Tries,
    pub(super) completed_here: &'a mut Vec<Emitted>,
    pub(super) unsent: &'a mut u64,
    pub(super) outlet: &'a mut dyn Outlet,
    pub(super) now: u64,
}

impl Collector for SpoutCollector<'_> {
    #[inline]
    fn emit(&mut self, emission: Emission<'_>) -> Result<&[TaskId], EmitError> {
        let Origin::Root(root) = emission.origin else {
            return Err(EmitError::Direct("a spout emits roots only".to_owned()));
        };
        let tracked = self.core.is_tracked();
        let id = self.core.next_root();
        let roots = if tracked { std::slice::from_ref(&id) } else { &[] };
        let letter = if root.replay { self.letter(&root, &emission) } else { None };
        let xor = match letter {
            None => self.core.send(self.now, &emission, roots, self.outlet)?,
            Some(letter) => self.send_letter(letter, &root, &emission, roots)?,
        };
        self.core.next_seq += 1;
        self.core.pending += 1;
        *self.unsent += 1;
        if let Some((SplitId(split), position)) = root.position {
            self.positions.emitted(split, position, root.replay);
        }
        let emitted = Emitted::new(&root);
        self.core.batch.replayed += u64::from(root.replay);
        if tracked {
            let since = root.since.unwrap_or(self.now);
            self.roots.insert(id.seq, emitted, |_| {});
            self.core.batch.track(id.seq, tracker::Root { xor, since });
            self.core.trace.emitted(id, since, root.replay);
        } else {
            self.core.batch.untracked += 1;
            self.completed_here.push(emitted);
        }
        self.core.hand_over_closed(self.outlet);
        Ok(self.core.emitter.chosen_tasks())
    }

    fn ack(&mut self, _: Anchor) {}

    fn fail(&mut self, _: Anchor, _: &str) {}

    fn reset_timeout(&mut self, _: Anchor) {}

    fn split(&mut self, name: &str) -> SplitId {
        self.positions.split(name)
    }

    fn now(&mut self) -> Nanos {
        self.now = self.outlet.now();
        self.now
    }

    fn room(&self) -> usize {
        self.core.max_pending().saturating_sub(self.core.pending) as usize
    }
}

impl SpoutCollector<'_> {
    /// What a root that is emitted again becomes, if it has failed too often.
    fn letter(&mut self, root: &Root, emission: &Emission<'_>) -> Option<Letter> {
        let tried = self.tries.dead(&Emitted::new(root))?;
        let stream = dead_letters::stream_of(emission.stream);
        // A plan that was made before `maxTries` was asked for has no such stream: tried on.
        let known = self.core.emitter.has_stream(&stream);
        known.then(|| tried.letter(stream, emission.encoded, &self.core.plan))
    }

    /// Sends a dead letter on the stream for them; what nobody receives is settled, and only
    /// logged. Returns the XOR of its edge ids.
    fn send_letter(
        &mut self,
        letter: Letter,
        root: &Root,
        emission: &Emission<'_>,
        roots: &[RootId],
    ) -> Result<u64, EmitError> {
        let Letter { stream, bytes, at, tries, cause } = letter;
        let xor = if bytes.is_empty() {
            self.core.emitter.choose_none();
            0
        } else {
            let encoded = Encoded { bytes: &bytes, at: &at };
            let emission = Emission { stream: &stream, direct: None, encoded, ..*emission };
            self.core.send(self.now, &emission, roots, self.outlet)?
        };
        if self.tries.told(&Emitted::new(root)) {
            self.core.batch.dead_letters += 1;
            let place = root.position.map_or(String::new(), |(SplitId(split), position)| {
                format!(" (at {position} of `{}`)", self.positions.name(split).unwrap_or_default())
            });
            let gone = match (xor, bytes.is_empty()) {
                (0, true) => "; it leaves no room for why, so it is not emitted".to_owned(),
                (0, false) => format!("; no bolt receives stream `{stream}`"),
                _ => String::new(),
            };
            let id = root.id;
            self.outlet.warn(&format!(
                "root {id}{place} has failed {tries} times and is a dead letter: {cause}{gone}"
            ));
        }
        Ok(xor)
    }
}
