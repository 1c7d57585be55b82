//! One look at what a topology is doing.

use egret_ui::{
    api::{Api, Query},
    snapshot::Snapshot,
};

/// What it is doing now. An error is words for people.
pub(crate) async fn look(api: &impl Api) -> Result<Snapshot, String> {
    let answer = api.answer(Query::Snapshot).await.map_err(|refusal| refusal.words().to_owned())?;
    serde_json::from_slice(&answer).map_err(|error| format!("the answer is of no use: {error}"))
}
