//! The programs that render and check charts, from the cache that the test cluster's are in too.

use crate::stage;
use std::path::{Path, PathBuf};

/// Programs that are there.
pub(crate) struct Programs {
    directory: PathBuf,
}

/// Takes them from the cache; the first time, builds them from the Go module proxy.
pub(crate) fn obtain(root: &Path) -> Result<Programs, String> {
    let command = ["cargo", "run", "--quiet", "--locked", "--package", "egret-e2e"];
    let command = [&command[..], &["--bin", "egret-cluster", "--", "checks"]].concat();
    let ended = stage::run(root, &command, &[], |line| line.contains("build"));
    let last = ended.output.trim_end().lines().last().unwrap_or_default();
    if ended.ok {
        Ok(Programs { directory: PathBuf::from(last) })
    } else {
        Err(ended.output.trim().to_owned())
    }
}

impl Programs {
    /// What a program writes, if it ends well.
    pub(crate) fn run(&self, dir: &Path, name: &str, args: &[&str]) -> Result<String, String> {
        let program = self.directory.join("bin").join(name);
        let program = program.to_string_lossy();
        let ended = stage::run(dir, &[&[&*program], args].concat(), &[], |_| false);
        if ended.ok {
            Ok(ended.output)
        } else {
            Err(format!("{}\n`{name} {}` has failed", ended.output.trim_end(), args.join(" ")))
        }
    }

    /// JSON schemas of Kubernetes' own kinds.
    pub(crate) fn schemas(&self) -> PathBuf {
        self.directory.join("schemas")
    }
}
