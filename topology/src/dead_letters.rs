//! Dead letters: roots that have failed too often, and the streams on which they leave.

use crate::stream::{DEFAULT_STREAM, Stream};

/// The stream of dead letters of what was emitted on the default stream.
pub const DEAD_LETTERS: &str = "dead-letters";

/// What a dead letter has behind the fields of its root: why it failed the last time, the component
/// and the task that failed it, and how often it has failed.
pub const WHY: [&str; 4] = ["error", "component", "task", "tries"];

/// The stream that dead letters of a stream leave on.
pub fn stream_of(stream: &str) -> String {
    match stream {
        DEFAULT_STREAM => DEAD_LETTERS.to_owned(),
        other => format!("{other}.{DEAD_LETTERS}"),
    }
}

/// The same as it is declared.
pub fn declared(stream: &Stream) -> Stream {
    let fields = stream.fields.iter().map(String::as_str).chain(WHY);
    Stream::named(stream_of(&stream.name), fields)
}
