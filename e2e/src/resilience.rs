//! Faults under load: what is done to a topology, how soon everything flows again, and what has
//! become of every line.

mod exhaustion;
mod strangers;

use crate::{
    Cluster, Deployed, Life, Namespace, Result,
    error::file,
    layout::Machine,
    load::{Account, COPIES, Load},
    network::Trouble,
    processes::{signal, worker},
    wait::{self, Wait},
};
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// How long to wait for what should take seconds.
const PATIENCE: Duration = Duration::from_secs(150);

/// Something that is done to a topology under load.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// In words.
    pub what: &'static str,
    /// Everything flows so soon again, from when it is over.
    pub within: Duration,
    /// Pods are others afterwards.
    pub replaces: bool,
    /// Too long for every run of the tests.
    pub long: bool,
    /// Does it, and returns when it is over.
    inflict: fn(&Patient<'_>) -> Result<Instant>,
}

const fn fault(
    what: &'static str,
    within: u64,
    inflict: fn(&Patient<'_>) -> Result<Instant>,
) -> Fault {
    let within = Duration::from_secs(within);
    Fault { what, within, replaces: false, long: false, inflict }
}

const fn long(fault: Fault) -> Fault {
    Fault { long: true, ..fault }
}

const fn replacing(fault: Fault) -> Fault {
    Fault { replaces: true, ..fault }
}

/// All of them, in the order in which they are inflicted.
pub const FAULTS: [Fault; 20] = [
    fault("an instance is killed with -9", 1, |patient| patient.kill(&["--component", "keep"])),
    fault("a stream manager is killed with -9", 3, |patient| {
        patient.kill(&["--listen", "--pod", "1"])
    }),
    replacing(fault("a pod is deleted", 10, |patient| patient.delete(&[]))),
    replacing(fault("a pod is deleted without a grace period", 10, |patient| {
        patient.delete(&["--grace-period=0", "--force"])
    })),
    fault("a stream manager stands still for 10 s (SIGSTOP)", 3, |patient| patient.stop()),
    fault("an instance stands still for 10 s (SIGSTOP)", 3, |patient| patient.stop_instance()),
    fault("one node hears nothing of the other for 20 s", 5, |patient| {
        patient.between(Trouble::Deaf, 20)
    }),
    long(fault("two nodes are parted for 20 s", 5, |patient| patient.between(Trouble::Parted, 20))),
    fault("1 % of the packets between two nodes are lost for 20 s", 5, |patient| {
        patient.between(Trouble::Loss(1), 20)
    }),
    long(fault("5 % of the packets between two nodes are lost for 20 s", 5, |patient| {
        patient.between(Trouble::Loss(5), 20)
    })),
    long(fault("packets between two nodes take 50 ms longer for 20 s", 5, |patient| {
        patient.delay(50, 20)
    })),
    long(fault("UDP buffers are 208 KiB, and both stream managers begin anew", 5, |patient| {
        patient.small_buffers(20)
    })),
    long(fault("the disk that pods keep their state on is full for 20 s", 1, |patient| {
        patient.full_disk(20)
    })),
    long(fault("an instance runs out of memory", 3, |patient| patient.out_of_memory())),
    long(fault("strangers send garbage and half handshakes for 20 s", 1, |patient| {
        patient.strangers(20)
    })),
    long(fault("all certificates are renewed, five times", 1, |patient| patient.renew())),
    fault("the operator is killed", 1, |patient| patient.kill_operator()),
    long(fault("etcd is away for 20 s", 1, |patient| patient.away("etcd", 20))),
    long(fault("the API server is away for 60 s", 1, |patient| patient.away("kube-apiserver", 60))),
    long(fault("the API server is away for 5 min", 1, |patient| {
        patient.away("kube-apiserver", 300)
    })),
];

/// What came of a fault.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// What was done.
    pub fault: Fault,
    /// How long after it everything flowed again; zero: nothing was ever late.
    pub back: Duration,
    /// For how long a line was on its way at most.
    pub longest: Duration,
    /// Lines that were written since the fault before; each has arrived.
    pub lines: usize,
    /// Lines that came twice since then.
    pub twice: usize,
    /// Resident bytes of all processes of the pod that has most, when everything flowed again.
    pub memory: u64,
}

/// The topology that faults are inflicted on, with its load.
pub struct Patient<'a> {
    cluster: &'a Cluster,
    topology: Deployed<'a>,
}

