//! The ceiling: what raw quinn moves from an instance over two stream managers to another instance,
//! with Egret's own settings of links, and nothing done to the bytes.
//!
//! ```text
//! thread 1           thread 2           thread 3           thread 4
//! task 0 ──dials──►  pod 0 ──dials──►   pod 1  ◄──dials──  task 1
//!        ═══════════════ bytes ═══════════════════════════►
//! ```

use crate::line::{self, Line, Outcome, Sample};
use anyhow::Context;
use bytes::Bytes;
use egret_link::{
    Authority, Credentials, Endpoint, Identity, Windows, admit,
    endpoint::close,
    quinn::{Connection, RecvStream, SendStream},
};
use egret_topology::id::{PodId, TaskId};
use egret_wire::control::{ALPN_INSTANCE, ALPN_PEER};
use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// The hidden subcommand: `__ceiling FRAME WARM_UP WINDOW WINDOWS`, times in seconds.
pub(crate) const ROLE: &str = "__ceiling";

const UID: &str = "ceiling";
/// Certificates outlive any run.
const VALID_FOR: Duration = Duration::from_secs(24 * 3600);
/// Pieces taken from a stream at once.
const PIECES: usize = 64;
/// Time for the next node to take what is still under way.
const GOODBYE: Duration = Duration::from_secs(5);

/// What the threads know of each other.
#[derive(Default)]
struct Watch {
    sent: AtomicU64,
    arrived: AtomicU64,
    stop: AtomicBool,
}

pub(crate) fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(2).collect();
    let [frame, warm_up, window, windows] = &words[..] else {
        anyhow::bail!("usage: {ROLE} FRAME WARM_UP WINDOW WINDOWS");
    };
    let (frame, windows): (usize, u32) = (frame.parse()?, windows.parse()?);
    let seconds = |text: &String| anyhow::Ok(Duration::from_secs_f64(text.parse()?));
    let (warm_up, window) = (seconds(warm_up)?, seconds(window)?);
    let watch = Arc::new(Watch::default());
    let nodes = start(frame, &watch)?;
    let started = Instant::now();
    let mut due = warm_up;
    for _ in 0..=windows {
        wait_until(started + due);
        due += window;
        let done = watch.arrived.load(Relaxed);
        line::print(&Line::Sample(Sample { seconds: started.elapsed().as_secs_f64(), done }))?;
    }
    watch.stop.store(true, Relaxed);
    for node in nodes {
        let ended = node.join();
        ended.map_err(|_| anyhow::anyhow!("a thread panicked"))??;
    }
    let (emitted, counted) = (watch.sent.load(Relaxed), watch.arrived.load(Relaxed));
    line::print(&Line::Result(Outcome { emitted, counted, ..Outcome::default() }))
}

/// Others may wake this thread.
fn wait_until(then: Instant) {
    while let Some(left) = then.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}

type Node = JoinHandle<anyhow::Result<()>>;

/// All four nodes, linked.
fn start(frame: usize, watch: &Arc<Watch>) -> anyhow::Result<Vec<Node>> {
    let authority = Authority::new(UID)?;
    let credentials = |identity: &Identity| -> anyhow::Result<Credentials> {
        Ok(Credentials::from_pem(&authority.issue(identity, VALID_FOR)?)?)
    };
    let pod = |n| Identity::Pod { uid: UID.to_owned(), pod: PodId(n) };
    let task = |n| Identity::Task { uid: UID.to_owned(), task: TaskId(n) };
    let pods = [credentials(&pod(0))?, credentials(&pod(1))?];
    let tasks = [credentials(&task(0))?, credentials(&task(1))?];
    let [of_pod_0, of_pod_1] = pods;
    let [of_task_0, of_task_1] = tasks;
    let (tell_1, told_1) = mpsc::channel();
    let (tell_0, told_0) = mpsc::channel();
    let mut nodes = vec![node(move || async move {
        let endpoint = listen(&of_pod_1, &tell_1)?;
        let (first, second) = (accept(&endpoint).await?, accept(&endpoint).await?);
        // Who dialed first is chance.
        let (from, to) = if first.1 == task(1) { (second.0, first.0) } else { (first.0, second.0) };
        forward(from.accept_uni().await?, to.open_uni().await?).await?;
        leave(&endpoint, Some(&to), Some(&from)).await
    })];
    let pod_1 = told_1.recv().context("pod 1 does not listen")?;
    let arrived = watch.clone();
    nodes.push(node(move || async move {
        let (endpoint, from) = dial(&of_task_1, pod_1, 1, ALPN_INSTANCE).await?;
        sink(from.accept_uni().await?, &arrived).await?;
        leave(&endpoint, None, Some(&from)).await
    }));
    nodes.push(node(move || async move {
        let endpoint = listen(&of_pod_0, &tell_0)?;
        let from = accept(&endpoint).await?.0;
        let to = connect(&endpoint, pod_1, 1, ALPN_PEER).await?;
        forward(from.accept_uni().await?, to.open_uni().await?).await?;
        leave(&endpoint, Some(&to), Some(&from)).await
    }));
    let pod_0 = told_0.recv().context("pod 0 does not listen")?;
    let sent = watch.clone();
    nodes.push(node(move || async move {
        let (endpoint, to) = dial(&of_task_0, pod_0, 0, ALPN_INSTANCE).await?;
        source(to.open_uni().await?, frame, &sent).await?;
        leave(&endpoint, Some(&to), None).await
    }));
    Ok(nodes)
}

