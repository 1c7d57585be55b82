//! Limits of the stream manager, each with its reason. Those of queued frames are in `egret_flow`.

use egret_link::transport::STREAM_WINDOW;
use std::time::Duration;

/// Chunks taken from a stream at once: about a full window, so that one wake serves all that came.
pub(crate) const READ_CHUNKS: usize = 32;

/// Bytes handed to a stream at once: 64 KiB already has the full throughput, more only delays.
pub(crate) const WRITE: usize = 64 << 10;

/// Parts of frames below this are copied together: QUIC searches its unacknowledged chunks one by
/// one, so thousands of tiny ones cost more than the copy.
pub(crate) const COALESCE: usize = 4 << 10;

/// How long a new link may take to say hello. Slow starters have connected before they say it.
pub(crate) const HELLO: Duration = Duration::from_secs(3);

/// Links that have not said hello yet: all instances and peers of a pod at once, with room.
pub(crate) const GREETING: usize = 1024;

/// Control messages that wait for one link. A link that does not take them is closed: what it
/// missed is made up for when it returns.
pub(crate) const CONTROL_QUEUE: usize = 1024;

/// How often state is written to disk, and gauges that nobody asks for are brought up to date.
pub(crate) const TICK: Duration = Duration::from_secs(1);

/// How long tasks that were asked to end wait for an operator that is not linked. It puts others in
/// their place no sooner than twice that.
pub(crate) const FORSAKEN: Duration = Duration::from_secs(5);

/// How long spouts hold back for somebody who is replaced, while no operator is linked.
pub(crate) const ORPHANED: Duration = Duration::from_secs(60);

/// How long the port of an earlier life is waited for.
pub(crate) const REBIND: Duration = Duration::from_secs(3);

/// How long peers may take to hear of a planned end.
pub(crate) const FAREWELL: Duration = Duration::from_millis(500);

/// How long a scrape waits for the loops. Probes wait as long, and give up after a second.
pub(crate) const SCRAPE: Duration = Duration::from_millis(500);

/// The main loop counts as stuck when it has not ticked for this long.
pub(crate) const STUCK: Duration = Duration::from_secs(30);

/// Connections of who looks into the pod at once: a few pages and terminals.
pub(crate) const INSPECTORS: usize = 16;
/// How long such a connection may be idle: pages ask every second or two.
pub(crate) const INSPECTOR_IDLE: Duration = Duration::from_secs(30);
/// How long an instance may take to hand over a profile, beyond the time that it records.
pub(crate) const PROFILE: Duration = Duration::from_secs(10);
/// Pause after an error of `accept`, which mostly means too many open files.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Questions of who holds a tuple that are passed on per second, and answers. They explain, and
/// must never crowd out what they explain.
pub(crate) const QUESTIONS: u32 = 20;
/// Answers passed on per second: several per question.
pub(crate) const ANSWERS: u32 = 200;

/// Metrics of user code that are shown per task.
pub(crate) const USER_METRICS: usize = 64;
/// Length of such a metric's name.
pub(crate) const USER_METRIC_NAME: usize = 100;

/// Text of a user's error that is kept.
pub(crate) const ERROR_TEXT: usize = 4 << 10;

/// Spans that wait to be exported: a few megabytes. More are dropped and counted.
pub(crate) const SPANS_WAITING: u64 = 16_384;
/// The same in messages of instances, which may be small.
pub(crate) const SPAN_BATCHES: usize = 1024;
/// Spans after which no more are gathered for a request, which then has about a megabyte.
pub(crate) const SPANS_AT_ONCE: usize = 2048;
/// How long spans are gathered for one request.
pub(crate) const GATHER_SPANS: Duration = Duration::from_millis(500);
/// How long an endpoint may take for a request.
pub(crate) const POST_SPANS: Duration = Duration::from_secs(10);
/// Requests with the same spans, until these are dropped: newer ones wait behind them.
pub(crate) const SPAN_TRIES: u32 = 5;
/// The first pause between them; each that follows is twice as long.
pub(crate) const FIRST_SPAN_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause between them that an endpoint may ask for.
pub(crate) const MOST_SPAN_PAUSE: Duration = Duration::from_secs(30);
/// How long a process that ends waits for its last spans to be taken.
pub(crate) const LAST_SPANS: Duration = Duration::from_secs(2);

const _: () = assert!(WRITE >= 16 << 10 && WRITE <= STREAM_WINDOW as usize);