/// Inflicts faults one after the other. `told` hears of each. Every line has arrived in the end.
pub fn inflict(
    cluster: &Cluster,
    faults: impl IntoIterator<Item = Fault>,
    mut told: impl FnMut(&Outcome),
) -> Result<Account> {
    let mut namespace = Namespace::new(cluster, "resilience")?;
    let input = namespace.volume("input", Machine::A)?.join("in.txt");
    let output = namespace.volume("output", Machine::B)?.join("out.txt");
    namespace.claim("input")?;
    namespace.claim("output")?;
    let mut load = Load::on(&input, output)?;
    let topology = namespace.deploy("t", COPIES)?;
    topology.condition("Ready", "True", PATIENCE)?;
    let patient = Patient { cluster, topology };
    load.back(Instant::now(), PATIENCE, || Ok(true))?;
    let mut before = load.account(PATIENCE)?;
    load.longest()?;
    for fault in faults {
        let pods = patient.topology.pods()?;
        let over = (fault.inflict)(&patient)?;
        let replaced = || Ok(!fault.replaces || patient.replaced(&pods)?);
        let back = load.back(over, PATIENCE, replaced)?;
        let now = load.account(PATIENCE)?;
        if !fault.replaces {
            patient.unchanged(&pods)?;
        }
        patient.topology.condition("Ready", "True", PATIENCE)?;
        let (lines, twice) = (now.lines - before.lines, now.twice - before.twice);
        let (longest, memory) = (load.longest()?, patient.memory()?);
        told(&Outcome { fault, back, longest, lines, twice, memory });
        before = now;
    }
    load.end(PATIENCE)
}

impl Patient<'_> {
    fn kill(&self, words: &[&str]) -> Result<Instant> {
        signal(self.worker(words)?, Signal::KILL)?;
        Ok(Instant::now())
    }

    fn stop(&self) -> Result<Instant> {
        self.stop_for(&["--listen", "--pod", "0"], Duration::from_secs(10))
    }

    fn stop_instance(&self) -> Result<Instant> {
        self.stop_for(&["--component", "keep"], Duration::from_secs(10))
    }

    fn stop_for(&self, words: &[&str], time: Duration) -> Result<Instant> {
        let pid = self.worker(words)?;
        signal(pid, Signal::STOP)?;
        wait::lasts(time);
        signal(pid, Signal::CONT)?;
        Ok(Instant::now())
    }

    fn worker(&self, words: &[&str]) -> Result<rustix::process::Pid> {
        let uid =
            self.topology.object()?["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let words: Vec<&str> = words.iter().copied().chain([uid.as_str()]).collect();
        worker(&words)
    }

    fn delete(&self, how: &[&str]) -> Result<Instant> {
        let pods = self.topology.pods()?;
        let name = pods.first().map(|pod| pod.name.clone()).unwrap_or_default();
        let args: Vec<&str> = ["delete", "pod", &name, "--wait=false"]
            .into_iter()
            .chain(how.iter().copied())
            .collect();
        self.topology.namespace().kubectl(&args)?;
        Ok(Instant::now())
    }

    fn between(&self, trouble: Trouble, seconds: u64) -> Result<Instant> {
        let made = self.cluster.trouble(Machine::A, Machine::B, trouble)?;
        wait::lasts(Duration::from_secs(seconds));
        made.end()?;
        Ok(Instant::now())
    }

    fn delay(&self, milliseconds: u64, seconds: u64) -> Result<Instant> {
        let time = Duration::from_millis(milliseconds);
        let made = self.cluster.delay(Machine::A, Machine::B, time)?;
        wait::lasts(Duration::from_secs(seconds));
        made.end()?;
        Ok(Instant::now())
    }

    fn kill_operator(&self) -> Result<Instant> {
        let selector = crate::installed::SELECTOR;
        let kill = ["delete", "pod", "--selector", selector, "--grace-period=0", "--force"];
        self.cluster.operator_kubectl(&kill)?;
        let now = Instant::now();
        self.cluster.operator_ready()?;
        Ok(now)
    }

    fn away(&self, daemon: &str, seconds: u64) -> Result<Instant> {
        let since = Instant::now();
        self.cluster.hold(Machine::Control, daemon)?;
        wait::lasts(Duration::from_secs(seconds));
        self.cluster.release(Machine::Control, daemon)?;
        let nodes = Machine::NODES.len();
        Wait::new(daemon, "all nodes ready again", PATIENCE + PATIENCE).until(|| {
            let ready = self.cluster.ready_nodes().map_err(|error| error.to_string())?;
            if ready.len() == nodes { Ok(()) } else { Err(format!("ready are {ready:?}")) }
        })?;
        // What was late meanwhile counts: flow never stops.
        Ok(since)
    }

    /// What the processes of the largest pod take.
    fn memory(&self) -> Result<u64> {
        let mut most = 0;
        for pod in self.topology.pods()?.iter().filter(|pod| !pod.terminating) {
            let bytes = pod.metric("process_resident_memory_bytes");
            most = most.max(bytes.map_err(file("ask", &pod.name))? as u64);
        }
        Ok(most)
    }

    /// Others are there instead of some pods, and none is about to go.
    fn replaced(&self, before: &[Life]) -> Result<bool> {
        let pods = self.topology.pods()?;
        Ok(pods.len() == before.len() && pods != before && !pods.iter().any(|pod| pod.terminating))
    }

    /// Nothing was replaced, and no container was restarted.
    fn unchanged(&self, before: &[Life]) -> Result<()> {
        self.topology.until_pods("the same pods", PATIENCE, |pods| pods == before).map(drop)
    }
}
