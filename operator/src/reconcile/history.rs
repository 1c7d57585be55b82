//! Each version of a topology is kept, for those who want to go back to it.

use super::{Error, Turn};
use crate::{apply, build, digest, fetch, history};
use egret_topology::version;

impl Turn<'_> {
    /// Keeps what is asked for, if that is another version. What is kept is a convenience: that the
    /// API server refuses it stops nothing.
    pub(super) async fn keep_history(&mut self) -> Result<(), Error> {
        let spec = serde_json::to_value(&self.topology.spec)?;
        let version = version::of(&spec);
        let asked = digest::of(&version);
        if self.deleting || self.run.version == asked {
            return Ok(());
        }
        let client = &self.context.client;
        let kept = match fetch::history(client, &self.owner).await {
            Ok(kept) => kept,
            // Rights of an older chart: asking again does not help.
            Err(error) if error.is_forbidden() => {
                tracing::warn!(topology = self.owner.name, %error, "no history is kept");
                self.run.version = asked;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let keep = history::keep(&version, kept);
        if let Some(number) = keep.number {
            let object = build::revision(&self.owner, number, &version);
            match apply::create_revision(client, self.owner.namespace, object).await {
                Ok(true) => {}
                // That of a namesake which is not gone yet, or of another operator: look again.
                Ok(false) => return Ok(()),
                Err(apply::Error::Refused { why, .. }) => {
                    tracing::warn!(topology = self.owner.name, why, "no history is kept");
                    self.run.version = asked;
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        for name in &keep.forget {
            apply::forget_revision(client, self.owner.namespace, name).await?;
        }
        self.run.version = asked;
        Ok(())
    }
}
