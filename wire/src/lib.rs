//! The bytes on every link of Egret: encode and decode only, no sockets, no clock.
//!
//! `docs/protocol.md` is the specification; each module names its section. Nothing that a peer
//! sends can make decoding panic, loop, or allocate more than [`limits`] allow.
//!
//! * [`header`]: the fixed header of each frame, all that a stream manager reads.
//! * [`data`]: tuples with their roots and values. * [`ack`]: acks, fails and resets on their way
//!   back.
//! * [`cut`]: frames out of a byte stream. * [`preamble`]: what each QUIC stream is for.
//! * [`control`]: handshakes, plans, reports; JSON behind a length. * [`durations`]: how long calls
//!   of user code take, in reports. * [`inspect`]: what is shown to whoever looks. * [`profile`]:
//!   where a process spends its CPU time.
//! * [`trace`]: which roots are traced, and the ids of spans.
//! * [`value`], [`varint`]: the pieces. * [`edge_id`]: the ids that ack tracking XORs.
//! * [`version`]: which versions a build speaks.

pub mod ack;
pub mod control;
pub mod cut;
pub mod data;
pub mod durations;
pub mod edge_id;
pub mod header;
pub mod inspect;
pub mod limits;
pub mod preamble;
pub mod profile;
pub mod trace;
pub mod value;
pub mod varint;
pub mod version;

/// What can be wrong with bytes from a peer. The link they came over is closed and counts it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A control message is not what its type says.
    #[error("a control message does not parse: {0}")]
    Control(String),
    /// A length or count exceeds its limit.
    #[error("{what} of {got} exceeds the limit of {limit}")]
    Limit {
        /// What is too large.
        what: &'static str,
        /// Its size.
        got: u64,
        /// The limit.
        limit: u64,
    },
    /// A frame does not start as a frame does.
    #[error("not a frame of this protocol: {0}")]
    NotAFrame(&'static str),
    /// A string is not UTF-8.
    #[error("a string is not UTF-8")]
    NotUtf8,
    /// The bytes end too early.
    #[error("the bytes end within {0}")]
    Truncated(&'static str),
    /// A tag, kind or index is unknown.
    #[error("unknown {what} {got}")]
    Unknown {
        /// What is unknown.
        what: &'static str,
        /// Its number.
        got: u64,
    },
    /// A frame is of a version that this build does not read.
    #[error(
        "not a frame that this end reads: it is of version {got} of the protocol, this end speaks \
         {ours}; all images of a topology are to be of neighbouring releases"
    )]
    Version {
        /// Its version.
        got: u8,
        /// What is spoken here.
        ours: version::Versions,
    },
}
