//! What is spawned for a stream manager and for a task.

use super::directory::Directory;
use crate::{catalog::Binaries, roles};
use egret_process::Child;
use egret_topology::{
    id::PodId,
    logical::{Logical, LogicalComponent},
    packing_plan::PackedTask,
};
use serde_json::Value;
use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// What all children of a run have in common.
pub(crate) struct Family<'a> {
    pub(crate) logical: &'a Logical,
    pub(crate) binaries: &'a Binaries,
    pub(crate) directory: &'a Directory,
    pub(crate) uid: &'a str,
    /// This program, which plays the hidden roles.
    pub(crate) egret: &'a Path,
}

/// Name of a stream manager among the children.
pub(crate) fn pod_name(pod: PodId) -> String {
    format!("pod {pod}")
}

/// Name of a task among the children, and in everything that is shown.
pub(crate) fn task_name(task: &PackedTask) -> String {
    format!("{}[{}]", task.component, task.index)
}

impl Family<'_> {
    pub(crate) fn stream_manager(&self, pod: PodId) -> Child {
        let mut args = vec![OsString::from(roles::STREAM_MANAGER)];
        let mut add = |option: &str, value: OsString| args.extend([option.into(), value]);
        add("--topology", self.logical.name.clone().into());
        add("--uid", self.uid.into());
        add("--pod", pod.to_string().into());
        add("--listen", "127.0.0.1:0".into());
        add("--admin", "127.0.0.1:0".into());
        add("--inspect", self.directory.inspect(pod).into());
        add("--dir", self.directory.pod(pod).into());
        add("--parent-pid", std::process::id().to_string().into());
        args.push("--log-json".into());
        Child {
            name: pod_name(pod),
            program: self.egret.to_owned(),
            args,
            env: Vec::new(),
            cwd: None,
            inherit_stdin: false,
        }
    }

    pub(crate) fn instance(&self, task: &PackedTask, pod: PodId, manager: SocketAddr) -> Child {
        let component = self.logical.component(&task.component);
        let program = component.and_then(|component| self.binaries.program(&component.component));
        let (program, role) = match program {
            Some(binary) => (PathBuf::from(binary), "run"),
            None => (self.egret.to_owned(), roles::INSTANCE),
        };
        let mut args = vec![OsString::from(role)];
        let mut add = |option: &str, value: OsString| args.extend([option.into(), value]);
        add("--topology", self.logical.name.clone().into());
        add("--uid", self.uid.into());
        add("--task", task.task.to_string().into());
        add("--component", task.component.clone().into());
        add("--pod", pod.to_string().into());
        add("--manager", manager.to_string().into());
        add("--identity", self.directory.task(task.task).into());
        add("--parent-pid", std::process::id().to_string().into());
        let env = component.map(|component| component.env.as_slice()).unwrap_or_default();
        Child {
            name: task_name(task),
            program,
            args,
            env: env.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            cwd: None,
            inherit_stdin: task.index == 0 && component.is_some_and(reads_stdin),
        }
    }
}

/// Whether a component is `lines` told to read standard input.
fn reads_stdin(component: &LogicalComponent) -> bool {
    let path = component.config.get("path");
    let is_stdin = match path {
        Some(Value::String(path)) => path == "-",
        Some(Value::Array(paths)) => paths.iter().any(|path| path == "-"),
        _ => false,
    };
    component.component == "lines" && is_stdin
}