/// A thread with a runtime of its own, as every process of Egret has one.
fn node<F>(run: impl FnOnce() -> F + Send + 'static) -> Node
where
    F: Future<Output = anyhow::Result<()>>,
{
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(run())
    })
}

fn listen(credentials: &Credentials, tell: &mpsc::Sender<SocketAddr>) -> anyhow::Result<Endpoint> {
    let any = (Ipv4Addr::LOCALHOST, 0).into();
    let alpns = [ALPN_INSTANCE, ALPN_PEER];
    let endpoint = Endpoint::accepting(any, credentials, &alpns, Windows::default())?;
    tell.send(endpoint.local_address()?).context("nobody wants to know the address")?;
    Ok(endpoint)
}

async fn accept(endpoint: &Endpoint) -> anyhow::Result<(Connection, Identity)> {
    let connecting = endpoint.accept().await.context("nobody dials")?;
    let admitted = admit(connecting).await?;
    Ok((admitted.connection, admitted.identity))
}

async fn connect(
    endpoint: &Endpoint,
    address: SocketAddr,
    pod: u32,
    alpn: &[u8],
) -> anyhow::Result<Connection> {
    let whom = Identity::Pod { uid: UID.to_owned(), pod: PodId(pod) };
    Ok(endpoint.connect(address, &whom, alpn).await?)
}

async fn dial(
    credentials: &Credentials,
    address: SocketAddr,
    pod: u32,
    alpn: &[u8],
) -> anyhow::Result<(Endpoint, Connection)> {
    let endpoint = Endpoint::dialing_to(address, credentials, Windows::default())?;
    let connection = connect(&endpoint, address, pod, alpn).await?;
    Ok((endpoint, connection))
}

async fn source(mut stream: SendStream, frame: usize, watch: &Watch) -> anyhow::Result<()> {
    let frame = Bytes::from(vec![7; frame]);
    while !watch.stop.load(Relaxed) {
        stream.write_chunk(frame.clone()).await?;
        watch.sent.fetch_add(frame.len() as u64, Relaxed);
    }
    finish(stream).await
}

async fn forward(mut from: RecvStream, mut to: SendStream) -> anyhow::Result<()> {
    let mut pieces = vec![Bytes::new(); PIECES];
    while let Some(n) = from.read_chunks(&mut pieces).await? {
        to.write_all_chunks(&mut pieces[..n]).await?;
    }
    finish(to).await
}

async fn sink(mut from: RecvStream, watch: &Watch) -> anyhow::Result<()> {
    let mut pieces = vec![Bytes::new(); PIECES];
    while let Some(n) = from.read_chunks(&mut pieces).await? {
        let bytes: usize = pieces[..n].iter().map(Bytes::len).sum();
        watch.arrived.fetch_add(bytes as u64, Relaxed);
    }
    Ok(())
}

/// Says that nothing more will come.
async fn finish(mut stream: SendStream) -> anyhow::Result<()> {
    Ok(stream.finish()?)
}

/// Waits until the next node has everything, and tells the one before.
async fn leave(
    endpoint: &Endpoint,
    to: Option<&Connection>,
    from: Option<&Connection>,
) -> anyhow::Result<()> {
    if let Some(to) = to {
        let closed = tokio::time::timeout(GOODBYE, to.closed()).await;
        closed.context("the next node does not come to an end")?;
    }
    if let Some(from) = from {
        from.close(close::DONE, b"");
    }
    endpoint.wait_idle().await;
    Ok(())
}
