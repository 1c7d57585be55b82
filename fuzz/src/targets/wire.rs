//! The decoders of the wire: none panics, and what they accept survives being written again.

use crate::recipe::Recipe;
use bytes::{Bytes, BytesMut};
use egret_topology::id::{Epoch, Incarnation, TaskId};
use egret_wire::{
    Malformed,
    ack::{AckReader, AckWriter},
    control::{self, FromInstance, FromOperator, Peer, ToInstance, ToOperator},
    cut::{Cutter, Frame},
    data::{DataReader, DataWriter, RootId, Roots},
    header::{HEADER, Header, Kind},
    limits,
    preamble::{PREAMBLE, StreamKey},
    value,
};
use serde::{Serialize, de::DeserializeOwned};

/// A stream of frames. The first byte chooses the sizes of chunks.
pub(crate) fn frames(input: &[u8]) {
    let Some((first, stream)) = input.split_first() else { return };
    let size = 1 + usize::from(*first);
    let pieces = cut(stream.chunks(size));
    let whole = cut([stream].into_iter());
    assert_eq!(pieces, whole, "frames depend on the chunks that they arrive in");
    for bytes in pieces.0 {
        let frame = Frame::whole(bytes.clone().into()).expect("it was cut as a frame");
        assert_eq!(frame.header.encode(), bytes[..HEADER], "a header has two encodings");
        assert_eq!(frame.payload(), bytes[HEADER..]);
        payload(&frame.header, &bytes[HEADER..]);
    }
}

