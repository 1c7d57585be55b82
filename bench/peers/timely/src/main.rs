//! Word count on timely dataflow: one thread emits, one counts; no processes, no network, no acks.
//! What a word count costs when next to nothing else does.
//!
//! Prints a SAMPLE line at each window's edge and a RESULT line when everything is counted.

use hashbrown::HashMap;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use timely::{
    dataflow::{
        InputHandle, ProbeHandle,
        channels::pact::Exchange,
        operators::{Operator, Probe},
    },
    worker::Worker,
};

const WORDS: u64 = 450_000;
const LENGTH: usize = 20;
/// Words between two looks at what has been counted.
const BATCH: u64 = 1_000;
/// Batches in flight: 10,000 words, as everywhere.
const PENDING: u64 = 10;

/// Of fixed length: nothing is allocated per word.
type Word = [u8; LENGTH];

#[derive(Default)]
struct Watch {
    emitted: AtomicU64,
    counted: AtomicU64,
    stop: AtomicBool,
    /// The sum of all counts, in the end.
    sum: Mutex<u64>,
}

fn main() {
    let args = std::env::args().skip(1).map(|arg| arg.parse().expect("all arguments are numbers"));
    let args: Vec<f64> = args.collect();
    let [warm_up, window, windows] = args[..] else {
        panic!("usage: timely-word-count WARM_UP WINDOW WINDOWS");
    };
    let watch = Arc::new(Watch::default());
    let of_workers = watch.clone();
    let workers = timely::execute(timely::Config::process(2), move |worker| {
        work(worker, &of_workers);
    });
    let workers = workers.expect("two threads can be started");
    let started = Instant::now();
    for n in 0..=windows as u32 {
        let due = Duration::from_secs_f64(warm_up + window * f64::from(n));
        while let Some(left) = due.checked_sub(started.elapsed()) {
            std::thread::park_timeout(left);
        }
        let (seconds, done) = (started.elapsed().as_secs_f64(), watch.counted.load(Relaxed));
        println!("SAMPLE {{\"seconds\":{seconds:.6},\"done\":{done}}}");
    }
    watch.stop.store(true, Relaxed);
    // Waits for both.
    drop(workers);
    let emitted = watch.emitted.load(Relaxed);
    let counted = *watch.sum.lock().expect("no worker panicked");
    println!("RESULT {{\"emitted\":{emitted},\"acked\":null,\"counted\":{counted}}}");
}

/// Worker 0 emits, worker 1 counts.
fn work(worker: &mut Worker, watch: &Arc<Watch>) {
    let mut input = InputHandle::new();
    let probe = ProbeHandle::new();
    let of_counter = watch.clone();
    worker.dataflow::<u64, _, _>(|scope| {
        let mut counts: HashMap<Word, u64> = HashMap::new();
        let to_worker_1 = Exchange::new(|_: &Word| 1);
        input.to_stream(scope).probe_with(&probe).sink(to_worker_1, "count", {
            move |(words, frontier)| {
                words.for_each_stamp(|_, batches| {
                    for batch in batches {
                        let counted = batch.len() as u64;
                        for word in batch.drain(..) {
                            *counts.entry(word).or_default() += 1;
                        }
                        of_counter.counted.fetch_add(counted, Relaxed);
                    }
                });
                if frontier.is_empty() && !counts.is_empty() {
                    let all: u64 = counts.drain().map(|(_, count)| count).sum();
                    *of_counter.sum.lock().expect("no worker panicked") += all;
                }
            }
        });
    });
    if worker.index() == 0 {
        emit(worker, input, watch);
    } else {
        drop(input);
    }
    while worker.step_or_park(None) {}
}

fn emit(
    worker: &mut Worker,
    mut input: InputHandle<u64, timely::container::CapacityContainerBuilder<Vec<Word>>>,
    watch: &Watch,
) {
    let words: Vec<Word> = (0..WORDS).map(word).collect();
    let mut emitted = 0;
    while !watch.stop.load(Relaxed) {
        for _ in 0..BATCH {
            input.send(words[(random(emitted) % WORDS) as usize]);
            emitted += 1;
        }
        input.advance_to(emitted / BATCH);
        watch.emitted.store(emitted, Relaxed);
        while emitted - watch.counted.load(Relaxed) > PENDING * BATCH {
            worker.step();
        }
    }
}

fn word(n: u64) -> Word {
    std::array::from_fn(|i| b'a' + (random(n * LENGTH as u64 + i as u64) % 26) as u8)
}

/// The `n`th random number (SplitMix64).
fn random(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
