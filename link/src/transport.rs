//! QUIC's settings, each with its reason.
//!
//! QUIC's own flow control is the backpressure: who does not read a stream holds back the sender of
//! that stream. For this a connection's window must never run out before those of its streams do.

use crate::Error;
use quinn::{
    Connection, IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt, congestion::CubicConfig,
};
use std::{net::IpAddr, sync::Arc, time::Duration};

/// Priority of the control stream: a plan or a loss must pass queued data.
pub const PRIORITY_CONTROL: i32 = 2;
/// Priority of ack streams: acks free memory at both ends, data fills it.
pub const PRIORITY_ACK: i32 = 1;
/// Priority of data streams.
pub const PRIORITY_DATA: i32 = 0;

/// A silent peer is given up after this time.
pub const IDLE: Duration = Duration::from_secs(3);
/// An idle link proves itself this often: two of these may be lost before [`IDLE`] ends.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// Round trip to expect before one was measured. Within a cluster it is far below the 333 ms that
/// QUIC expects of the internet; a first packet that met a process just starting is repeated after
/// three of these.
const INITIAL_RTT: Duration = Duration::from_millis(30);

/// UDP payload on loopback: twice the throughput of 1452. The kernel refuses a batch of segments
/// above 64 KiB, and QUIC takes that for a black hole, so the largest that fits ten of them is
/// about 6500.
const LOOPBACK_MTU: u16 = 6500;
/// UDP payload that discovery may find elsewhere: an Ethernet frame less IPv6 and UDP headers.
const ETHERNET_MTU: u16 = 1452;
/// Segments that quinn hands to the kernel at once.
const SEGMENTS: usize = 10;
/// Payload that fits one UDP datagram or batch.
const UDP_PAYLOAD: usize = 65_507;

/// Congestion window at the start. The default of ten packets costs several round trips before the
/// first large frame is through; inside a cluster a link is never the bottleneck that slow start
/// looks for.
const INITIAL_WINDOW: u64 = 256 << 10;

/// Credit per stream. Holds several of the largest usual frames (32 KiB each), so that a reader who
/// takes one frame at a time never stops the sender.
pub const STREAM_WINDOW: u32 = 256 << 10;
/// Credit per connection beyond the sum of its data streams, for acks and control.
pub const WINDOW_RESERVE: u32 = 2 << 20;
/// Unacknowledged bytes that one connection may hold: the bandwidth-delay product of a link inside
/// a cluster, with room.
const SEND_WINDOW: u64 = 8 << 20;
/// Data streams for which a link has credit before anybody knows the plan.
const STREAMS: u32 = 64;
/// Bidirectional streams: the control stream, and one to spare for its successor.
const BIDI_STREAMS: u32 = 2;

const _: () = assert!(LOOPBACK_MTU as usize * SEGMENTS < UDP_PAYLOAD);
const _: () = assert!(KEEP_ALIVE.as_millis() * 3 <= IDLE.as_millis());
const _: () = assert!(STREAM_WINDOW as usize >= 4 * egret_wire::limits::FRAME_TARGET);
const _: () = assert!(WINDOW_RESERVE >= (1 + BIDI_STREAMS) * STREAM_WINDOW);
const _: () = assert!(STREAMS as u64 * STREAM_WINDOW as u64 + (WINDOW_RESERVE as u64) < 1 << 32);

/// How much a peer may send before it is read, and may hold before it is acknowledged.
///
/// A link can be given more later, when the plan is known: [`widen`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Credit per incoming stream, in bytes.
    pub stream: u32,
    /// Incoming unidirectional streams that may be open.
    pub streams: u32,
    /// Credit of the whole connection, in bytes.
    pub connection: u32,
    /// Unacknowledged bytes on the way out.
    pub send: u64,
}

impl Windows {
    /// Windows for `streams` incoming streams of `stream` bytes each: the connection's credit is
    /// their sum and a reserve, so that one stream that is not read can never stop another.
    pub fn of(streams: u32, stream: u32) -> Windows {
        let connection = credit(streams, stream).try_into().unwrap_or(u32::MAX);
        Windows { stream, streams, connection, send: SEND_WINDOW }
    }
}

impl Default for Windows {
    fn default() -> Windows {
        Windows::of(STREAMS, STREAM_WINDOW)
    }
}

/// Gives a link credit for this many incoming streams, once a plan tells how many there will be.
///
/// QUIC announces more streams only if they are more by an eighth of all; else they would wait for
/// ever. The next power of two always is, and a later plan with a few more needs nothing.
pub fn widen(connection: &Connection, streams: u32) {
    let streams = streams.max(STREAMS).next_power_of_two();
    connection.set_max_concurrent_uni_streams(streams.into());
    let window = VarInt::from_u64(credit(streams, STREAM_WINDOW)).unwrap_or(VarInt::MAX);
    connection.set_receive_window(window);
}

/// Credit of a connection with this many incoming streams: their sum, a reserve, and what QUIC
/// keeps to itself, which announces credit only when an eighth of the window has been read.
fn credit(streams: u32, stream: u32) -> u64 {
    let all = u64::from(stream) * u64::from(streams) + u64::from(WINDOW_RESERVE);
    all + all.div_ceil(7)
}

/// Settings for links to `remote`.
pub(crate) fn config(windows: &Windows, remote: IpAddr) -> Result<Arc<TransportConfig>, Error> {
    let mut config = TransportConfig::default();
    let idle = IdleTimeout::try_from(IDLE).map_err(|error| Error::Tls(error.to_string()))?;
    let mut cubic = CubicConfig::default();
    cubic.initial_window(INITIAL_WINDOW);
    config
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .initial_rtt(INITIAL_RTT)
        .stream_receive_window(windows.stream.into())
        .receive_window(windows.connection.into())
        .send_window(windows.send)
        .max_concurrent_uni_streams(windows.streams.into())
        .max_concurrent_bidi_streams(VarInt::from_u32(BIDI_STREAMS))
        // A few busy streams are better served one after the other than in slices of packets.
        .send_fairness(false)
        .datagram_receive_buffer_size(None)
        .congestion_controller_factory(Arc::new(cubic));
    if remote.is_loopback() {
        // Loopback loses nothing but for full buffers: no discovery, and no fall-back below it
        // either.
        config.initial_mtu(LOOPBACK_MTU).min_mtu(LOOPBACK_MTU).mtu_discovery_config(None);
    } else {
        let mut discovery = MtuDiscoveryConfig::default();
        discovery.upper_bound(ETHERNET_MTU);
        config.mtu_discovery_config(Some(discovery));
    }
    Ok(Arc::new(config))
}

/// The largest UDP payload that an end takes which is bound to this address. Whoever accepts may be
/// dialed over loopback too. QUIC's receive buffer is 2048 times as large: 3 MB where 13 MB are not
/// needed, for each topology of an operator.
pub(crate) fn max_udp_payload(bound: IpAddr, accepts: bool) -> u16 {
    if accepts || bound.is_loopback() { LOOPBACK_MTU } else { ETHERNET_MTU }
}
