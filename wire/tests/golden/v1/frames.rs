//! Headers, frames and preambles, byte by byte.

use super::{bytes, written};
use crate::{documented, hex};
use egret_topology::id::{Epoch, Incarnation, TaskId};
use egret_wire::{
    Malformed,
    ack::{AckReader, AckWriter, Lane, Verdict},
    cut::Frame,
    data::{DataReader, DataWriter, RootId, Roots},
    edge_id::EdgeIds,
    header::{HEADER, Header, Kind},
    preamble::{Class, PREAMBLE, StreamKey},
    value::{self, Value},
    version::Versions,
};
use std::collections::BTreeMap;

/// A header in which each byte tells its place.
const HEADER_BYTES: &str = "
        45 67                   | magic
        01                      | version
        00                      | kind: data
        0c 0b 0a 00             | len
        04 03 02 01             | epoch
        14 13 12 11             | source
        24 23 22 21             | dest
        32 31                   | stream
        42 41                   | count
        58 57 56 55 54 53 52 51 | incarnation
        68 67 66 65 64 63 62 61 | base
        72 71                   | tail
        02 01                   | arity
        84 83 82 81             | origin
";

/// One tuple under one root, with every type of value.
const EVERY_VALUE: &str = "
        45 67                   | magic
        01                      | version
        00                      | kind: data
        2e 00 00 00             | len 46
        01 00 00 00             | epoch
        01 00 00 00             | source
        04 00 00 00             | dest
        00 00                   | stream
        01 00                   | count: 1 tuple
        07 00 00 00 00 00 00 00 | incarnation
        09 00 00 00 00 00 00 00 | base
        02 00                   | tail: 2 bytes of table
        09 00                   | arity: 9 fields
        00 00 00 00             | origin

        03 00 50                | 1 root in the long form: source 0, number 0 + 40
        00                      | null
        02                      | true
        03 ac 02                | 150
        04 00 00 00 00 00 00 e0 3f | 0.5
        45 65 67 72 65 74       | \"egret\"
        06 01 ff                | 1 byte
        07 01 00 00 00 00 00 00 00 | 1 microsecond after the epoch
        08 01 01                | [false]
        09 01 41 6b 03 05       | {\"k\": -3}
        01 07                   | table: source 0 is task 1, incarnation 7
";

/// Tuples under one, two, one and no roots of two spout tasks.
const SEVERAL_ROOTS: &str = "
        45 67                   | magic
        01                      | version
        00                      | kind: data
        17 00 00 00             | len 23
        01 00 00 00             | epoch
        06 00 00 00             | source
        09 00 00 00             | dest
        01 00                   | stream
        04 00                   | count: 4 tuples
        08 00 00 00 00 00 00 00 | incarnation
        00 00 00 00 00 00 00 00 | base
        05 00                   | tail: 5 bytes of table
        01 00                   | arity: 1 field
        00 00 00 00             | origin

        03 00 50                | 1 root in the long form: source 0, number 0 + 40
        03 02                   | 1
        05 00 02 01 0a          | 2 roots: source 0, number 40 + 1; source 1, number 0 + 5
        03 04                   | 2
        02                      | 1 root in the short form: source as before, number 5 - 1
        03 06                   | 3
        01                      | no root
        03 08                   | 4
        01 07                   | table: source 0 is task 1, incarnation 7
        02 ac 02                | source 1 is task 2, incarnation 300
";

/// An ack, a fail and a reset.
const ACKS: &str = "
        45 67                   | magic
        01                      | version
        01                      | kind: ack
        19 00 00 00             | len 25
        01 00 00 00             | epoch
        09 00 00 00             | source
        01 00 00 00             | dest
        00 00                   | stream
        06 00                   | count: 6 roots
        08 00 00 00 00 00 00 00 | incarnation
        02 00 00 00 00 00 00 00 | base
        00 00                   | tail
        00 00                   | arity
        00 00 00 00             | origin

        ac 02                   | incarnation of the roots: 300
        c0 02 08 07 06 05 04 03 02 01 | number 0 + 40, ack, XOR 0x0102030405060708
        09 03 62 61 64          | number 40 + 1, fail, \"bad\"
        16                      | number 41 - 3, reset
        63                      | number 38 + 12, run
        04 08 05                | of tuples from task 4, its incarnation 8, from counter 5 on
        05                      | 3 tuples, their roots' numbers spread
        00 02                   | numbers 50 + 1, 51 + 2
";

/// An end mark.
const END: &str = "
        45 67                   | magic
        01                      | version
        02                      | kind: end
        00 00 00 00             | len
        01 00 00 00             | epoch
        02 00 00 00             | source
        04 00 00 00             | dest
        00 00                   | stream
        00 00                   | count
        07 00 00 00 00 00 00 00 | incarnation
        00 00 00 00 00 00 00 00 | base
        00 00                   | tail
        00 00                   | arity
        02 00 00 00             | origin
";

/// A flush that task 1 asked for and task 2 passes on.
const FLUSH: &str = "
        45 67                   | magic
        01                      | version
        03                      | kind: flush
        00 00 00 00             | len
        01 00 00 00             | epoch
        02 00 00 00             | source
        04 00 00 00             | dest
        00 00                   | stream
        00 00                   | count
        07 00 00 00 00 00 00 00 | incarnation
        08 00 00 00 00 00 00 00 | base
        00 00                   | tail
        00 00                   | arity
        01 00 00 00             | origin
";

#[test]
fn the_document_shows_these_frames() {
    [HEADER_BYTES, EVERY_VALUE, SEVERAL_ROOTS, ACKS, END, FLUSH].into_iter().for_each(documented);
}

fn root(task: u32, incarnation: u64, seq: u64) -> RootId {
    RootId { task: TaskId(task), incarnation: Incarnation(incarnation), seq }
}

fn values(of: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    of.iter().for_each(|value| value::put(&mut out, value));
    out
}

/// Reads a data frame back.
fn tuples(bytes: &[u8]) -> Vec<(Vec<RootId>, Vec<u8>)> {
    let header = Header::decode(bytes.first_chunk().unwrap()).unwrap();
    let mut reader = DataReader::new(&header, &bytes[HEADER..]).unwrap();
    let (mut roots, mut at) = (Roots::new(), Vec::new());
    let mut read = Vec::new();
    while let Some(values) = reader.next(&mut roots, &mut at).unwrap() {
        read.push((roots.to_vec(), values.to_vec()));
    }
    read
}

#[test]
fn a_header_keeps_its_bytes() {
    let header = Header {
        kind: Kind::Data,
        len: 0x000a_0b0c,
        epoch: Epoch(0x0102_0304),
        source: TaskId(0x1112_1314),
        dest: TaskId(0x2122_2324),
        stream: 0x3132,
        count: 0x4142,
        incarnation: Incarnation(0x5152_5354_5556_5758),
        base: 0x6162_6364_6566_6768,
        tail: 0x7172,
        arity: 0x0102,
        origin: TaskId(0x8182_8384),
    };
    written(&header.encode(), HEADER_BYTES);
    let bytes = bytes(HEADER_BYTES);
    assert_eq!(Header::decode(bytes.first_chunk().unwrap()), Ok(header));
}

#[test]
fn the_next_two_releases_read_these_frames_whatever_they_speak() {
    for listing in [HEADER_BYTES, EVERY_VALUE, SEVERAL_ROOTS, ACKS, END, FLUSH] {
        let bytes = bytes(listing);
        let read = |oldest, newest| {
            Header::decode_as(Versions::new(oldest, newest), bytes.first_chunk().unwrap())
        };
        let header = read(1, 1).unwrap();
        assert_eq!([read(1, 2), read(2, 2), read(2, 3)], [Ok(header), Ok(header), Ok(header)]);
        let ours = Versions::new(3, 3);
        assert_eq!(read(3, 3), Err(Malformed::Version { got: 1, ours }));
    }
}

#[test]
fn a_data_frame_with_every_type_of_value_keeps_its_bytes() {
    let map = BTreeMap::from([("k".to_owned(), Value::Int(-3))]);
    let tuple = values(&[
        Value::Null,
        Value::Bool(true),
        Value::Int(150),
        Value::Float(0.5),
        Value::String("egret".into()),
        Value::Bytes(vec![0xff]),
        Value::Timestamp(1),
        Value::List(vec![Value::Bool(false)]),
        Value::Map(map),
    ]);
    let mut writer = DataWriter::with_capacity(0);
    writer.push(&[root(1, 7, 40)], &tuple);
    let mut header = Header::new(Kind::Data, Epoch(1), TaskId(1), Incarnation(7), TaskId(4));
    header.base = 9;
    written(&writer.finish(header, 9), EVERY_VALUE);
    assert_eq!(tuples(&bytes(EVERY_VALUE)), [(vec![root(1, 7, 40)], tuple)]);
}

#[test]
fn a_data_frame_with_several_roots_keeps_its_bytes() {
    let one = values(&[Value::Int(1)]);
    let two = values(&[Value::Int(2)]);
    let three = values(&[Value::Int(3)]);
    let four = values(&[Value::Int(4)]);
    let mut writer = DataWriter::with_capacity(0);
    writer.push(&[root(1, 7, 40)], &one);
    writer.push(&[root(1, 7, 41), root(2, 300, 5)], &two);
    writer.push(&[root(2, 300, 4)], &three);
    writer.push(&[], &four);
    let mut header = Header::new(Kind::Data, Epoch(1), TaskId(6), Incarnation(8), TaskId(9));
    header.stream = 1;
    written(&writer.finish(header, 1), SEVERAL_ROOTS);
    assert_eq!(
        tuples(&bytes(SEVERAL_ROOTS)),
        [
            (vec![root(1, 7, 40)], one),
            (vec![root(1, 7, 41), root(2, 300, 5)], two),
            (vec![root(2, 300, 4)], three),
            (vec![], four),
        ]
    );
}

#[test]
fn an_ack_frame_keeps_its_bytes() {
    let entries = [
        (40, Verdict::Ack(0x0102_0304_0506_0708)),
        (41, Verdict::Fail("bad")),
        (38, Verdict::Reset),
    ];
    let mut writer = AckWriter::new(Incarnation(300));
    entries.iter().for_each(|(seq, verdict)| writer.push(*seq, *verdict));
    let (source, incarnation) = (TaskId(4), Incarnation(8));
    let ids = EdgeIds::new(7, source, incarnation, TaskId(9));
    let lane = Lane { source, incarnation, ids };
    writer.begin_run(&lane, 5, 50);
    assert!(writer.extend_run(&lane, 6, 51) && writer.extend_run(&lane, 7, 53));
    let run = [(50, 5), (51, 6), (53, 7)].map(|(seq, at)| (seq, Verdict::Ack(ids.id(at))));
    let mut header = Header::new(Kind::Ack, Epoch(1), TaskId(9), Incarnation(8), TaskId(1));
    header.base = 2;
    written(&writer.finish(header), ACKS);
    let bytes = bytes(ACKS);
    let header = Header::decode(bytes.first_chunk().unwrap()).unwrap();
    let mut reader = AckReader::new(&header, &bytes[HEADER..], 7).unwrap();
    assert_eq!(reader.incarnation, Incarnation(300));
    for entry in entries.into_iter().chain(run) {
        assert_eq!(reader.next(), Ok(Some(entry)));
    }
    assert_eq!(reader.next(), Ok(None));
}

#[test]
fn marks_keep_their_bytes() {
    let header = |kind| Header::new(kind, Epoch(1), TaskId(2), Incarnation(7), TaskId(4));
    let end = Header { origin: TaskId(2), ..header(Kind::End) };
    let flush = Header { base: 8, origin: TaskId(1), ..header(Kind::Flush) };
    for (mark, listing) in [(end, END), (flush, FLUSH)] {
        written(&Frame::mark(mark).parts.concat(), listing);
        assert_eq!(Frame::whole(bytes(listing).into()).unwrap().header, mark);
    }
}

#[test]
fn preambles_keep_their_bytes() {
    for (class, source, bytes) in [
        (Class::Data, Some(TaskId(3)), "01 01 00 00 03 00 00 00 07 00 00 00"),
        (Class::Data, None, "01 00 00 00 00 00 00 00 07 00 00 00"),
        (Class::Ack, Some(TaskId(3)), "02 01 00 00 03 00 00 00 07 00 00 00"),
        (Class::Ack, None, "02 00 00 00 00 00 00 00 07 00 00 00"),
    ] {
        let key = StreamKey { class, source, dest: TaskId(7) };
        let encoded: [u8; PREAMBLE] = key.encode();
        assert_eq!(hex(&encoded), bytes);
        documented(bytes);
        assert_eq!(StreamKey::decode(&encoded), Ok(key));
    }
}
