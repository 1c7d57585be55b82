//! The programs that render and check charts, from the cache that the test cluster's are in too.

use crate::stage;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Programs that are there.
pub(crate) struct Programs {
    directory: PathBuf,
}

/// Takes them from the cache; the first time, builds them from the Go module proxy.
pub(crate) fn obtain(root: &Path) -> Result<Programs, String> {
    let cluster = stage::program(root, "egret-cluster")?;
    let command = [&cluster.to_string_lossy(), "checks"];
    let ended =
        stage::run(root, &command, &[], |line| line.starts_with('[') && line.contains("buil"));
    let last = ended.output.trim_end().lines().last().unwrap_or_default();
    if ended.ok {
        Ok(Programs { directory: PathBuf::from(last) })
    } else {
        // Words of the test cluster, whose programs are built likewise.
        Err(last.trim_start_matches("this machine cannot run a cluster: ").to_owned())
    }
}

impl Programs {
    /// What a program writes to its standard output, if it ends well.
    pub(crate) fn run(&self, dir: &Path, name: &str, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new(self.directory.join("bin").join(name));
        // What is rendered depends on no cluster, and no warning about its configuration gets in.
        command.args(args).current_dir(dir).env_remove("KUBECONFIG").env("HOME", &self.directory);
        let called = format!("{name} {}", args.join(" "));
        let ended = command.output().map_err(|error| format!("cannot run {called}: {error}"))?;
        let output = String::from_utf8_lossy(&ended.stdout).into_owned();
        if ended.status.success() {
            return Ok(output);
        }
        let errors = String::from_utf8_lossy(&ended.stderr);
        Err(format!("{}\n{}\n`{called}` has failed", output.trim_end(), errors.trim_end()))
    }

    /// JSON schemas of Kubernetes' own kinds.
    pub(crate) fn schemas(&self) -> PathBuf {
        self.directory.join("schemas")
    }
}
