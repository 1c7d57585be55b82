//! How one line is written.

use super::{Format, Logging};
use serde_json::{Map, Value};
use std::fmt;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

/// Writes events as lines; spans are not shown.
pub(super) struct Lines {
    format: Format,
    /// Whose lines these are, in the order in which they are shown.
    whose: Vec<(&'static str, Value)>,
}

impl Lines {
    pub(super) fn new(logging: Logging) -> Lines {
        let Logging { format, level: _, topology, pod, component, task } = logging;
        let whose = [
            ("topology", topology.map(Value::from)),
            ("pod", pod.map(Value::from)),
            ("component", component.map(Value::from)),
            ("task", task.map(Value::from)),
        ];
        let whose = whose.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        Lines { format, whose }
    }

    fn json(&self, writer: &mut Writer<'_>, time: &str, event: &Event<'_>) -> fmt::Result {
        let mut line = Map::new();
        let metadata = event.metadata();
        line.insert("timestamp".into(), time.into());
        line.insert("level".into(), metadata.level().as_str().into());
        line.insert("target".into(), metadata.target().into());
        for (name, value) in &self.whose {
            line.insert((*name).into(), value.clone());
        }
        for (name, value) in Fields::of(event).0 {
            // An event may speak of another pod or task: that must not hide whose line this is.
            let taken = line.contains_key(name);
            line.insert(if taken { format!("event_{name}") } else { name.into() }, value);
        }
        writeln!(writer, "{}", Value::Object(line))
    }

    fn text(&self, writer: &mut Writer<'_>, time: &str, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        write!(writer, "{time} {:>5}", metadata.level().as_str())?;
        for (name, value) in &self.whose {
            write!(writer, " {name}={}", Plain(value))?;
        }
        write!(writer, " {}:", metadata.target())?;
        let fields = Fields::of(event).0;
        for (_, value) in fields.iter().filter(|(name, _)| *name == MESSAGE) {
            write!(writer, " {}", Plain(value))?;
        }
        for (name, value) in fields.iter().filter(|(name, _)| *name != MESSAGE) {
            write!(writer, " {name}={}", Plain(value))?;
        }
        writeln!(writer)
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        match self.format {
            Format::Json => self.json(&mut writer, &time, event),
            Format::Text => self.text(&mut writer, &time, event),
        }
    }
}

/// The field that holds an event's text.
const MESSAGE: &str = "message";

/// The fields of one event.
#[derive(Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn of(event: &Event<'_>) -> Fields {
        let mut fields = Fields::default();
        event.record(&mut fields);
        fields
    }

    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.push((field.name(), value.into()));
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }
}

/// A value for people: one line, quoted only where it would be misread.
struct Plain<'a>(&'a Value);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(text) if text.contains(char::is_control) => write!(f, "{text:?}"),
            Value::String(text) => f.write_str(text),
            other => other.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format, log: impl FnOnce()) -> String {
        let memory = Memory::default();
        let lines = Lines::new(Logging {
            format,
            topology: Some("words".into()),
            task: Some(3),
            ..Logging::default()
        });
        let writer = memory.clone();
        let subscriber = tracing_subscriber::fmt::Subscriber::builder()
            .with_writer(move || writer.clone())
            .event_format(lines)
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = memory.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_json_line_says_whose_it_is_at_the_top_level() {
        let line = logged(Format::Json, || {
            tracing::warn!(peer = "pod 1", bytes = 7u64, task = 9, "a link\nbroke");
        });
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        let json: Value = serde_json::from_str(&line).unwrap();
        for (name, value) in [
            ("level", Value::from("WARN")),
            ("topology", "words".into()),
            ("task", 3.into()),
            ("event_task", 9.into()),
            ("peer", "pod 1".into()),
            ("bytes", 7.into()),
            ("message", "a link\nbroke".into()),
        ] {
            assert_eq!(json[name], value, "{name} in {line}");
        }
        assert!(json.get("pod").is_none());
    }

    #[test]
    fn a_text_line_is_one_line() {
        let line = logged(Format::Text, || tracing::info!(why = "a\nb", "started"));
        assert!(line.contains("INFO topology=words task=3 "), "{line}");
        assert!(line.ends_with(": started why=\"a\\nb\"\n"), "{line}");
    }
}
