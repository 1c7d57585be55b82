//! What a stream manager tells whoever looks into it, and what a page asks.

use crate::{inside::tap::Tap, plans, recipe::Recipe};
use egret_topology::id::PodId;
use egret_ui::{
    api::Query,
    model::Model,
    seen::{Seen, SeenPod},
};
use egret_wire::inspect::{EdgeKey, Look};
use std::sync::Arc;

/// Looks as JSON, one a line, as `egret ui` and `egret top` see them; the first line may also be a
/// question of the page. All of it as frames that go by a tap, too.
pub(crate) fn look(input: &[u8]) {
    tap(input);
    let mut model = Model::default();
    for (at, line) in input.split(|byte| *byte == b'\n').take(8).enumerate() {
        if let Ok(text) = std::str::from_utf8(line)
            && let Some((path, query)) = text.split_once('?')
            && let Some(Ok(query)) = Query::parse(path, query)
        {
            assert!(!query.target().is_empty());
        }
        let look: Option<Look> = serde_json::from_slice(line).ok();
        model.see(Seen {
            at_ms: at as u64 * 1000,
            plan: Some(Arc::new(plans::plan(1, 0).plan().clone())),
            pods: vec![SeenPod { id: PodId(0), look, ..SeenPod::default() }],
            ..Seen::default()
        });
        let snapshot = model.snapshot().expect("something was seen");
        serde_json::to_vec(&snapshot).expect("a snapshot is written");
    }
}

fn tap(input: &[u8]) {
    let (tap, plan, mut recipe) = (Tap::default(), plans::plan(1, 0), Recipe::near(input));
    let edge = EdgeKey { from: 0, stream: 0, to: 1 };
    let mut now = 0;
    while !recipe.is_over() {
        now += 1_000_000_000;
        let dest = recipe.task();
        tap.see(now, now / 1_000_000, Some(&plan), &recipe.frame_for(dest));
        let _ = (tap.samples(now, edge), tap.counts(now).len());
        tap.tick(now);
    }
}
