//! What the operator is told when it starts.

use crate::{
    record::Images,
    validate::{Allowed, Feature},
};
use clap::{Args, Parser, Subcommand};
use egret_crd::Topology;
use kube::{Api, Client};
use std::net::SocketAddr;

/// Topology resources in, pods out.
#[derive(Clone, Debug, Parser)]
#[command(name = "egret-operator", version)]
pub struct Options {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the operator can do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Ask an operator over its service whether it works
    Check {
        /// HOST:PORT of its metrics and probes
        address: String,
    },
    /// Print the CustomResourceDefinition as YAML
    Crd,
    /// End the operator for good, before it is uninstalled
    Retire(RetireOptions),
    /// Reconcile topologies until asked to end
    Run(Box<RunOptions>),
}

/// Which operator is to end.
#[derive(Args, Clone, Debug)]
pub struct RetireOptions {
    /// Namespace of the operator
    #[arg(long, env = "POD_NAMESPACE", default_value = "egret-system")]
    pub namespace: String,
    /// Its Deployment, which is scaled to nothing
    #[arg(long)]
    pub deployment: String,
    /// It has looked after topologies of these namespaces only; repeatable [default: all]
    #[arg(long = "watch-namespace", env = "EGRET_WATCH_NAMESPACES", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,
}

impl RetireOptions {
    /// The topologies that it has looked after.
    pub fn scopes(&self, client: &Client) -> Vec<Api<Topology>> {
        match &self.watch_namespaces[..] {
            [] => vec![Api::all(client.clone())],
            names => names.iter().map(|name| Api::namespaced(client.clone(), name)).collect(),
        }
    }
}

/// How the operator works.
#[derive(Args, Clone, Debug)]
pub struct RunOptions {
    /// Namespace of the operator, where it keeps CAs and its lease
    #[arg(long, env = "POD_NAMESPACE", default_value = "egret-system")]
    pub namespace: String,
    /// Name of this operator among its replicas
    #[arg(long, env = "POD_NAME", default_value = "egret-operator")]
    pub name: String,
    /// Look after topologies of these namespaces only; repeatable [default: all]
    #[arg(long = "watch-namespace", env = "EGRET_WATCH_NAMESPACES", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,
    /// Image of stream managers
    #[arg(long, env = "EGRET_STREAM_MANAGER_IMAGE")]
    pub stream_manager_image: String,
    /// Image of instances of the ready-made components
    #[arg(long, env = "EGRET_INSTANCE_IMAGE")]
    pub instance_image: String,
    /// Namespace that may read metrics of stream managers [default: none]
    #[arg(long, env = "EGRET_METRICS_NAMESPACE")]
    pub metrics_namespace: Option<String>,
    /// What topologies may lay over their pods; repeatable [default: nothing of these]
    #[arg(long = "allow", env = "EGRET_ALLOW", value_enum, value_delimiter = ',')]
    pub allow: Vec<Feature>,
    /// HTTP address of metrics and probes
    #[arg(long, default_value = "0.0.0.0:8080")]
    pub admin: SocketAddr,
    /// Topologies that are looked after at the same time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// Work without a lease: for a single operator on a developer's machine
    #[arg(long)]
    pub no_leader_election: bool,
    /// Log one JSON object per line
    #[arg(long)]
    pub log_json: bool,
}

impl RunOptions {
    /// Images of the data plane.
    pub fn images(&self) -> Images {
        Images {
            stream_manager: self.stream_manager_image.clone(),
            instance: self.instance_image.clone(),
        }
    }

    /// What the administrator allows.
    pub fn allowed(&self) -> Allowed {
        self.allow.iter().copied().collect()
    }
}
