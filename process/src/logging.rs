//! Structured lines on stderr, each with the fields that say whose it is.

mod format;

use std::sync::{Mutex, OnceLock, PoisonError};
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
    /// Nobody would notice: there is no logging.
    #[error("the log level cannot be changed: {0}")]
    Change(String),
}

/// Variable that says which lines there are.
pub const VARIABLE: &str = "EGRET_LOG";

/// Parts of links that tell of every packet: of no use to whoever looks for something else.
const CHATTY: &str = "quinn=info,quinn_proto=info,quinn_udp=info,rustls=info";

/// The logging of this process.
struct Running {
    /// The level that it started with.
    level: String,
    /// The one that was asked for since.
    asked: Mutex<Option<String>>,
    filter: Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>,
}

/// There is one: it is the process that logs.
static RUNNING: OnceLock<Running> = OnceLock::new();

/// Starts logging, once per process.
pub fn init(logging: Logging) -> Result<(), Error> {
    let level = std::env::var(VARIABLE).ok().filter(|level| !level.is_empty());
    let level = level.or_else(|| logging.level.clone()).unwrap_or_else(|| "info".into());
    let builder = Subscriber::builder()
        .with_writer(std::io::stderr)
        .event_format(format::Lines::new(logging))
        .with_env_filter(parse(&level)?)
        .with_filter_reloading();
    let handle = builder.reload_handle();
    tracing::subscriber::set_global_default(builder.finish()).map_err(|_| Error::Twice)?;
    let filter = Box::new(move |filter| handle.reload(filter).map_err(|error| error.to_string()));
    RUNNING.set(Running { level, asked: Mutex::default(), filter }).map_err(|_| Error::Twice)
}

/// Logs other lines from now on: those of this level, such as `debug`; `None` for those that it
/// started with. A process without logging has nothing to change.
pub fn set_level(level: Option<&str>) -> Result<(), Error> {
    let Some(running) = RUNNING.get() else { return Ok(()) };
    let mut asked = running.asked.lock().unwrap_or_else(PoisonError::into_inner);
    if asked.as_deref() == level {
        return Ok(());
    }
    let filter = match level {
        Some(level @ ("debug" | "trace")) => parse(&format!("{level},{CHATTY}"))?,
        Some(level) => parse(level)?,
        None => parse(&running.level)?,
    };
    (running.filter)(filter).map_err(Error::Change)?;
    *asked = level.map(str::to_owned);
    tracing::info!("the log level is {} now", level.unwrap_or(&running.level));
    Ok(())
}

fn parse(level: &str) -> Result<EnvFilter, Error> {
    EnvFilter::builder()
        .parse(level)
        .map_err(|error| Error::Level { level: level.to_owned(), why: error.to_string() })
}
