//! Prints the logs that are there, merged by the times of their lines.

use super::{
    Options,
    line::{Line, Printer},
    reader::{Part, Reader},
    source::{Key, Source},
};
use crate::cluster::{connect::Session, trouble::Trouble};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

/// Logs that are opened at once.
const OPENED_AT_ONCE: usize = 16;

/// When the last line of each container was logged; none: none was printed.
pub(super) type Seen = BTreeMap<Key, Option<Timestamp>>;

/// Prints all lines that there are, in their order.
pub(super) async fn print(
    session: &Session,
    sources: &[Source],
    options: &Options,
    printer: &mut Printer,
) -> Result<Seen, Trouble> {
    let seconds = options.since.map(|since| since.as_secs().max(1));
    let part = Part {
        since_seconds: seconds.and_then(|seconds| i64::try_from(seconds).ok()),
        tail: options.tail,
        ..Part::default()
    };
    for source in sources.iter().filter(|source| !source.has_log && !options.follow) {
        eprintln!("{} has no log: {}", source.prefix(), source.state);
    }
    let sources: Vec<&Source> = sources.iter().filter(|source| source.has_log).collect();
    let opening = sources.iter().map(|source| Reader::open(session, source, &part));
    let opened: Vec<Result<Reader, Trouble>> =
        stream::iter(opening).buffered(OPENED_AT_ONCE).collect().await;
    let mut logs = Vec::new();
    for (source, opened) in sources.iter().copied().zip(opened) {
        match opened {
            Ok(reader) => logs.push((source, reader)),
            Err(trouble) if trouble.is_forbidden() || trouble.may_pass() => return Err(trouble),
            // It may have gone meanwhile, and others have not.
            Err(trouble) => eprintln!("{}: {}", source.prefix(), trouble.what()),
        }
    }
    Ok(merge(logs, printer).await)
}

async fn merge(mut logs: Vec<(&Source, Reader)>, printer: &mut Printer) -> Seen {
    let mut seen: Seen = logs.iter().map(|(source, _)| (source.key(), None)).collect();
    let mut heads: Vec<Option<Line>> = Vec::new();
    let mut order = BinaryHeap::new();
    for (i, (_, reader)) in logs.iter_mut().enumerate() {
        let line = reader.next().await;
        if let Some(line) = &line {
            order.push(Reverse((line.at.unwrap_or(Timestamp::MIN), i)));
        }
        heads.push(line);
    }
    while let Some(Reverse((at, i))) = order.pop() {
        let (source, reader) = &mut logs[i];
        let Some(line) = heads[i].take() else { continue };
        printer.print(source, &line);
        if !printer.is_wanted() {
            break;
        }
        if line.at.is_some() {
            seen.insert(source.key(), line.at);
        }
        heads[i] = reader.next().await;
        if let Some(next) = &heads[i] {
            // A line without a time belongs to the one before it.
            order.push(Reverse((next.at.unwrap_or(at), i)));
        }
    }
    printer.flush();
    seen
}
