//! What the limits promise to those who stay within them, and refuse to those who do not.

use egret_topology::id::{Epoch, Incarnation, TaskId};
use egret_wire::{
    Malformed, control,
    control::UserMetric,
    cut::Cutter,
    data::{DataReader, DataWriter, RootId, Roots, tuple_len},
    header::{HEADER, Header, Kind},
    limits,
    value::{self, Value},
    version::Versions,
};

fn header(kind: Kind) -> Header {
    Header::new(kind, Epoch(1), TaskId(1), Incarnation(2), TaskId(3))
}

/// As many roots as a tuple may have, each of another spout task and far from zero.
fn most_roots() -> Vec<RootId> {
    let all = 0..limits::MAX_ROOTS as u32;
    let task = |i| TaskId(u32::MAX - i);
    all.map(|i| RootId { task: task(i), incarnation: Incarnation(u64::MAX), seq: u64::MAX >> 1 })
        .collect()
}

#[test]
fn the_largest_tuple_with_the_most_roots_fits_a_frame() {
    let roots = most_roots();
    let mut values = Vec::new();
    value::put_bytes(&mut values, &vec![7; limits::MAX_TUPLE - tuple_len(&roots, &[]) - 8]);
    assert!(tuple_len(&roots, &values) <= limits::MAX_TUPLE);
    let mut writer = DataWriter::with_capacity(0);
    assert!(!writer.is_full_for(&roots, &values));
    writer.push(&roots, &values);
    let bytes = writer.finish(header(Kind::Data), 1);
    let mut cutter = Cutter::default();
    cutter.push(bytes.clone());
    let frame = cutter.next().unwrap().unwrap();
    let payload = frame.payload();
    let mut reader = DataReader::new(&frame.header, &payload).unwrap();
    let (mut read, mut at) = (Roots::new(), Vec::new());
    assert_eq!(reader.next(&mut read, &mut at).unwrap(), Some(&values[..]));
    assert_eq!(read[..], roots[..]);
}

#[test]
fn a_header_beyond_a_limit_is_refused() {
    let payload = Header { len: limits::MAX_PAYLOAD as u32 + 1, ..header(Kind::Data) };
    let fields = Header { arity: limits::MAX_FIELDS as u16 + 1, ..header(Kind::Data) };
    let table = Header { len: 4, tail: 5, ..header(Kind::Data) };
    let mark = Header { len: 1, ..header(Kind::End) };
    let counter = Header { base: u64::MAX, count: 1, ..header(Kind::Data) };
    for bad in [payload, fields, table, mark, counter] {
        assert!(Header::decode(&bad.encode()).is_err(), "{bad:?}");
    }
    let last = Header { base: u64::MAX - 1, count: 1, ..header(Kind::Data) };
    assert_eq!(Header::decode(&last.encode()), Ok(last));
}

#[test]
fn another_version_is_not_read_on() {
    let mut bytes = header(Kind::Data).encode();
    bytes[2] = limits::VERSIONS.newest() + 1;
    let refused = Malformed::Version { got: bytes[2], ours: limits::VERSIONS };
    assert_eq!(Header::decode(&bytes), Err(refused.clone()));
    let mut cutter = Cutter::default();
    cutter.push(bytes.to_vec().into());
    assert_eq!(cutter.next().unwrap_err(), refused);
    let mut cutter = Cutter::speaking(Versions::new(bytes[2], bytes[2]));
    cutter.push(bytes.to_vec().into());
    assert_eq!(cutter.next().unwrap().unwrap().header, header(Kind::Data));
    assert_eq!(bytes.len(), HEADER);
}

#[test]
fn lists_nest_as_deep_as_the_limit_and_no_deeper() {
    let nested = |depth| (0..depth).fold(Value::Null, |inner, _| Value::List(vec![inner]));
    let encoded = |depth| {
        let mut bytes = Vec::new();
        value::put(&mut bytes, &nested(depth));
        bytes
    };
    let (fits, deeper) = (encoded(limits::MAX_DEPTH), encoded(limits::MAX_DEPTH + 1));
    assert_eq!(value::depth(&nested(limits::MAX_DEPTH)), limits::MAX_DEPTH);
    assert_eq!(value::decode(&mut &fits[..]), Ok(nested(limits::MAX_DEPTH)));
    assert_eq!(value::skip(&mut &fits[..]), Ok(()));
    for refused in [value::decode(&mut &deeper[..]).map(drop), value::skip(&mut &deeper[..])] {
        assert!(matches!(refused, Err(Malformed::Limit { .. })), "{refused:?}");
    }
}

#[test]
fn a_control_message_beyond_the_limit_is_refused_before_it_is_there() {
    let length = (limits::MAX_CONTROL as u32 + 1).to_le_bytes();
    let refused = control::decode::<control::Peer>(&mut length[..].into());
    assert!(matches!(refused, Err(Malformed::Limit { .. })), "{refused:?}");
}

#[test]
fn a_metric_that_is_no_number_does_not_spoil_the_report() {
    for value in [f64::NAN, f64::INFINITY] {
        let metric = UserMetric { name: "ratio".into(), gauge: true, value };
        let bytes = control::encode(&metric).unwrap();
        let read: UserMetric = control::decode(&mut bytes.into()).unwrap().unwrap();
        assert!(read.value.is_nan());
    }
}
