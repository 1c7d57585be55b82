//! `egret validate`: is this a topology?

use crate::{
    load::{self, Changes, problem::Problems},
    output, plan,
};
use clap::{Args, ValueHint};
use egret_process::Exit;
use std::path::{Path, PathBuf};

/// Check topology files, without running anything
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  egret validate examples/word-count.yaml
  egret validate topology.yaml --instance ./target/release/my-components
  helm template . | egret validate -")]
pub(crate) struct Options {
    /// Topology files; `-` is standard input
    #[arg(required = true, value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,

    #[command(flatten)]
    changes: Changes,
}

pub(crate) fn main(options: &Options) -> Exit {
    let check = |file: &PathBuf| match valid(file, &options.changes) {
        Ok(words) => output::print(&words),
        Err(problems) => output::refuse(&problems),
    };
    let exits: Vec<Exit> = options.files.iter().map(check).collect();
    exits.into_iter().find(|exit| *exit != Exit::Ok).unwrap_or(Exit::Ok)
}

/// What there is to say of a valid file.
fn valid(file: &Path, changes: &Changes) -> Result<String, Problems> {
    let logical = load::load(file, changes)?.logical;
    let pods = plan::pack(file, &logical)?.pods.len();
    let (name, components, tasks) = (&logical.name, logical.components.len(), logical.tasks());
    Ok(format!(
        "{}: topology `{name}` is valid: {components} components, {tasks} tasks in {pods} pods\n",
        file.display()
    ))
}
