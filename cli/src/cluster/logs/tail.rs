//! The last lines of one container's log, as a page shows them.

use super::{
    reader::{Part, Reader},
    source::Source,
};
use crate::{
    cluster::{
        connect::Session,
        pods::{ContainerView, PodView},
        trouble::Trouble,
    },
    run::logs::Entry,
};
use egret_ui::{snapshot::LogLine, source::LOG_LINES};

/// Reads them.
pub(crate) async fn tail(
    session: &Session,
    pod: &PodView,
    container: &ContainerView,
) -> Result<Vec<LogLine>, Trouble> {
    let source = Source::new(pod, container);
    let part = Part { tail: Some(LOG_LINES as i64), ..Part::default() };
    let mut reader = Reader::open(session, &source, &part).await?;
    let mut lines = Vec::new();
    while let Some(line) = reader.next().await {
        let Entry { level, text } = Entry::parse(&String::from_utf8_lossy(&line.text));
        let at_ms = line.at.and_then(|at| at.as_millisecond().try_into().ok());
        lines.push(LogLine { at_ms, level: level.word().to_owned(), text });
    }
    Ok(lines)
}