fn cut<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Option<Malformed>) {
    let mut cutter = Cutter::default();
    let mut frames = Vec::new();
    for chunk in chunks {
        cutter.push(Bytes::copy_from_slice(chunk));
        loop {
            match cutter.next() {
                Ok(Some(frame)) => {
                    assert_eq!(frame.len(), frame.parts.iter().map(Bytes::len).sum::<usize>());
                    frames.push(frame.parts.concat());
                }
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

/// A valid frame made after a recipe, then damaged.
pub(crate) fn mutated(input: &[u8]) {
    let mut recipe = Recipe::new(input);
    let frame = recipe.frame();
    whole(&frame, true);
    whole(&recipe.damaged(frame), false);
}

/// One frame in one piece. `valid`: it must be accepted.
fn whole(bytes: &[u8], valid: bool) {
    let accepted = match Frame::whole(Bytes::copy_from_slice(bytes)) {
        Ok(frame) => payload(&frame.header, &bytes[HEADER..]),
        Err(_) => false,
    };
    assert!(accepted || !valid, "a frame that was written is not read");
}

fn payload(header: &Header, bytes: &[u8]) -> bool {
    match header.kind {
        Kind::Data => tuples(header, bytes).is_ok(),
        Kind::Ack => entries(header, bytes).is_ok(),
        Kind::End | Kind::Flush => bytes.is_empty(),
    }
}

/// A data frame: table length, count and fields in front of the payload.
pub(crate) fn data(input: &[u8]) {
    let Some((head, bytes)) = input.split_first_chunk::<6>() else { return };
    let number = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
    let mut header = header(Kind::Data);
    (header.tail, header.count, header.arity) = (number(0), number(2), number(4));
    // As the header's own check has it.
    if usize::from(header.arity) <= limits::MAX_FIELDS {
        let _ = tuples(&header, bytes);
    }
}

type Tuple = (Vec<RootId>, Vec<u8>);

fn read_tuples(header: &Header, bytes: &[u8]) -> Result<Vec<Tuple>, Malformed> {
    let mut reader = DataReader::new(header, bytes)?;
    let (mut roots, mut at) = (Roots::new(), Vec::new());
    let mut read = Vec::new();
    while let Some(values) = reader.next(&mut roots, &mut at)? {
        assert_eq!(at.len(), usize::from(header.arity));
        for start in &at {
            // A value that was passed over may still be refused when it is asked for.
            let _ = value::take(&mut &values[*start as usize..]);
        }
        read.push((roots.to_vec(), values.to_vec()));
    }
    Ok(read)
}

fn tuples(header: &Header, bytes: &[u8]) -> Result<(), Malformed> {
    let read = read_tuples(header, bytes)?;
    let mut writer = DataWriter::with_capacity(bytes.len());
    for (roots, values) in &read {
        writer.push(roots, values);
    }
    let again = writer.finish(*header, header.arity);
    let head = Header::decode(again.first_chunk().expect("a frame has a header"))?;
    assert_eq!(read_tuples(&head, &again[HEADER..]), Ok(read), "tuples change on the way");
    Ok(())
}

/// An ack frame: count in front of the payload.
pub(crate) fn ack(input: &[u8]) {
    let Some((count, bytes)) = input.split_first_chunk::<2>() else { return };
    let header = Header { count: u16::from_le_bytes(*count), ..header(Kind::Ack) };
    let _ = entries(&header, bytes);
}

fn entries(header: &Header, bytes: &[u8]) -> Result<(), Malformed> {
    let mut reader = AckReader::new(header, bytes, 7)?;
    let mut writer = AckWriter::new(reader.incarnation);
    let mut read = Vec::new();
    while let Some((seq, verdict)) = reader.next()? {
        writer.push(seq, verdict);
        read.push((seq, verdict));
    }
    let again = writer.finish(*header);
    let head = Header::decode(again.first_chunk().expect("a frame has a header"))?;
    let mut reader = AckReader::new(&head, &again[HEADER..], 7)?;
    for entry in read {
        assert_eq!(reader.next(), Ok(Some(entry)), "acks change on the way");
    }
    assert_eq!(reader.next(), Ok(None));
    Ok(())
}

/// One value.
pub(crate) fn value(input: &[u8]) {
    let (mut rest, mut skipped, mut taken) = (input, input, input);
    let Ok(owned) = value::decode(&mut rest) else { return };
    assert!(value::depth(&owned) <= limits::MAX_DEPTH);
    assert_eq!(value::skip(&mut skipped), Ok(()), "decoded but not skipped");
    assert_eq!(skipped.len(), rest.len());
    let borrowed = value::take(&mut taken).expect("decoded but not taken");
    assert_eq!(taken.len(), rest.len());
    let once = encoded(&owned);
    assert_eq!(encoded(&borrowed.to_value().expect("decoded but not copied")), once);
    let again = value::decode(&mut &once[..]).expect("a value that was written is not read");
    assert_eq!(encoded(&again), once, "a value has two encodings");
}

fn encoded(value: &value::Value) -> Vec<u8> {
    let mut out = Vec::new();
    value::put(&mut out, value);
    out
}

/// A preamble.
pub(crate) fn preamble(input: &[u8]) {
    let Some(bytes) = input.first_chunk::<PREAMBLE>() else { return };
    if let Ok(key) = StreamKey::decode(bytes) {
        assert_eq!(StreamKey::decode(&key.encode()), Ok(key));
    }
}

/// Control messages of every kind: as they are, and with the length in front that they should have.
pub(crate) fn control(input: &[u8]) {
    let mut framed = (input.len() as u32).to_le_bytes().to_vec();
    framed.extend_from_slice(input);
    for bytes in [input, &framed] {
        message::<FromInstance>(bytes);
        message::<ToInstance>(bytes);
        message::<Peer>(bytes);
        message::<FromOperator>(bytes);
        message::<ToOperator>(bytes);
    }
}

fn message<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let mut buffer = BytesMut::from(bytes);
    while let Ok(Some(message)) = control::decode::<T>(&mut buffer) {
        let once = control::encode(&message).expect("a message that was read fits");
        let again: Option<T> = control::decode(&mut BytesMut::from(&once[..]))
            .expect("a message that was written is not read");
        let again = again.expect("a message that was written is whole");
        assert_eq!(control::encode(&again), Ok(once), "a message changes on the way");
    }
}

fn header(kind: Kind) -> Header {
    Header::new(kind, Epoch(1), TaskId(1), Incarnation(2), TaskId(3))
}
