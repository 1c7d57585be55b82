//! A profile in the format of pprof: `perftools.profiles.Profile` as a protocol buffer, gzipped.
//!
//! Written by hand: a dozen fields of one message, against a code generator and its library.

use egret_wire::profile::Profile;
use flate2::{Compression, write::GzEncoder};
use std::{collections::HashMap, io::Write};

/// Writes it.
pub(super) fn encode(profile: &Profile) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Into memory: it cannot fail.
    let _ = encoder.write_all(&message(profile));
    encoder.finish().unwrap_or_default()
}

/// Fields of `Profile`.
mod field {
    pub(super) const SAMPLE_TYPE: u64 = 1;
    pub(super) const SAMPLE: u64 = 2;
    pub(super) const LOCATION: u64 = 4;
    pub(super) const FUNCTION: u64 = 5;
    pub(super) const STRING: u64 = 6;
    pub(super) const TIME_NANOS: u64 = 9;
    pub(super) const DURATION_NANOS: u64 = 10;
    pub(super) const PERIOD_TYPE: u64 = 11;
    pub(super) const PERIOD: u64 = 12;
}

fn message(profile: &Profile) -> Vec<u8> {
    let mut strings = Strings::default();
    let period = 1_000_000_000 / u64::from(profile.hz.max(1));
    let mut all = Message::default();
    for (kind, unit) in [("samples", "count"), ("cpu", "nanoseconds")] {
        all.message(field::SAMPLE_TYPE, value_type(&mut strings, kind, unit));
    }
    let thread = strings.number("thread");
    for stack in &profile.stacks {
        let mut sample = Message::default();
        // The innermost first. A location has the number of its function.
        let known = stack.functions.iter().filter(|id| (**id as usize) < profile.functions.len());
        known.rev().for_each(|id| sample.number(1, u64::from(*id) + 1));
        sample.number(2, stack.samples);
        sample.number(2, stack.samples.saturating_mul(period));
        let mut label = Message::default();
        label.number(1, thread);
        label.number(2, strings.number(&stack.thread));
        sample.message(3, label);
        all.message(field::SAMPLE, sample);
    }
    for (index, name) in profile.functions.iter().enumerate() {
        let id = index as u64 + 1;
        let mut line = Message::default();
        line.number(1, id);
        let mut location = Message::default();
        location.number(1, id);
        location.message(4, line);
        all.message(field::LOCATION, location);
        let mut function = Message::default();
        function.number(1, id);
        function.number(2, strings.number(name));
        function.number(3, strings.number(name));
        all.message(field::FUNCTION, function);
    }
    let period_type = value_type(&mut strings, "cpu", "nanoseconds");
    strings.all.iter().for_each(|text| all.bytes(field::STRING, text.as_bytes()));
    all.number(field::TIME_NANOS, profile.started_ms.saturating_mul(1_000_000));
    all.number(field::DURATION_NANOS, profile.for_ms.saturating_mul(1_000_000));
    all.message(field::PERIOD_TYPE, period_type);
    all.number(field::PERIOD, period);
    all.0
}

fn value_type(strings: &mut Strings, kind: &str, unit: &str) -> Message {
    let mut value = Message::default();
    value.number(1, strings.number(kind));
    value.number(2, strings.number(unit));
    value
}

/// Texts, each once; number 0 is the empty one.
struct Strings {
    all: Vec<String>,
    numbers: HashMap<String, u64>,
}

impl Default for Strings {
    fn default() -> Strings {
        Strings { all: vec![String::new()], numbers: HashMap::from([(String::new(), 0)]) }
    }
}

impl Strings {
    fn number(&mut self, text: &str) -> u64 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.all.len() as u64;
        self.all.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }
}

/// A protocol buffer that grows.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn number(&mut self, field: u64, number: u64) {
        self.varint(field << 3);
        self.varint(number);
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u64, message: Message) {
        self.bytes(field, &message.0);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::summary::example, *};

    /// Fields of a message in order: numbers, or bytes.
    fn fields(mut bytes: &[u8]) -> Vec<(u64, Result<u64, Vec<u8>>)> {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let mut number = 0;
            for shift in (0..).step_by(7) {
                let (first, rest) = bytes.split_first().unwrap();
                *bytes = rest;
                number |= u64::from(first & 0x7f) << shift;
                if first & 0x80 == 0 {
                    break;
                }
            }
            number
        }
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let value = match key & 7 {
                0 => Ok(varint(&mut bytes)),
                2 => {
                    let length = varint(&mut bytes) as usize;
                    let (value, rest) = bytes.split_at(length);
                    bytes = rest;
                    Err(value.to_vec())
                }
                kind => panic!("kind {kind}"),
            };
            fields.push((key >> 3, value));
        }
        fields
    }

    #[test]
    fn samples_name_their_functions_the_innermost_first() {
        let all = fields(&message(&example()));
        let of = |field| {
            let found = all.iter().filter(move |(number, _)| *number == field);
            found.map(|(_, value)| value.clone().unwrap_err()).collect::<Vec<_>>()
        };
        let strings: Vec<String> =
            of(field::STRING).into_iter().map(|text| String::from_utf8(text).unwrap()).collect();
        assert_eq!(strings[0], "");
        let name = |function: u64| {
            let number = fields(&of(field::FUNCTION)[function as usize - 1])[1].1.clone();
            strings[number.unwrap() as usize].as_str()
        };
        let first = fields(&of(field::SAMPLE)[0]);
        let number = |(_, value): &(u64, Result<u64, Vec<u8>>)| value.clone().unwrap();
        let stack: Vec<&str> = first[..3].iter().map(|field| name(number(field))).collect();
        assert_eq!(stack, ["hash", "work<&str>", "main"]);
        let values: Vec<u64> = first[3..5].iter().map(number).collect();
        assert_eq!(values, [60, 60 * (1_000_000_000 / 99)]);
        let label = fields(first[5].1.as_ref().unwrap_err());
        assert_eq!(strings[number(&label[1]) as usize], "count");
        assert_eq!(of(field::LOCATION).len(), 3);
    }
}
