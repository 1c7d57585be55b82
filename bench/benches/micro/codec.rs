//! Data frames and ack frames, written and read.

use crate::{EDGE_KEY, LIFE, WORDS, words};
use bytes::Bytes;
use divan::{Bencher, counter::ItemsCount};
use egret_topology::id::{Epoch, TaskId};
use egret_wire::{
    ack::{AckReader, AckWriter, Lane, Verdict},
    cut::Frame,
    data::{DataReader, DataWriter, RootId, Roots},
    edge_id::EdgeIds,
    header::{Header, Kind},
};

fn header(kind: Kind) -> Header {
    Header::new(kind, Epoch(1), TaskId(0), LIFE, TaskId(1))
}

fn data_frame(words: &[Vec<u8>]) -> Bytes {
    let mut writer = DataWriter::with_capacity(64 << 10);
    for (seq, word) in words.iter().enumerate() {
        writer.push(&[RootId { task: TaskId(0), incarnation: LIFE, seq: seq as u64 }], word);
    }
    writer.finish(header(Kind::Data), 1)
}

fn ack_frame() -> Bytes {
    let mut writer = AckWriter::new(LIFE);
    for seq in 0..WORDS as u64 {
        writer.push(seq, Verdict::Ack(seq.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    }
    writer.finish(header(Kind::Ack))
}

#[divan::bench]
fn write_data(bencher: Bencher<'_, '_>) {
    let words = words();
    bencher.counter(ItemsCount::new(WORDS)).bench(|| data_frame(&words));
}

#[divan::bench]
fn read_data(bencher: Bencher<'_, '_>) {
    let frame = Frame::whole(data_frame(&words())).expect("it was just written");
    let payload = frame.payload();
    bencher.counter(ItemsCount::new(WORDS)).bench(|| {
        let mut reader = DataReader::new(&frame.header, &payload).expect("it was just written");
        let (mut roots, mut at, mut bytes) = (Roots::new(), Vec::new(), 0);
        while let Ok(Some(values)) = reader.next(&mut roots, &mut at) {
            bytes += values.len();
        }
        bytes
    });
}

/// The same of leaves that follow each other, as a bolt that emits nothing acks them.
fn run_frame() -> Bytes {
    let ids = EdgeIds::new(EDGE_KEY, TaskId(0), LIFE, TaskId(1));
    let lane = Lane { source: TaskId(0), incarnation: LIFE, ids };
    let mut writer = AckWriter::new(LIFE);
    writer.begin_run(&lane, 0, 0);
    for seq in 1..WORDS as u64 {
        assert!(writer.extend_run(&lane, seq, seq), "it follows the one before");
    }
    writer.finish(header(Kind::Ack))
}

#[divan::bench]
fn write_acks(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(WORDS)).bench(ack_frame);
}

#[divan::bench]
fn write_run(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(WORDS)).bench(run_frame);
}

#[divan::bench]
fn read_acks(bencher: Bencher<'_, '_>) {
    read(bencher, ack_frame());
}

#[divan::bench]
fn read_run(bencher: Bencher<'_, '_>) {
    read(bencher, run_frame());
}

fn read(bencher: Bencher<'_, '_>, acks: Bytes) {
    let frame = Frame::whole(acks).expect("it was just written");
    let payload = frame.payload();
    bencher.counter(ItemsCount::new(WORDS)).bench(|| {
        let mut reader =
            AckReader::new(&frame.header, &payload, EDGE_KEY).expect("it was just written");
        let mut sum = 0;
        while let Ok(Some((seq, Verdict::Ack(xor)))) = reader.next() {
            sum ^= seq ^ xor;
        }
        sum
    });
}
