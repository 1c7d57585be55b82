//! What the operator reads: resources, its own records, and the answers of stream managers.

use crate::{
    inside::pending::{Pending, Request},
    plans,
    positions::Shared,
    recipe::Recipe,
};
use egret_crd::Topology;
use egret_operator::{
    build::{self, Blueprint, Owner},
    digest,
    flow::{Answers, Flow, Watch, holder},
    pack,
    record::{Images, Record},
    status::{Report, status},
    validate::{Allowed, Rejected, builtin, validate},
};
use egret_topology::{declaration::Catalog, id::PodId, plan::PlanIndex};
use egret_wire::control::{PodStatus, ToOperator};
use std::{
    collections::VecDeque,
    sync::{Arc, LazyLock},
};
use tokio::sync::oneshot;

static BUILT_IN: LazyLock<Catalog> = LazyLock::new(|| builtin().expect("it is part of a release"));

/// A resource as the API server hands it out; behind a zero byte the record of its namesake.
pub(crate) fn resource(input: &[u8]) {
    let mut parts = input.split(|byte| *byte == 0);
    let Ok(topology) = serde_json::from_slice::<Topology>(parts.next().unwrap_or_default()) else {
        return;
    };
    let text = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let logical = match validate(&topology, &BUILT_IN, &Allowed::default()) {
        Ok(logical) => logical,
        Err(Rejected::Invalid(words) | Rejected::Forbidden(words)) => {
            return assert!(!words.is_empty(), "refused without a reason");
        }
    };
    let record = Record::read(&text, "u").ok().flatten();
    if pack::check(record.as_ref(), &logical).is_err() {
        return;
    }
    let mut record = record.unwrap_or_else(|| Record::new("u", 0));
    let images = Images { stream_manager: "m:1".into(), instance: "i:1".into() };
    pack::take_over(&mut record, &logical, &images, true).expect("it can be packed");
    let owner = Owner { name: &logical.name, namespace: "ns", uid: "u" };
    let of = Blueprint { owner, logical: &logical, record: &record, others: &Default::default() };
    for packed in &record.packing.pods {
        let built = build::pod(&of, packed);
        assert!(built.is_none_or(|pod| pod["kind"] == "Pod"));
        let _ = digest::pod(&logical, packed);
    }
    let mut again = record.clone();
    pack::take_over(&mut again, &logical, &images, false).expect("it can be packed");
    assert_eq!(again.write(), record.write(), "the same topology changes what was decided");
}

/// Answers of stream managers as JSON: a list of what their pods are doing.
pub(crate) fn answers(input: &[u8]) {
    let Ok(pods) = serde_json::from_slice::<Vec<PodStatus>>(input) else { return };
    let (plan, mut watch) = (plans::plan(1, 0), Watch::default());
    let answers = Answers { pods, ..Answers::default() };
    for now in [0, 70_000] {
        let flow = Flow::of(&plan, &answers);
        watch.look(now, &flow);
        let _ = (flow.is_linked(), flow.has_ended(), watch.is_stuck(now, &flow));
        told(&plan, &flow, &answers);
    }
}

fn told(plan: &PlanIndex, flow: &Flow, answers: &Answers) {
    let report = Report {
        owner: Owner { name: "t", namespace: "ns", uid: "u" },
        generation: Some(1),
        now: "2026-01-01T00:00:00Z".to_owned(),
        before: None,
        refused: None,
        blind: false,
        paused: false,
        changes_pause: false,
        record: None,
        ends_again: None,
        pods: &[],
        flow: Some(flow),
        plan_refused: answers.refused.as_deref(),
        stuck: holder(plan, answers),
        autoscale: Vec::new(),
    };
    let told = status(&report);
    assert!(told.conditions.iter().all(|condition| condition.message.len() < 64 << 10));
}

/// A recipe for what happens between the operator and one stream manager.
pub(crate) fn pending(input: &[u8]) {
    let mut recipe = Recipe::near(input);
    let mut pending = Pending::new(PodId(9), Shared::default());
    let (mut pushes, mut statuses) = (VecDeque::new(), VecDeque::new());
    while !recipe.is_over() {
        match recipe.byte() % 8 {
            0 => {
                let plan = plans::plan((recipe.byte() % 8).into(), recipe.byte()).plan().clone();
                let (answer, answered) = oneshot::channel();
                pushes.push_back(answered);
                pending.add(Request::Push { plan: Arc::new(plan), answer });
            }
            1 | 2 => {
                let (answer, answered) = oneshot::channel();
                statuses.push_back(answered);
                pending.add(Request::Status { answer });
            }
            3 => pending.add(Request::Crashed { task: recipe.task(), error: "e".to_owned() }),
            4 => pending.handle_connected((recipe.byte() % 8).into()),
            5 => {
                let refused = (recipe.byte() & 1 == 0).then(|| "no".to_owned());
                let revision = (recipe.byte() % 8).into();
                pending.handle_answer(ToOperator::Plan { revision, refused });
            }
            6 => pending.handle_answer(ToOperator::Status(Box::default())),
            _ => {
                // Whoever asked first gives up.
                pushes.pop_front();
                statuses.pop_front();
                let (incarnation, revision) = (recipe.life(), recipe.number());
                pending.handle_answer(ToOperator::Hello { pod: PodId(9), incarnation, revision });
            }
        }
        let mut said = 0;
        while pending.poll_send().is_some() {
            said += 1;
            assert!(said < 200, "there is no end to what it says");
        }
    }
}
