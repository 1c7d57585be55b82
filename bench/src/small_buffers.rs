//! Runs a program to which the kernel refuses larger UDP receive buffers, as on a node with old
//! limits: it keeps the default of 208 KiB.
//!
//! Changing `net.core.rmem_max` would concern the whole machine and need privileges; a seccomp
//! filter that refuses `SO_RCVBUF` concerns this program and its children only.

use anyhow::{Context, bail};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};
use std::{collections::BTreeMap, os::unix::process::CommandExt, process::Command};

/// The hidden subcommand; what follows it is run.
pub(crate) const ROLE: &str = "__with-small-buffers";

/// Arguments of `setsockopt`.
const LEVEL: u8 = 1;
const OPTION: u8 = 2;

pub(crate) fn main() -> anyhow::Result<()> {
    let mut words = std::env::args_os().skip(2);
    let program = words.next().context("which program?")?;
    apply_filter(&filter()?).context("the kernel takes no filter")?;
    let error = Command::new(&program).args(words).exec();
    bail!("cannot run {}: {error}", program.to_string_lossy())
}

fn filter() -> anyhow::Result<BpfProgram> {
    let is = |argument, value: i32| {
        SeccompCondition::new(
            argument,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::Eq,
            u64::from(value.unsigned_abs()),
        )
    };
    let rule = SeccompRule::new(vec![is(LEVEL, libc::SOL_SOCKET)?, is(OPTION, libc::SO_RCVBUF)?])?;
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let rules = BTreeMap::from([(libc::SYS_setsockopt, vec![rule])]);
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        refused,
        std::env::consts::ARCH.try_into()?,
    )?;
    Ok(filter.try_into()?)
}
