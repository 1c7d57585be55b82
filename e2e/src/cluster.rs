//! A cluster: given by KUBECONFIG, or our own, brought up and taken down here.

use crate::{
    Error, Progress, Result,
    binaries::{Binaries, lock},
    command, host, images,
    layout::{self, Machine},
    recipe::CLUSTER,
    start, stop,
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// For a question to the API server.
const ASK: Duration = Duration::from_secs(60);
/// An installation, with all that it waits for.
const HELM: Duration = Duration::from_secs(180);

/// A cluster that answers.
#[derive(Clone, Debug)]
pub struct Cluster {
    kubeconfig: PathBuf,
    bin: Option<PathBuf>,
    own: bool,
}

impl Cluster {
    /// The cluster that KUBECONFIG names, else our own, which is started if it does not run.
    pub fn up(progress: &Progress) -> Result<Cluster> {
        if let Some(cluster) = Cluster::given() {
            let nodes = cluster.nodes()?;
            progress.say(&format!("KUBECONFIG names a cluster with nodes {}", nodes.join(", ")));
            return Ok(cluster);
        }
        let _lock = lock(progress)?;
        host::prepare(progress)?;
        let binaries = Binaries::obtain(&CLUSTER, progress)?;
        let archives = images::obtain(&binaries)?;
        let cluster = Cluster::own(Some(&binaries));
        if Machine::ALL.into_iter().all(|machine| crate::machine::pid(machine).is_some())
            && cluster.ready_nodes().is_ok_and(|nodes| nodes.len() == Machine::NODES.len())
        {
            progress.say("the cluster is up already");
            return Ok(cluster);
        }
        stop::down(progress)?;
        start::start(&cluster, &binaries, &archives, progress)?;
        Ok(cluster)
    }

    /// Builds all that a cluster of our own consists of, and does not start it.
    pub fn build(progress: &Progress) -> Result<()> {
        let _lock = lock(progress)?;
        let binaries = Binaries::obtain(&CLUSTER, progress)?;
        progress.say(&format!("everything is in {}", binaries.bin().display()));
        Ok(())
    }

    /// The cluster that KUBECONFIG names, else our own if it runs.
    pub fn connect() -> Result<Cluster> {
        if let Some(cluster) = Cluster::given() {
            return Ok(cluster);
        }
        if !layout::kubeconfig().exists() {
            return Err(Error::NoCluster);
        }
        Ok(Cluster::own(Binaries::built(&CLUSTER)?.as_ref()))
    }

    /// Takes our own cluster down. One that KUBECONFIG names is left alone.
    pub fn down(progress: &Progress) -> Result<()> {
        if Cluster::given().is_some() {
            progress.say("KUBECONFIG names a cluster that is not ours: left alone");
            return Ok(());
        }
        host::capable().map_err(Error::Host)?;
        let _lock = lock(progress)?;
        stop::down(progress)
    }

    /// A cluster that somebody else made, if KUBECONFIG names one.
    fn given() -> Option<Cluster> {
        let kubeconfig = std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty())?;
        let kubeconfig = PathBuf::from(kubeconfig);
        let foreign = kubeconfig != layout::kubeconfig();
        foreign.then_some(Cluster { kubeconfig, bin: None, own: false })
    }

    fn own(binaries: Option<&Binaries>) -> Cluster {
        let bin = binaries.map(Binaries::bin);
        Cluster { kubeconfig: layout::kubeconfig(), bin, own: true }
    }

    /// Whether we made it, so that its machines may be stopped and its directories read.
    pub fn is_own(&self) -> bool {
        self.own
    }

    /// What to set KUBECONFIG to.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Where `kubectl` and `helm` of the right version are, if they are not simply in the PATH.
    pub fn bin(&self) -> Option<&Path> {
        self.bin.as_deref()
    }

    /// What `kubectl` answers.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.kubectl_with("", ASK, args)
    }

    /// The same with something to read, and for as long as it may take.
    pub fn kubectl_with(&self, input: &str, limit: Duration, args: &[&str]) -> Result<String> {
        let program = self.bin.as_ref().map_or("kubectl".into(), |bin| bin.join("kubectl"));
        let mut command = command::program(program, args);
        command.env("KUBECONFIG", &self.kubeconfig);
        command::with_input(&mut command, input, limit)
    }

    /// What `helm` answers.
    pub fn helm(&self, args: &[&str]) -> Result<String> {
        let program = self.bin.as_ref().map_or("helm".into(), |bin| bin.join("helm"));
        let mut command = command::program(program, args);
        command.env("KUBECONFIG", &self.kubeconfig);
        command::output(&mut command, HELM)
    }

    /// Creates or changes what these manifests say.
    pub fn apply(&self, manifests: &str) -> Result<String> {
        self.kubectl_with(manifests, ASK, &["apply", "--filename", "-"])
    }

    /// The names of all nodes.
    pub fn nodes(&self) -> Result<Vec<String>> {
        let names = self.kubectl(&["get", "nodes", "--output", "name"])?;
        Ok(names.lines().map(|line| line.trim_start_matches("node/").to_owned()).collect())
    }

    /// The names of those that are ready.
    pub fn ready_nodes(&self) -> Result<Vec<String>> {
        let path = "jsonpath={range .items[*]}{.metadata.name}=\
                    {.status.conditions[?(@.type==\"Ready\")].status}{\"\\n\"}{end}";
        let text = self.kubectl(&["get", "nodes", "--output", path])?;
        Ok(text.lines().filter_map(|line| line.strip_suffix("=True")).map(str::to_owned).collect())
    }

    /// Gives every node the images of an archive. Another's cluster gets them from its registry.
    pub fn import(&self, archive: &Path) -> Result<()> {
        if !self.own {
            let why = "KUBECONFIG names a cluster of yours: push the images to its registry";
            return Err(Error::Host(why.into()));
        }
        Machine::NODES.into_iter().try_for_each(|node| images::import(node, archive))
    }

    /// Gives an image that all nodes of our own cluster have another name besides.
    pub fn tag(&self, image: &str, other: &str) -> Result<()> {
        Machine::NODES.into_iter().try_for_each(|node| images::tag(node, image, other))
    }
}
