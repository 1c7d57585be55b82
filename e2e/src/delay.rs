//! Packets that take longer from one node to the other, where the kernel has no `netem`: a tunnel
//! takes them out, somebody holds them for a while, and the tunnel gives them back.

use crate::{Result, command, error::file, layout::Machine, machine, network::inside, wait::lasts};
use std::{
    fs, io,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

/// The tunnel's name on the node.
const TUNNEL: &str = "egret-late";
/// The table of routes into it, of the node's own numbering.
const TABLE: &str = "4738";
/// Packets that may be held at the same time; more are lost, as on any wire.
const HELD: usize = 16_384;
/// The largest packet.
const PACKET: usize = 65_536;
/// How often whoever waits for packets looks whether it is over.
const LOOK: Duration = Duration::from_millis(100);

/// Longer ways between the pods of two nodes, until it is ended or dropped.
#[derive(Debug)]
pub struct Delayed {
    node: Machine,
    rules: Vec<Vec<String>>,
    relay: Option<Child>,
    over: Arc<AtomicBool>,
    sockets: [PathBuf; 2],
}

impl Delayed {
    /// Holds all packets between pods of the two nodes for so long, either way, at the first.
    pub(crate) fn make(node: Machine, other: Machine, time: Duration) -> Result<Delayed> {
        let sockets = ["out", "in"].map(|end| node.file(&format!("/run/egret-late-{end}.sock")));
        let over = Arc::new(AtomicBool::default());
        let mut made = Delayed { node, rules: Vec::new(), relay: None, over, sockets };
        made.hold(time)?;
        made.relay = Some(made.tunnel()?);
        made.up()?;
        inside(node, &["ip", "route", "add", "default", "dev", TUNNEL, "table", TABLE])?;
        let (mine, theirs) = (node.pods().unwrap_or_default(), other.pods().unwrap_or_default());
        // What comes out of the tunnel goes on as ever.
        made.rule(&["priority", "100", "iif", TUNNEL, "lookup", "main"])?;
        made.rule(&["priority", "101", "from", mine, "to", theirs, "lookup", TABLE])?;
        made.rule(&["priority", "102", "from", theirs, "to", mine, "lookup", TABLE])?;
        Ok(made)
    }

    /// Ends it. What is held then is lost.
    pub fn end(mut self) -> Result<()> {
        self.heal()
    }

    fn rule(&mut self, rule: &[&str]) -> Result<()> {
        let all: Vec<&str> = ["ip", "rule", "add"].iter().chain(rule).copied().collect();
        inside(self.node, &all)?;
        self.rules.push(rule.iter().map(|word| (*word).to_owned()).collect());
        Ok(())
    }

    fn heal(&mut self) -> Result<()> {
        for rule in std::mem::take(&mut self.rules).iter().rev() {
            let words = ["ip", "rule", "delete"].into_iter();
            let all: Vec<&str> = words.chain(rule.iter().map(String::as_str)).collect();
            inside(self.node, &all)?;
        }
        self.over.store(true, Ordering::Relaxed);
        if let Some(mut relay) = self.relay.take() {
            // The tunnel goes with who has made it, and its routes with it.
            let _ = relay.kill();
            relay.wait().map_err(file("wait for", "socat"))?;
        }
        Ok(())
    }

    /// Joins a tunnel on the node to a socket that any process of the host can have.
    fn tunnel(&self) -> Result<Child> {
        let [out, back] = self.sockets.each_ref().map(|path| path.display().to_string());
        let pid = machine::pid(self.node).map(|pid| pid.as_raw_nonzero().to_string());
        let tun = format!("TUN,tun-name={TUNNEL},iff-no-pi,iff-up");
        let socket = format!("UNIX-SENDTO:{out},bind={back}");
        let args = ["--target", &pid.unwrap_or_default(), "--net", "socat", "-b", "65536"];
        let mut command = command::program("nsenter", &args);
        command.args([tun, socket]).stdin(Stdio::null()).stdout(Stdio::null());
        command.spawn().map_err(file("start", "socat"))
    }

    /// Waits for the tunnel.
    fn up(&self) -> Result<()> {
        let wait = crate::wait::Wait::new(TUNNEL, "being up", command::QUICK);
        wait.until(|| {
            inside(self.node, &["ip", "link", "show", "up", "dev", TUNNEL])
                .map_err(|error| error.to_string())
        })
    }

    /// Holds what comes out of the tunnel, and gives it back.
    fn hold(&self, time: Duration) -> Result<()> {
        let [out, back] = &self.sockets;
        for path in [out, back] {
            remove(path).map_err(file("remove", path))?;
        }
        let socket = UnixDatagram::bind(out).map_err(file("bind", out))?;
        socket.set_read_timeout(Some(LOOK)).map_err(file("set up", out))?;
        let back_socket = socket.try_clone().map_err(file("share", out))?;
        let (held, due) = sync_channel(HELD);
        let over = self.over.clone();
        thread::spawn(move || take(&socket, &held, time, &over));
        let back = back.clone();
        thread::spawn(move || give_back(&back_socket, &due, &back));
        Ok(())
    }
}

impl Drop for Delayed {
    fn drop(&mut self) {
        if let Err(error) = self.heal() {
            eprintln!("{error}");
        }
    }
}

fn take(
    socket: &UnixDatagram,
    held: &SyncSender<(Instant, Vec<u8>)>,
    time: Duration,
    over: &AtomicBool,
) {
    let mut packet = vec![0; PACKET];
    while !over.load(Ordering::Relaxed) {
        if let Ok(length) = socket.recv(&mut packet) {
            // Too many are lost.
            let _ = held.try_send((Instant::now() + time, packet[..length].to_vec()));
        }
    }
}

fn give_back(socket: &UnixDatagram, due: &Receiver<(Instant, Vec<u8>)>, back: &Path) {
    // They are due in the order in which they came.
    for (at, packet) in due {
        lasts(at.saturating_duration_since(Instant::now()));
        let _ = socket.send_to(&packet, back);
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
