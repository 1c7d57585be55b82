//! How often a spout's roots are tried, and the streams on which its dead letters leave.

use super::{Draft, Problems};
use crate::{
    dead_letters::{self, WHY},
    limits::{MAX_FIELDS, MAX_IDENTIFIER, MAX_TRIES},
    resource::{Delivery, Spec},
    stream::Stream,
};

pub(super) fn check(draft: &Draft<'_>, spec: &Spec, problems: &mut Problems) -> Option<u32> {
    let path = format!("{}.maxTries", draft.path);
    let tries = problems.within(&path, draft.max_tries?, 1, MAX_TRIES);
    if spec.delivery == Delivery::AtMostOnce {
        problems.add_with(
            path,
            "nothing is tried again under `AtMostOnce`, so nothing can fail too often",
            "write `delivery: AtLeastOnce`, or leave `maxTries` out",
        );
    }
    Some(tries)
}

/// A spout with `maxTries` has one more stream for each that it declares, behind all of them:
/// numbers of streams stay what they are.
pub(super) fn add_streams(
    drafts: &[Draft<'_>],
    streams: &mut [Option<Vec<Stream>>],
    problems: &mut Problems,
) {
    for (draft, streams) in drafts.iter().zip(streams) {
        if let (Some(_), Some(streams)) = (draft.max_tries, streams) {
            let letters: Vec<Stream> = streams.iter().map(dead_letters::declared).collect();
            for (stream, letters) in streams.iter().zip(&letters) {
                check_stream(draft, streams, stream, letters, problems);
            }
            streams.extend(letters);
        }
    }
}

fn check_stream(
    draft: &Draft<'_>,
    streams: &[Stream],
    stream: &Stream,
    letters: &Stream,
    problems: &mut Problems,
) {
    let path = format!("{}.maxTries", draft.path);
    let (name, theirs) = (&stream.name, &letters.name);
    if streams.iter().any(|stream| stream.name == *theirs) {
        problems.add_with(
            &path,
            format!("`{}` has a stream `{theirs}` of its own", draft.common.name),
            "give it another name, or leave `maxTries` out",
        );
    }
    if theirs.len() > MAX_IDENTIFIER {
        problems.add_with(
            &path,
            format!(
                "the dead letters of stream `{name}` would leave on `{theirs}`, which is \
                     longer than a stream's name may be"
            ),
            format!("give the stream a name that is shorter by {}", theirs.len() - MAX_IDENTIFIER),
        );
    }
    if let Some(field) = WHY.into_iter().find(|field| stream.field(field).is_some()) {
        problems.add_with(
            &path,
            format!("stream `{name}` has a field `{field}`, which its dead letters have besides"),
            "give the field another name, or leave `maxTries` out",
        );
    }
    if letters.fields.len() > MAX_FIELDS {
        problems.add_with(
            &path,
            format!(
                "the dead letters of stream `{name}` would have {} fields; at most \
                     {MAX_FIELDS} are allowed",
                letters.fields.len()
            ),
            "put some of the fields into a map or a list",
        );
    }
}
