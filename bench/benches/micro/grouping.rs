//! The emitter: chooses tasks and fills their frames.

use crate::{LIFE, WORDS, by_word, plan, words};
use divan::{Bencher, counter::ItemsCount};
use egret_core::emitter::Emitter;
use egret_sdk::{DEFAULT_STREAM, Emission, Encoded, Groupings, Origin, Root, TaskId};
use egret_topology::grouping::Grouping;
use egret_wire::data::RootId;

fn emit(bencher: Bencher<'_, '_>, tasks: u32, grouping: Grouping) {
    let words = words();
    let plan = plan(tasks, grouping);
    let mut emitter = Emitter::new(&plan, TaskId(0), LIFE, &Groupings::default())
        .expect("it needs no custom grouping");
    let (mut seq, mut frames) = (0, Vec::new());
    bencher.counter(ItemsCount::new(WORDS)).bench_local(|| {
        for word in &words {
            let emission = Emission {
                stream: DEFAULT_STREAM,
                direct: None,
                origin: Origin::Root(Root::id(seq)),
                encoded: Encoded { bytes: word, at: &[0] },
                depth: 0,
            };
            let root = RootId { task: TaskId(0), incarnation: LIFE, seq };
            emitter.choose(&emission, 1).expect("the tuple fits its stream");
            divan::black_box(emitter.append(0, &[root], word));
            seq += 1;
        }
        emitter.close_all();
        emitter.take_closed(&mut frames);
        for frame in frames.drain(..) {
            // As the gateway does when it has written it.
            if let Some(lane) = frame.lane {
                emitter.budget().subtract(lane, frame.bytes.len());
            }
        }
    });
}

#[divan::bench(args = [1, 4, 64])]
fn fields(bencher: Bencher<'_, '_>, tasks: u32) {
    emit(bencher, tasks, by_word());
}

#[divan::bench(args = [1, 4, 64])]
fn shuffle(bencher: Bencher<'_, '_>, tasks: u32) {
    emit(bencher, tasks, Grouping::Shuffle);
}
