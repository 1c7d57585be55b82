//! The unidirectional streams of the link: one writer and one reader for each, as local tasks.

use crate::gateway_loop::Shared;
use bytes::Bytes;
use egret_link::{
    quinn::{self, RecvStream, SendStream},
    transport::{PRIORITY_ACK, PRIORITY_DATA},
};
use egret_topology::{id::TaskId, plan::PlanIndex};
use egret_wire::{
    Malformed,
    cut::Cutter,
    preamble::{Class, PREAMBLE, StreamKey},
};
use std::rc::Rc;
use tokio::sync::Notify;

/// Bytes of one write. Small writes cost many times as much per byte on every transport.
const WRITE_BYTES: usize = 64 << 10;

/// Chunks of one read.
const READ_CHUNKS: usize = 32;

/// Streams that the stream manager opens to a task under a plan: one for each source of data, and
/// one for acks. With less credit the data of some sources would never arrive.
pub(crate) fn incoming(plan: &PlanIndex, task: TaskId) -> u32 {
    let sources = plan.task(task).map_or(0, |task| plan.sources_of(task.component).len());
    sources as u32 + 1
}

/// Why a stream ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    #[error(transparent)]
    Connection(#[from] quinn::ConnectionError),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Read(#[from] quinn::ReadError),
    #[error(transparent)]
    ReadExact(#[from] quinn::ReadExactError),
    #[error(transparent)]
    Write(#[from] quinn::WriteError),
}

/// Writes what the gateway has for a stream, whenever it has something.
pub(crate) async fn write(
    shared: Rc<Shared>,
    connection: quinn::Connection,
    key: StreamKey,
    wake: Rc<Notify>,
) -> Result<(), StreamError> {
    let mut stream: SendStream = connection.open_uni().await?;
    let priority = if key.class == Class::Ack { PRIORITY_ACK } else { PRIORITY_DATA };
    let _ = stream.set_priority(priority);
    stream.write_all(&key.encode()).await?;
    let mut chunks: Vec<Bytes> = Vec::new();
    loop {
        chunks.clear();
        if shared.poll_transmit(key, WRITE_BYTES, &mut chunks) == 0 {
            wake.notified().await;
            continue;
        }
        stream.write_all_chunks(&mut chunks).await?;
    }
}

/// Reads frames from a stream while the task takes them.
pub(crate) async fn read(shared: Rc<Shared>, mut stream: RecvStream) -> Result<(), StreamError> {
    let mut preamble = [0; PREAMBLE];
    stream.read_exact(&mut preamble).await?;
    let key = StreamKey::decode(&preamble)?;
    let mut cutter = Cutter::speaking(shared.versions);
    let mut chunks = vec![Bytes::new(); READ_CHUNKS];
    loop {
        if key.class == Class::Data {
            shared.may_read().await;
        }
        let Some(count) = stream.read_chunks(&mut chunks).await? else { return Ok(()) };
        for chunk in &mut chunks[..count] {
            cutter.push(std::mem::take(chunk));
        }
        shared.handle_frames(&mut cutter)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egret_topology::{
        grouping::Grouping,
        id::{Epoch, PodId},
        plan::{
            ComponentKind, Delivery, PhysicalPlan, PlannedComponent, PlannedInput, PlannedPod,
            PlannedTask, RunState,
        },
        stream::Stream,
    };

    /// Two spouts of 60 tasks each before one bolt; one of them sends to it twice.
    fn plan() -> PlanIndex {
        let input = |from, stream| PlannedInput { from, stream, grouping: Grouping::Global };
        let component = |name: &str, kind, inputs| PlannedComponent {
            name: name.to_owned(),
            kind,
            component: name.to_owned(),
            config: serde_json::Value::Null,
            tick_ms: None,
            streams: vec![Stream::default_of(["a"]), Stream::default_of(["b"])],
            inputs,
        };
        let tasks = (0..121).map(|n| PlannedTask {
            id: TaskId(n),
            component: n as usize / 60,
            index: n % 60,
            pod: PodId(0),
        });
        let plan = PhysicalPlan {
            topology: "test".to_owned(),
            uid: "test".to_owned(),
            revision: 1,
            epoch: Epoch(1),
            state: RunState::Running,
            delivery: Delivery::AtLeastOnce,
            max_pending: 1,
            message_timeout_ms: 1,
            edge_key: 1,
            log_levels: Default::default(),
            tracing: None,
            rolling: Default::default(),
            restarted_at: None,
            max_rates: Default::default(),
            max_tries: Default::default(),
            components: vec![
                component("one", ComponentKind::Spout, vec![]),
                component("two", ComponentKind::Spout, vec![]),
                component("bolt", ComponentKind::Bolt, vec![input(0, 0), input(1, 0), input(1, 1)]),
            ],
            pods: vec![PlannedPod { id: PodId(0), address: ([127, 0, 0, 1], 1).into() }],
            tasks: tasks.collect(),
        };
        PlanIndex::new(plan).unwrap()
    }

    #[test]
    fn every_source_of_a_task_has_a_stream_and_so_have_acks() {
        assert_eq!(incoming(&plan(), TaskId(120)), 121);
        assert_eq!(incoming(&plan(), TaskId(0)), 1);
    }
}
