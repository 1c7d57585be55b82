//! Structured lines on stderr, each with the fields that say whose it is.

mod format;

use tracing_subscriber::{EnvFilter, fmt::Subscriber};

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Json,
    /// For people.
    #[default]
    Text,
}

/// What every line carries, and which lines there are.
#[derive(Clone, Debug, Default)]
pub struct Logging {
    /// How lines look.
    pub format: Format,
    /// Which lines: `info`, or `egret_link=debug,info`. `EGRET_LOG` goes before; default `info`.
    pub level: Option<String>,
    /// Name of the topology.
    pub topology: Option<String>,
    /// Index of the pod.
    pub pod: Option<u32>,
    /// Name of the component.
    pub component: Option<String>,
    /// The task.
    pub task: Option<u32>,
}

/// Why logging did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It has been started before.
    #[error("logging was started twice")]
    Twice,
    /// The filter does not parse.
    #[error(
        "cannot read the log level `{level}` ({why}); write for example `info` or \
         `egret_link=debug,info`"
    )]
    Level {
        /// What was given.
        level: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Variable that says which lines there are.
pub const VARIABLE: &str = "EGRET_LOG";

/// Starts logging, once per process.
pub fn init(logging: Logging) -> Result<(), Error> {
    let level = std::env::var(VARIABLE).ok().filter(|level| !level.is_empty());
    let level = level.or_else(|| logging.level.clone()).unwrap_or_else(|| "info".into());
    let filter = EnvFilter::builder()
        .parse(&level)
        .map_err(|error| Error::Level { level, why: error.to_string() })?;
    let subscriber = Subscriber::builder()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .event_format(format::Lines::new(logging))
        .finish();
    tracing::subscriber::set_global_default(subscriber).map_err(|_| Error::Twice)
}
