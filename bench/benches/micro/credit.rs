//! The flow of a stream manager: a frame is routed, put on the account of the stream that it came
//! on, and taken off when it leaves.

use crate::{LIFE, by_word, plan};
use bytes::Bytes;
use divan::{Bencher, counter::ItemsCount};
use egret_flow::{Effect, Flow, InId, Limits, OutId};
use egret_topology::id::{Epoch, PodId, TaskId};
use egret_wire::{
    cut::Frame,
    header::{HEADER, Header, Kind},
    preamble::{Class, StreamKey},
};

/// Frames under way at once.
const FRAMES: usize = 8;

fn frame(size: usize) -> Frame {
    let mut header = Header::new(Kind::Data, Epoch(1), TaskId(0), LIFE, TaskId(1));
    header.count = 1;
    header.len = (size - HEADER) as u32;
    let mut bytes = header.encode().to_vec();
    bytes.resize(size, 7);
    Frame::whole(Bytes::from(bytes)).expect("its header says how long it is")
}

/// Pod 0 with its spout and its peer, and the stream that the spout has opened.
fn flow() -> (Flow, InId) {
    let mut flow = Flow::new(PodId(0), LIFE, false, Limits::default());
    flow.set_plan(0, plan(1, by_word())).expect("it is the first plan");
    let link = flow.instance_up(0, TaskId(0), LIFE).expect("the plan has the task").link;
    flow.peer_up(0, PodId(1), LIFE, 0).expect("the plan has the pod");
    let key = StreamKey { class: Class::Data, source: Some(TaskId(0)), dest: TaskId(1) };
    let id = flow.open_in(link, key).expect("the plan has the edge");
    (flow, id)
}

#[divan::bench(args = [512, 32 << 10])]
fn forward(bencher: Bencher<'_, '_>, size: usize) {
    let (mut flow, id) = flow();
    let frame = frame(size);
    let (mut out, mut left): (Option<OutId>, Vec<Frame>) = (None, Vec::new());
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        for _ in 0..FRAMES {
            assert!(flow.handle_frame(0, id, frame.clone()).is_ok());
        }
        while let Some(effect) = flow.poll_effect() {
            if let Effect::Wake(id) = effect {
                out = Some(id);
            }
        }
        let out = out.expect("the first frame wakes its stream");
        while flow.poll_transmit(0, out, size, &mut left) > 0 {}
        flow.blocked(0, out, false);
        assert_eq!(left.len(), FRAMES);
        left.clear();
    });
}
