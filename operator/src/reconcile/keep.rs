//! Where input stands is read once and written before what may cost a pod.

use super::{Error, Turn};
use crate::{
    apply, fetch,
    positions::{Standing, is_due},
    reason::Reason,
};

impl Turn<'_> {
    /// Reads where the input stands, unless it is known.
    pub(super) async fn positions(&mut self, run: u32) -> Result<(), Error> {
        if self.run.positions.is_some() {
            return Ok(());
        }
        let read = fetch::positions(&self.context.client, &self.owner).await?;
        let value = match read.value {
            Ok(kept) => kept,
            Err(error) => {
                let note = format!("where input stands cannot be read, and is read again: {error}");
                self.context.events.warning(self.topology, Reason::PositionsLost, &note).await;
                None
            }
        };
        let value = value.unwrap_or_else(|| Standing::new(self.owner.uid, run));
        self.run.positions = Some(fetch::Versioned { value, version: read.version });
        Ok(())
    }

    /// Writes what has moved, if it is time: in any case before something is decided.
    pub(super) async fn keep_positions(&mut self, run: u32, decided: bool) -> Result<(), Error> {
        // Whoever is deleted does not come back.
        let Some(kept) = self.run.positions.as_ref().filter(|_| !self.deleting) else {
            return Ok(());
        };
        let channel = self.run.channel.as_ref();
        let told = channel.map(|channel| channel.positions().read());
        let (written, version) = self.run.positions_written;
        let moved = told.as_ref().is_some_and(|(now, _)| *now != version);
        if kept.value.run == run && !(moved && is_due(self.now, written, decided)) {
            return Ok(());
        }
        let (version, told) = told.map_or((0, None), |(version, told)| (version, Some(told)));
        // What the channel knows is of the run that has just ended.
        let told = told.filter(|_| kept.value.run == run);
        let (value, refused) = kept.value.with(run, told);
        if refused > 0 {
            let note = format!(
                "{refused} splits are too many to be kept: if their pods are lost \
                                they are read from their beginning"
            );
            self.context.events.warning(self.topology, Reason::PositionsLost, &note).await;
        }
        if value != kept.value || kept.version.is_none() {
            let of = kept.version.as_deref();
            let written = apply::positions(&self.context.client, &self.owner, &value, of).await;
            match written {
                Ok(version) => {
                    self.run.positions = Some(fetch::Versioned { value, version });
                }
                Err(error) => {
                    // Whether it was written is not known.
                    self.run.positions = None;
                    return Err(error.into());
                }
            }
        }
        self.run.positions_written = (self.now, version);
        Ok(())
    }
}
