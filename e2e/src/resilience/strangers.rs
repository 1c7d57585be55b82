//! Faults by those who have no certificate, and by certificates that change.

use super::{PATIENCE, Patient};
use crate::{Deployed, Error, Life, Result, error::file, random::Random, wait::Wait};
use egret_link::{Authority, Credentials, Endpoint, Identity, Windows};
use egret_topology::id::PodId;
use egret_wire::control::ALPN_PEER;
use std::{
    io,
    net::{SocketAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

/// Where stream managers listen.
const PORT: u16 = 4738;
/// First words of different strangers, each of which a stream manager answers and waits for.
const STRANGERS: usize = 256;
/// Between two first words: garbage of so many lengths, up to what goes over a wire.
const GARBAGE: [usize; 6] = [0, 1, 21, 60, 1200, 1472];
/// For a stranger to say the first word.
const SAID: Duration = Duration::from_secs(5);
/// A pod may have so much more when strangers have gone.
const MORE: u64 = 16_000_000;
/// Certificates are renewed so often.
const TIMES: usize = 5;

impl Patient<'_> {
    /// Sends the first stream manager garbage, and first words of handshakes that nobody goes on
    /// with, as fast as one processor can.
    pub(super) fn strangers(&self, seconds: u64) -> Result<Instant> {
        let pods = self.topology.pods()?;
        let pod = pods.first().ok_or_else(|| Error::Fault("there is no pod".to_owned()))?;
        let address: SocketAddr = format!("{}:{PORT}", pod.ip)
            .parse()
            .map_err(|error| Error::Fault(format!("the address of {}: {error}", pod.name)))?;
        let (before, refused) = (self.memory()?, refused(pod)?);
        let words = first_words().map_err(|error| Error::Fault(format!("a stranger: {error}")))?;
        let since = Instant::now();
        let sent = shout(address, &words, since + Duration::from_secs(seconds))
            .map_err(file("send to", &pod.ip))?;
        let now = self::refused(pod)?;
        let after = self.memory()?;
        eprintln!(
            "{sent} datagrams, {} links refused; a pod had {before} bytes, now {after}",
            now - refused
        );
        if now <= refused {
            return Err(Error::Fault(format!("{} has refused nobody of {sent}", pod.name)));
        }
        if after > before + MORE {
            let why = format!("a pod has {after} bytes after {sent} datagrams, {before} before");
            return Err(Error::Fault(why));
        }
        Ok(since)
    }

    /// Renews all certificates again and again, each time once all processes show the last ones.
    pub(super) fn renew(&self) -> Result<Instant> {
        let since = Instant::now();
        for _ in 0..TIMES {
            let told = renewals(&self.topology)?;
            let containers = self.containers()?;
            let secrets = self.secrets()?;
            for secret in &secrets {
                let args = ["annotate", "--overwrite", secret, "egret.dev/renew-at=0"];
                self.topology.namespace().kubectl(&args)?;
            }
            // The next operator looks at them at once, this one within ten minutes.
            let delete = ["delete", "pod", "--selector", crate::installed::SELECTOR];
            self.cluster.operator_kubectl(&delete)?;
            let what = format!("{containers} processes with newer certificates");
            Wait::new("the pods", &what, PATIENCE + PATIENCE).until(|| {
                let now = renewals(&self.topology).map_err(|error| error.to_string())?;
                let shown = now.saturating_sub(told);
                if shown >= containers { Ok(()) } else { Err(format!("{shown} have them")) }
            })?;
        }
        Ok(since)
    }

    fn containers(&self) -> Result<usize> {
        let path = "jsonpath={range .items[*]}{.spec.initContainers[*].name} \
                    {.spec.containers[*].name} {end}";
        let args = ["get", "pods", "--selector", self.selector(), "--output", path];
        Ok(self.topology.namespace().kubectl(&args)?.split_whitespace().count())
    }

    /// The Secrets with the certificates of pods.
    fn secrets(&self) -> Result<Vec<String>> {
        let args = ["get", "secrets", "--output=name"];
        let names = self.topology.namespace().kubectl(&args)?;
        let ours = names.lines().filter(|name| name.ends_with("-identity"));
        Ok(ours.map(str::to_owned).collect())
    }

    fn selector(&self) -> &'static str {
        "egret.dev/topology=t"
    }
}

/// How often processes have said that they show a newer certificate.
fn renewals(topology: &Deployed<'_>) -> Result<usize> {
    let mut times = 0;
    for pod in topology.pods()? {
        let args = ["logs", &pod.name, "--all-containers", "--tail=-1"];
        let log = topology.namespace().kubectl(&args)?;
        times += log.matches("the certificate was renewed").count();
    }
    Ok(times)
}

/// Links that a stream manager has refused.
fn refused(pod: &Life) -> Result<u64> {
    let metrics = pod.metrics().map_err(file("ask", &pod.name))?;
    let refused = metrics.lines().filter(|line| {
        line.starts_with("egret_links_closed_total{") && line.contains("reason=\"refused\"")
    });
    Ok(refused.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64)
}

/// What strangers with certificates of their own say first, which no two of them say alike.
fn first_words() -> std::result::Result<Vec<Vec<u8>>, Box<dyn std::error::Error>> {
    let heard = UdpSocket::bind(("127.0.0.1", 0))?;
    heard.set_read_timeout(Some(SAID))?;
    let address = heard.local_addr()?;
    let authority = Authority::new("stranger")?;
    let identity = Identity::Pod { uid: "stranger".into(), pod: PodId(1) };
    let pem = authority.issue(&identity, Duration::from_secs(3600))?;
    let hears = thread::spawn(move || hear(&heard));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let credentials = Credentials::from_pem(&pem)?;
        let endpoint = Endpoint::dialing_to(address, &credentials, Windows::default())?;
        let mut dials = tokio::task::JoinSet::new();
        for _ in 0..STRANGERS {
            let (endpoint, whom) = (endpoint.clone(), identity.clone());
            dials.spawn(async move { endpoint.connect(address, &whom, ALPN_PEER).await.is_ok() });
        }
        // Nobody answers.
        dials.join_all().await;
        Ok::<(), egret_link::Error>(())
    })?;
    Ok(hears.join().map_err(|_| io::Error::other("who hears strangers has panicked"))??)
}

fn hear(socket: &UdpSocket) -> io::Result<Vec<Vec<u8>>> {
    // On a loopback a first word is longer than what goes over a wire in one piece.
    let mut word = vec![0; 1 << 16];
    let one = |_| socket.recv_from(&mut word).map(|(length, _)| word[..length].to_vec());
    (0..STRANGERS).map(one).collect()
}

/// Says all of it again and again; how many datagrams that were.
fn shout(address: SocketAddr, words: &[Vec<u8>], until: Instant) -> io::Result<u64> {
    let mut sent = 0;
    let mut random = Random::new(1);
    while Instant::now() < until {
        // Strangers come from everywhere.
        let socket = UdpSocket::bind(("0.0.0.0", 0))?;
        socket.connect(address)?;
        for word in words {
            // What cannot be sent now is not missed.
            sent += u64::from(socket.send(word).is_ok());
            for length in GARBAGE {
                let garbage: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
                sent += u64::from(socket.send(&garbage).is_ok());
            }
        }
        thread::yield_now();
    }
    Ok(sent)
}
