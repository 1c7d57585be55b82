//! Spans as OTLP has them, in JSON: ids in hexadecimal, times as text.

use super::Batch;
use bytes::Bytes;
use egret_topology::{
    id::{PodId, TaskId},
    plan::{PlanIndex, PlannedComponent},
};
use egret_wire::trace::{Span, Step, Traces};
use serde_json::{Value, json};

/// Kinds of spans, by their numbers.
const INTERNAL: u32 = 1;
const PRODUCER: u32 = 4;
const CONSUMER: u32 = 5;

/// Number of the status of what went wrong.
const ERROR: u32 = 2;

/// A request with these spans. `resource` says what else is known of this pod.
pub(super) fn encode(batches: &[Batch], pod: PodId, resource: &[(String, String)]) -> Bytes {
    let of = |batch: &Batch| {
        let traces = Traces::of(batch.plan.plan());
        let spans: Vec<Value> =
            batch.spans.iter().map(|one| span(&batch.plan, batch.task, traces, one)).collect();
        json!({
            "resource": {"attributes": resource_of(&batch.plan, batch.task, pod, resource)},
            "scopeSpans": [{
                "scope": {"name": "egret", "version": env!("CARGO_PKG_VERSION")},
                "spans": spans,
            }],
        })
    };
    let request = json!({"resourceSpans": batches.iter().map(of).collect::<Vec<_>>()});
    request.to_string().into()
}

/// How many spans an answer says were taken but not wanted.
pub(super) fn rejected(answer: &[u8]) -> u64 {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let rejected = &answer["partialSuccess"]["rejectedSpans"];
    let text = rejected.as_str().and_then(|text| text.parse().ok());
    text.or_else(|| rejected.as_u64()).unwrap_or_default()
}

/// What the environment says goes before what is known here.
fn resource_of(
    plan: &PlanIndex,
    task: TaskId,
    pod: PodId,
    resource: &[(String, String)],
) -> Vec<Value> {
    let component = name(plan.component_of(task));
    let index = plan.task(task).map_or(0, |task| task.index);
    let own = [
        ("service.name", text(&plan.plan().topology)),
        ("service.instance.id", text(&format!("{component}[{index}]"))),
        ("egret.component", text(component)),
        ("egret.task", number(task.0.into())),
        ("egret.pod", number(pod.0.into())),
    ];
    let said = |key: &str| resource.iter().any(|(known, _)| known == key);
    let own = own.into_iter().filter(|(key, _)| !said(key));
    let own = own.map(|(key, value)| attribute(key, value));
    own.chain(resource.iter().map(|(key, value)| attribute(key, text(value)))).collect()
}

fn span(plan: &PlanIndex, task: TaskId, traces: Traces, of: &Span) -> Value {
    let component = plan.component_of(task);
    let peer = of.peer.map(|peer| (peer, plan.component_of(peer)));
    let peer_name = name(peer.and_then(|(_, component)| component));
    let (name, kind) = match of.step {
        Step::Root => (format!("root {}", name(component)), INTERNAL),
        Step::Send => (format!("send {} to {peer_name}", name(component)), PRODUCER),
        Step::Queue => (format!("queue {}", name(component)), INTERNAL),
        Step::Execute => (format!("execute {}", name(component)), CONSUMER),
        Step::Unacked => (format!("unacked {}", name(component)), INTERNAL),
    };
    let mut attributes = Vec::new();
    if let Some((peer, component)) = peer {
        // A stream is its source's.
        let source = if of.step == Step::Send { plan.component_of(task) } else { component };
        let stream = source.and_then(|source| source.streams.get(usize::from(of.stream)));
        attributes.extend(stream.map(|stream| attribute("egret.stream", text(&stream.name))));
        attributes.push(attribute("egret.peer.component", text(peer_name)));
        attributes.push(attribute("egret.peer.task", number(peer.0.into())));
        attributes.push(attribute("egret.bytes", number(of.bytes.into())));
    } else {
        attributes.push(attribute("egret.root", text(&of.root.seq.to_string())));
        attributes.push(attribute("egret.replay", json!({"boolValue": of.replay})));
    }
    let mut span = json!({
        "traceId": format!("{:032x}", traces.trace_id(of.root)),
        "spanId": format!("{:016x}", of.id),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": of.start.to_string(),
        "endTimeUnixNano": of.end.to_string(),
        "attributes": attributes,
    });
    if of.parent != 0 {
        span["parentSpanId"] = format!("{:016x}", of.parent).into();
    }
    if let Some(error) = &of.error {
        span["status"] = json!({"code": ERROR, "message": error});
    }
    span
}

fn name(component: Option<&PlannedComponent>) -> &str {
    component.map_or("unknown", |component| &component.name)
}

fn attribute(key: &str, value: Value) -> Value {
    json!({"key": key, "value": value})
}

fn text(value: &str) -> Value {
    json!({"stringValue": value})
}

fn number(value: u64) -> Value {
    json!({"intValue": value.to_string()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_are_not_wanted_are_counted_however_they_are_written() {
        assert_eq!(rejected(br#"{"partialSuccess":{"rejectedSpans":"7"}}"#), 7);
        assert_eq!(rejected(br#"{"partialSuccess":{"rejectedSpans":7}}"#), 7);
        for nothing in ["{}", "", "not json", r#"{"partialSuccess":null}"#] {
            assert_eq!(rejected(nothing.as_bytes()), 0, "{nothing}");
        }
    }
}
